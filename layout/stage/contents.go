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
