package layer

import (
	"context"
	"io"

	"github.com/layform/layform/layout/imagespec"
)

// SkipLater gives the Skip of a Visitor that leaves out all entries of a path but
// the first. It is for one scan.
func SkipLater() func(*Entry) bool {
	seen := NewPaths[struct{}]()
	return func(e *Entry) bool { return !seen.Add(e.Path, struct{}{}) }
}

// SkipEarlier gives the Skip of a Visitor that leaves out all entries of a path but
// the last, as programs that unpack the layer would do. It reads the archive, which
// is compressed with the algorithm, to its end. It is for one scan.
func SkipEarlier(ctx context.Context, r io.Reader, algorithm imagespec.Algorithm) (func(*Entry) bool, error) {
	d, err := Decompress(ContextReader(ctx, r), algorithm, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	left := NewPaths[int32]()
	err = Scan(d, Visitor{Entry: func(e *Entry, _ []byte) error {
		left.Set(e.Path, left.Value(e.Path)+1)
		return nil
	}})
	return func(e *Entry) bool {
		n := left.Value(e.Path) - 1
		left.Set(e.Path, n)
		return n > 0
	}, err
}
