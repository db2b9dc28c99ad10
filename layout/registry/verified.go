package registry

import (
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/internal/disk"
)

// verified are the blobs that were hashed since a registry was opened, so that a blob is
// hashed once and not for each reader, or each time that its layout is opened again.
type verified struct {
	mu   sync.Mutex
	seen map[string]sight
}

// verifiedIn is the layout.Cache of one layout.
type verifiedIn struct {
	*verified
	// dir is the path of the layout in the registry.
	dir string
}

// sight is a file as it was seen first.
type sight struct {
	info fs.FileInfo
	// at is when it was seen, before it was hashed.
	at time.Time
	// digest is that of its content; empty when it is not known.
	digest digest.Digest
}

const (
	// maxSights is the number of files that are remembered.
	maxSights = 1 << 16
	// settled is the age from which on every later write changes the times of a file.
	settled = 3 * time.Second
)

// Lookup gives the digest of a file that is as it was when it was hashed.
func (v verifiedIn) Lookup(path string, info fs.FileInfo) (digest.Digest, bool) {
	path = v.dir + " " + path
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.seen[path]
	if ok && same(s.info, info) {
		if s.digest == "" {
			// The file has been the same for longer now, and is hashed once more.
			v.put(path, sight{info: info, at: time.Now()})
		}
		return s.digest, s.digest != ""
	}
	v.put(path, sight{info: info, at: time.Now()})
	return "", false
}

// Store remembers a file that was hashed, unless it was written so briefly before that
// another write could have left its times as they were.
func (v verifiedIn) Store(path string, info fs.FileInfo, dgst digest.Digest) {
	path = v.dir + " " + path
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.seen[path]
	if ok && same(s.info, info) && s.at.Sub(disk.Changed(info)) > settled {
		s.digest = dgst
		v.seen[path] = s
	}
}

// Trust remembers a file that this process has written and nobody else.
func (v verifiedIn) Trust(path string, info fs.FileInfo, dgst digest.Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.put(v.dir+" "+path, sight{info: info, at: time.Now(), digest: dgst})
}

func (v *verified) put(path string, s sight) {
	if len(v.seen) >= maxSights {
		clear(v.seen)
	}
	v.seen[path] = s
}

// same reports whether the file system says the same of a file twice.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && disk.Changed(a).Equal(disk.Changed(b))
}
