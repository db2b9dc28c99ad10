package layout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/layer"
)

// uploadsDir has one file for each upload, locked by its writer while there is one.
const uploadsDir = PrivateDir + "/uploads"

// PendingAge is how long an upload that nobody writes to is kept, and a Lease that
// nobody takes again.
const PendingAge = 24 * time.Hour

// ErrUploadBusy is the error about an upload that somebody else is writing to.
var ErrUploadBusy = errors.New("another request is writing to the upload; wait for it to end")

// Upload is content on its way to becoming a blob that may come in several parts: unlike
// an Ingest it outlives its process, and another one goes on with it. It serves one
// goroutine.
type Upload struct {
	in   *Ingest
	name string
	// hashed is how much of the file is in the hash of the Ingest.
	hashed int64
}

// uploadHashes are the hashes of uploads that wait for more, by the names of their
// files, so that what a process has written is not read again.
type uploadHashes struct {
	mu sync.Mutex
	of map[string]uploadHash
}

// uploadHash is the SHA-256 of the first size bytes of an upload.
type uploadHash struct {
	size int64
	hash hash.Hash
}

// maxUploadHashes is the number of hashes that are kept. The content of other uploads is
// read once more at their end.
const maxUploadHashes = 1024

func (h *uploadHashes) put(name string, u uploadHash) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil || len(h.of) >= maxUploadHashes {
		h.of = map[string]uploadHash{}
	}
	h.of[name] = u
}

// take gives the hash of an upload of a size; one of nothing where there is none.
func (h *uploadHashes) take(name string, size int64) uploadHash {
	h.mu.Lock()
	defer h.mu.Unlock()
	u, ok := h.of[name]
	delete(h.of, name)
	if !ok || u.size != size {
		return uploadHash{hash: newHash(digest.SHA256)}
	}
	return u
}

// scopeKey is a file name for a scope, which may be any text.
func scopeKey(scope string) string {
	sum := sha256.Sum256([]byte(scope))
	return hex.EncodeToString(sum[:16])
}

// StartUpload begins an upload, which only those who name the same scope find. It makes
// the directory and our folder in it when they are missing.
func (s *Store) StartUpload(ctx context.Context, scope string) (*Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := s.create()
	if err != nil {
		return nil, err
	}
	if _, err := d.Mkdir(uploadsDir); err != nil {
		return nil, s.explainNotPlain(s.unwritable(err))
	}
	t, err := d.CreateTemp(uploadsDir, scopeKey(scope))
	if err != nil {
		return nil, s.unwritable(err)
	}
	return s.upload(t, uploadHash{hash: newHash(digest.SHA256)}), nil
}

func (s *Store) upload(t *disk.Temp, h uploadHash) *Upload {
	in := &Ingest{s: s, t: t, algorithm: digest.SHA256, hash: h.hash, size: t.Size()}
	return &Upload{in: in, name: path.Base(t.Name()), hashed: h.size}
}

// uploadName is the file of an upload. The error is fs.ErrNotExist for an id that is
// none.
func uploadName(scope, id string) (string, error) {
	if !disk.IsRandom(id) {
		return "", missing("upload")
	}
	return path.Join(uploadsDir, scopeKey(scope)+"-"+id), nil
}

// ResumeUpload goes on with the upload of an id. The error is fs.ErrNotExist when there
// is none of that scope, and ErrUploadBusy while somebody else writes to it.
func (s *Store) ResumeUpload(ctx context.Context, scope, id string) (*Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, err := uploadName(scope, id)
	if err != nil {
		return nil, err
	}
	d, err := s.disk()
	if err != nil {
		return nil, err
	}
	t, err := d.ResumeTemp(name)
	if errors.Is(err, disk.ErrContended) {
		return nil, ErrUploadBusy
	}
	if err != nil {
		return nil, s.explainNotPlain(s.unwritable(err))
	}
	return s.upload(t, s.uploads.take(path.Base(name), t.Size())), nil
}

// UploadSize is the number of bytes that an upload has so far. The error is
// fs.ErrNotExist when there is none of that scope.
func (s *Store) UploadSize(ctx context.Context, scope, id string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	name, err := uploadName(scope, id)
	if err != nil {
		return 0, err
	}
	d, err := s.disk()
	if err != nil {
		return 0, err
	}
	info, err := d.Lstat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// ID names the upload for ResumeUpload.
func (u *Upload) ID() string { return u.name[len(scopeKey(""))+1:] }

// Size is the number of bytes so far.
func (u *Upload) Size() int64 { return u.in.size }

// Write appends p.
func (u *Upload) Write(p []byte) (int, error) {
	in := u.in
	if in.err != nil {
		return 0, in.err
	}
	n, err := in.t.Write(p)
	if u.hashed == in.size {
		in.hash.Write(p[:n])
		u.hashed += int64(n)
	}
	in.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing an upload of %s: %w", in.s.dir, err)
	}
	return n, nil
}

// Digest is the digest of the bytes so far. What another process has written is read.
func (u *Upload) Digest(ctx context.Context, a digest.Algorithm) (digest.Digest, error) {
	in := u.in
	if in.err != nil {
		return "", in.err
	}
	if a != in.algorithm {
		if a != digest.SHA256 && a != digest.SHA512 {
			return "", digest.ErrDigestUnsupported
		}
		in.algorithm, in.hash, u.hashed = a, newHash(a), 0
	}
	for u.hashed < in.size {
		rest := io.NewSectionReader(in.t, u.hashed, in.size-u.hashed)
		n, err := io.CopyBuffer(struct{ io.Writer }{in.hash}, layer.ContextReader(ctx, rest), make([]byte, 256<<10))
		u.hashed += n
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", fmt.Errorf("reading an upload of %s: %w", in.s.dir, err)
		}
	}
	return in.Digest(), nil
}

// Commit makes the content, which Digest was asked of, a blob as that of an Ingest.
// It ends the upload, also with an error.
func (u *Upload) Commit(ctx context.Context) (desc ocispec.Descriptor, created bool, err error) {
	if u.in.err == nil && u.hashed != u.in.size {
		u.in.err = errors.New("the upload has grown since its digest was told")
	}
	desc.MediaType = "application/octet-stream"
	desc.Digest, desc.Size, created, err = u.in.Commit(ctx)
	return desc, created, err
}

// Close keeps what was written, for ResumeUpload. It does nothing after Commit and
// Cancel.
func (u *Upload) Close() error {
	in := u.in
	if in.err == nil {
		in.err = errors.New("the upload was closed")
	}
	if in.algorithm == digest.SHA256 && u.hashed == in.size && in.t.Live() {
		in.s.uploads.put(u.name, uploadHash{size: u.hashed, hash: in.hash})
	}
	return in.t.Keep()
}

// Cancel drops the upload. It does nothing after Commit and Close.
func (u *Upload) Cancel() error { return u.in.Abort() }

// expireUploads removes the uploads that nobody has written to since a time, and tells
// how many.
func (s *Store) expireUploads(ctx context.Context, d *disk.Dir, since time.Time) (int, error) {
	entries, err := d.List(uploadsDir)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!e.Type().IsRegular() || info.ModTime().After(since)) {
			continue
		}
		if err != nil {
			return removed, err
		}
		dead, err := d.SweepTemp(path.Join(uploadsDir, e.Name()), false)
		if err != nil {
			return removed, s.unwritable(err)
		}
		if dead {
			removed++
		}
	}
	return removed, nil
}
