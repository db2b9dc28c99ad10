package source

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source/walk"
)

// hashBatch is the number of files that one worker takes at a time; they are
// of one directory where there are as many.
const hashBatch = 64

// hashBuffer is the size of the buffers that files are read through.
const hashBuffer = 256 << 10

// zeros is the content of holes, for hashing.
var zeros [hashBuffer]byte

var errChanged = errors.New("it changed while it was read")

// hashFiles sets the digest of every file among entries, from the cache where it
// knows, by reading otherwise.
func (o *observer) hashFiles(entries []Entry) {
	var files []*Entry
	for i := range entries {
		if e := &entries[i]; e.Type == layer.Regular && e.File != "" && e.Digest == "" {
			files = append(files, e)
		}
	}
	var next atomic.Int64
	var g errgroup.Group
	for range min(o.opts.Parallelism, (len(files)+hashBatch-1)/hashBatch) {
		g.Go(func() error {
			w := &fileHasher{observer: o, files: NewFiles(o.root), buf: make([]byte, hashBuffer)}
			if len(files) > hashBatch {
				w.texts.Block = layer.TextBlock
			}
			defer func() { _ = w.files.Close() }()
			for o.ctx.Err() == nil {
				start := int(next.Add(hashBatch)) - hashBatch
				if start >= len(files) {
					return nil
				}
				for _, e := range files[start:min(start+hashBatch, len(files))] {
					if o.ctx.Err() != nil {
						return nil
					}
					w.hash(e)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // problems are reported through the observer
}

// fileHasher reads files and sets their digests, one after the other.
type fileHasher struct {
	*observer
	files *Files
	buf   []byte
	texts layer.Texts
}

func (w *fileHasher) hash(e *Entry) {
	sum, err := w.digestFile(w.files, e.File, e.Size, w.buf)
	if err != nil {
		w.report(int(e.Op), "Cannot read file", "%q cannot be read: %s.", e.File, err)
		return
	}
	e.Digest, e.State = sum.DigestIn(&w.texts), 0
}

// cachedDigest is the cached digest of a file, "" where there is none, or no digests are
// wanted.
func (o *observer) cachedDigest(name string, info fs.FileInfo) digest.Digest {
	if !o.opts.Hash || o.opts.Digests == nil {
		return ""
	}
	d, _ := o.opts.Digests.Lookup(name, info)
	return d
}

// digestFile reads a file of the given size and gives its SHA-256.
func (o *observer) digestFile(opener *Files, name string, size int64, buf []byte) (sum layer.Sum, err error) {
	file, info, err := opener.Open(name)
	if err != nil {
		return sum, err
	}
	sum, err = o.digestOpen(file, info, size, buf)
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = walk.Cause(closeErr)
	}
	if err == nil && o.opts.Digests != nil {
		o.opts.Digests.Store(name, info, sum.Digest())
	}
	return sum, err
}

func (o *observer) digestOpen(file *os.File, info fs.FileInfo, size int64, buf []byte) (sum layer.Sum, err error) {
	if info.Size() != size {
		return sum, fmt.Errorf("%w: size %d, was %d", errChanged, info.Size(), size)
	}
	h, sparse := sha256.New(), hasHoles(info)
	var n int64
	for n <= size { // more need not be read: the file grew, and may go on growing
		if err := o.ctx.Err(); err != nil { // Observe reports it
			return sum, err
		}
		if sparse && inHole(int(file.Fd()), n, int64(len(buf))) {
			h.Write(zeros[:len(buf)])
			n += int64(len(buf))
			continue
		}
		k, err := file.ReadAt(buf, n)
		h.Write(buf[:k])
		n += int64(k)
		if err == io.EOF {
			break
		}
		if err != nil {
			return sum, walk.Cause(err)
		}
	}
	after, err := file.Stat()
	if err != nil {
		return sum, walk.Cause(err)
	}
	if what := StatChanged(info, after); what != "" {
		return sum, fmt.Errorf("%w: %s", errChanged, what)
	}
	if n != info.Size() {
		return sum, fmt.Errorf("%w: %d bytes were read of %d", errChanged, n, info.Size())
	}
	return layer.Sum(h.Sum(nil)), nil
}
