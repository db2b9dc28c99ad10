package encode

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// DeriveTOC reads the blob of a layer of a media type to its end and gives its
// table of contents, for layers that layform did not write, or whose table was
// lost. A media type that is not one of a layer's is taken as what the blob's
// first bytes say. It has no Encoding, and no chunks. Entries are listed as
// they stand in the tar, also where no good layer would hold them: two entries
// for one path, or paths that lead out of it; sparse files have no digest. A
// list that is long beside the blob, whose size r tells if it has a method Size,
// is an error.
func DeriveTOC(ctx context.Context, r io.Reader, mediaType string) (*layer.TOC, error) {
	sum := sha256.New()
	in := &meter{r: io.TeeReader(&interruptible{ctx, r}, sum)}
	size := in.count
	if known, ok := r.(interface{ Size() int64 }); ok {
		size = known.Size
	}
	algorithm, ok := imagespec.LayerCompression(mediaType)
	var stream io.Reader = in
	if !ok {
		br, found, err := sniff(in)
		if err != nil {
			return nil, fmt.Errorf("a blob of type %q is no layer: it %w", mediaType, err)
		}
		stream, algorithm = br, found
	}
	d, err := decompress(stream, algorithm)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	toc, err := scanAll(d, size, false, nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return nil, err
	}
	toc.Blob, toc.Size = digest.NewDigest(digest.SHA256, sum), in.count()
	return toc, nil
}
