package layout

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Vouched reports whether the Cache knows the file of a blob, by what the file
// system says of it, and its content as that of desc.
func (s *Store) Vouched(desc ocispec.Descriptor) bool {
	name, err := blobPath(desc.Digest)
	if err != nil {
		return false
	}
	cache := s.remembered()
	d, err := s.disk()
	if cache == nil || err != nil {
		return false
	}
	info, err := d.Lstat(name)
	if err != nil {
		return false
	}
	got, ok := cache.Lookup(cacheKey(name), info)
	return ok && got == desc.Digest
}

// OpenVerified is ReaderAt for a blob whose content was hashed, or that the Cache knows
// by its file. The error is a *BlobError where it is another one.
func (r *Reader) OpenVerified(ctx context.Context, dgst digest.Digest) (*BlobFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, info, err := r.openBlob(dgst)
	if err != nil {
		return nil, err
	}
	got, err := r.hashBlob(ctx, f, info, dgst)
	if err == nil && got != dgst {
		err = digestError(dgst, got)
	}
	if file, ok := f.(*os.File); ok && err == nil {
		_, err = file.Seek(0, io.SeekStart) // for whoever reads from File
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &BlobFile{f: f, size: info.Size()}, nil
}
