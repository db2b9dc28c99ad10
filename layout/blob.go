package layout

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/layer"
)

// BlobState is the condition of a blob in a layout.
type BlobState string

// The states of a blob.
const (
	// Missing: there is nothing.
	Missing BlobState = "missing"
	// Torn: there is something else than the descriptor says.
	Torn BlobState = "torn"
	// Intact: size and digest are those of the descriptor.
	Intact BlobState = "intact"
)

// Cache remembers digests of files. Lookup answers only when it is certain that
// the file's content has not changed since Store or Trust; Trust is for files
// that nobody else writes.
type Cache interface {
	Lookup(path string, info fs.FileInfo) (digest.Digest, bool)
	Store(path string, info fs.FileInfo, dgst digest.Digest)
	Trust(path string, info fs.FileInfo, dgst digest.Digest)
}

// Remember sets the cache of verified blobs: c is asked before a blob is hashed to
// check it, and stores the blobs that were hashed. What is read is verified all the
// same.
func (r *Reader) Remember(c Cache) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cache = c
}

func (r *Reader) remembered() Cache {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cache
}

// cacheKey names a blob in the Cache, apart from every file path.
func cacheKey(name string) string { return "layout:" + name }

// blobPath is the file of a blob. Only digests of known algorithms and exact
// form give one, so that no digest can name another place. One of another algorithm
// gives a *BlobError.
func blobPath(dgst digest.Digest) (string, error) {
	err := dgst.Validate()
	switch {
	case err == nil && isKnown(dgst.Algorithm()):
		return imagespec.BlobPath(dgst), nil
	case err == nil || errors.Is(err, digest.ErrDigestUnsupported):
		return "", &BlobError{Digest: dgst, Problem: "cannot be read or checked: only sha256 and sha512 are known", Err: err}
	}
	return "", fmt.Errorf("%q is no digest of a blob: %w", string(dgst), err)
}

// isKnown reports whether blobs have digests of an algorithm.
func isKnown(a digest.Algorithm) bool { return a == digest.SHA256 || a == digest.SHA512 }

// newHash gives the hash of an algorithm that blobPath knows.
func newHash(a digest.Algorithm) hash.Hash {
	if a == digest.SHA512 {
		return sha512.New()
	}
	return sha256.New()
}

// openBlob opens the file of a blob.
func (r *Reader) openBlob(dgst digest.Digest) (File, fs.FileInfo, error) {
	name, err := blobPath(dgst)
	if err != nil {
		return nil, nil, err
	}
	f, err := r.tree.Open(name)
	if err != nil {
		return nil, nil, blobError(dgst, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(blobError(dgst, err), f.Close())
	}
	return f, info, nil
}

// Fetch opens the blob of desc. Whoever reads it to the end gets either io.EOF
// after exactly the bytes that the digest stands for, or a *BlobError; bytes
// that came before an error must not be used. The caller closes it.
func (r *Reader) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, info, err := r.openBlob(desc.Digest)
	if err != nil {
		return nil, err
	}
	if info.Size() != desc.Size {
		return nil, errors.Join(sizeError(desc, info.Size()), f.Close())
	}
	return &verified{f: f, desc: desc, hash: newHash(desc.Digest.Algorithm())}, nil
}

func sizeError(desc ocispec.Descriptor, size int64) error {
	return &BlobError{Digest: desc.Digest, Problem: fmt.Sprintf("is torn: it has %d bytes, not %d", size, desc.Size)}
}

func digestError(want, got digest.Digest) error {
	return &BlobError{Digest: want, Problem: fmt.Sprintf("is torn: its content has the digest %s", got)}
}

// verified reads a blob and compares it with its descriptor.
type verified struct {
	f    File
	desc ocispec.Descriptor
	hash hash.Hash
	size int64
	err  error
}

// Read gives io.EOF only when everything was read and matches.
func (v *verified) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.f.Read(p)
	v.hash.Write(p[:n])
	v.size += int64(n)
	switch {
	case v.size > v.desc.Size:
		err = sizeError(v.desc, v.size)
	case errors.Is(err, io.EOF) && v.size != v.desc.Size:
		err = sizeError(v.desc, v.size)
	case errors.Is(err, io.EOF):
		if got := digest.NewDigest(v.desc.Digest.Algorithm(), v.hash); got != v.desc.Digest {
			err = digestError(v.desc.Digest, got)
		}
	}
	v.err = err
	return n, err
}

// Size is the number of bytes of the whole blob.
func (v *verified) Size() int64 { return v.desc.Size }

// Close closes the file.
func (v *verified) Close() error { return v.f.Close() }

// ReadBlob returns the verified content of a blob. A blob of more than limit
// bytes is an error; 0 stands for Limits.Manifest.
func (r *Reader) ReadBlob(ctx context.Context, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	if limit == 0 {
		limit = r.limits.Manifest
	}
	if desc.Size > limit {
		return nil, &BlobError{Digest: desc.Digest, Problem: fmt.Sprintf("has %d bytes; the limit is %d", desc.Size, limit)}
	}
	in, err := r.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data := make([]byte, desc.Size)
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, err
	}
	// Only the end of the file tells that it was the right one.
	var more [1]byte
	if _, err := in.Read(more[:]); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data, nil
}

// BlobFile is a blob that is open for reading anywhere. What it gives is not
// verified: compare parts with digests of your own.
type BlobFile struct {
	f    File
	size int64
}

