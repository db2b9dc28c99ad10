package source

import (
	"context"
	"io"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// SkipDuplicates gives the function that reports which entries of a layer's archive
// are left out because another entry has their path; nil where the layer refuses
// such archives. Where the last entry counts, the archive is read from r to its
// end first. The function is for one pass over the archive.
func SkipDuplicates(ctx context.Context, l *spec.Layer, algorithm imagespec.Algorithm, r io.Reader) (func(*layer.Entry) bool, error) {
	switch l.OnDuplicate {
	case spec.DuplicatesFirst:
		return layer.SkipLater(), nil
	case spec.DuplicatesLast:
		return layer.SkipEarlier(ctx, r, algorithm)
	}
	return nil, nil
}
