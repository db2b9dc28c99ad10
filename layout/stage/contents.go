package stage

import (
	"context"
	"errors"
	"io/fs"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
)

// Contents is the table of contents of a layer blob: the one that was kept or,
// when that is lost, damaged or never was, one that is made of the verified blob.
// A blob of which nobody can tell what it holds is a *layer.Breach.
func Contents(ctx context.Context, store *layout.Store, d ocispec.Descriptor) (*layer.TOC, error) {
	toc, err := LoadTOC(ctx, store, d.Digest)
	if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrCorrupt) {
		return toc, err
	}
	return DeriveContents(ctx, store.Reader, d)
}

// DeriveContents makes the table of contents of a layer of the verified blob, whatever
// was kept of it.
func DeriveContents(ctx context.Context, r *layout.Reader, d ocispec.Descriptor) (*layer.TOC, error) {
	blob, err := r.Fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	toc, err := layer.DeriveTOC(ctx, blob, d.MediaType)
	if err != nil {
		return nil, err
	}
	toc.Blob, toc.Size = d.Digest, d.Size
	return toc, nil
}

// Entries passes the entries of a layer blob to visit, in the order of its tar: those
// of the table of contents that was kept or, when that is lost, damaged or never was,
// those of the verified blob, in this case without the digests of files where none are
// wanted. A blob of which nobody can tell what it holds is a *layer.Breach.
func Entries(ctx context.Context, store *layout.Store, d ocispec.Descriptor, digests bool, visit func(*layer.Entry) error) error {
	begun := false
	_, err := ReadTOC(ctx, store, d.Digest, func(e *layer.Entry) error {
		begun = true
		return visit(e)
	})
	if begun || err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrCorrupt) {
		return err
	}
	return DeriveEntries(ctx, store.Reader, d, digests, visit)
}

// DeriveEntries is Entries of the verified blob, whatever was kept of it.
func DeriveEntries(ctx context.Context, r *layout.Reader, d ocispec.Descriptor, digests bool, visit func(*layer.Entry) error) error {
	blob, err := r.Fetch(ctx, d)
	if err != nil {
		return err
	}
	defer blob.Close()
	return layer.Entries(ctx, blob, d.MediaType, digests, visit)
}