// ReadAt reads as io.ReaderAt does.
func (b *BlobFile) ReadAt(p []byte, off int64) (int, error) { return b.f.ReadAt(p, off) }

// Close closes the file.
func (b *BlobFile) Close() error { return b.f.Close() }

// Size is the length of the file in bytes.
func (b *BlobFile) Size() int64 { return b.size }

// File is the open file, for copies that the kernel makes; nil where the blob has none
// of its own, as in an archive. It must not be closed.
func (b *BlobFile) File() *os.File {
	f, _ := b.f.(*os.File)
	return f
}

// ReaderAt opens a blob for reading anywhere. The caller closes it.
func (r *Reader) ReaderAt(ctx context.Context, dgst digest.Digest) (*BlobFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, info, err := r.openBlob(dgst)
	if err != nil {
		return nil, err
	}
	return &BlobFile{f: f, size: info.Size()}, nil
}

// Exists reports whether the blob of desc is in the layout as a regular
// file of the right size. It does not read it: see Check.
func (r *Reader) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	size, exists, err := r.Size(ctx, desc.Digest)
	return exists && size == desc.Size, err
}

// Size is the size of the file of a blob, and reports whether there is one. It does
// not read it.
func (r *Reader) Size(ctx context.Context, dgst digest.Digest) (size int64, exists bool, err error) {
	info, err := r.stat(ctx, dgst)
	if err != nil {
		return 0, false, ignoreMissing(err)
	}
	return info.Size(), true, nil
}

// Changed is when the file of a blob last changed, as Blob has it, and reports whether
// there is one.
func (r *Reader) Changed(ctx context.Context, dgst digest.Digest) (at time.Time, exists bool, err error) {
	info, err := r.stat(ctx, dgst)
	if err != nil {
		return time.Time{}, false, ignoreMissing(err)
	}
	return disk.Changed(info), true, nil
}

func (r *Reader) stat(ctx context.Context, dgst digest.Digest) (fs.FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, err := blobPath(dgst)
	if err != nil {
		return nil, err
	}
	return r.tree.Stat(name)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Check finds the state of the blob of desc, by its hash or from the Cache. A negative
// size of desc stands for any. The error is one of reading; a blob that is something
// else than a file is Torn, also one that is a symbolic link: what is written here is a
// file of its own, although reading follows the links that others made.
func (s *Store) Check(ctx context.Context, desc ocispec.Descriptor) (BlobState, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	name, err := blobPath(desc.Digest)
	if err != nil {
		return "", err
	}
	d, err := s.disk()
	if err != nil {
		return Missing, ignoreMissing(err)
	}
	f, info, err := d.Open(name, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, nil
	case errors.Is(err, ErrNotPlain):
		return Torn, nil
	case err != nil:
		return "", blobError(desc.Digest, err)
	}
	defer f.Close()
	if desc.Size >= 0 && info.Size() != desc.Size {
		return Torn, nil
	}
	got, err := s.hashBlob(ctx, f, info, desc.Digest)
	if err != nil {
		return "", err
	}
	if got != desc.Digest {
		return Torn, nil
	}
	return Intact, nil
}

// hashBlob gives the digest of an open blob.
func (r *Reader) hashBlob(ctx context.Context, f File, info fs.FileInfo, dgst digest.Digest) (digest.Digest, error) {
	name, err := blobPath(dgst)
	if err != nil {
		return "", err
	}
	cache := r.remembered()
	if cache != nil {
		if got, ok := cache.Lookup(cacheKey(name), info); ok {
			return got, nil
		}
	}
	h := newHash(dgst.Algorithm())
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, layer.ContextReader(ctx, f), make([]byte, max(1, min(256<<10, info.Size())))); err != nil {
		return "", err
	}
	got := digest.NewDigest(dgst.Algorithm(), h)
	if after, err := f.Stat(); cache != nil && err == nil && after.ModTime().Equal(info.ModTime()) {
		cache.Store(cacheKey(name), info, got)
	}
	return got, nil
}

// Blob is a file under blobs/ whose name is a digest.
type Blob struct {
	Digest digest.Digest `json:"digest"`
	// Size is the length of the file in bytes.
	Size int64 `json:"size"`
	// Modified is the file's mtime, which writers can set.
	Modified time.Time `json:"modified"`
	// Changed is the file's ctime, which cannot be set back. Where the system does not
	// tell, it is Modified.
	Changed time.Time `json:"changed"`
}

// Blobs lists the blobs by algorithm and name, without reading them. What
// stands there and is no blob, by name or kind, is left out: see Validate.
func (r *Reader) Blobs(ctx context.Context) iter.Seq2[Blob, error] {
	return func(yield func(Blob, error) bool) {
		for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			dir := blobsDir + "/" + string(a)
			entries, err := r.tree.List(dir)
			if err := ignoreMissing(err); err != nil {
				yield(Blob{}, err)
				return
			}
			for _, e := range entries {
				if err := ctx.Err(); err != nil {
					yield(Blob{}, err)
					return
				}
				if !isBlob(a, e) {
					continue
				}
				dgst := digest.NewDigestFromEncoded(a, e.Name())
				info, err := e.Info()
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					yield(Blob{}, err)
					return
				}
				if !yield(Blob{Digest: dgst, Size: info.Size(), Modified: info.ModTime(), Changed: disk.Changed(info)}, nil) {
					return
				}
			}
		}
	}
}
