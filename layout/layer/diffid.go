package layer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
)

// DiffID is the digest of the uncompressed tar in the blob of a layer of a media type,
// which is read to its end, whatever the tar holds. A stream that cannot be
// decompressed is a *Breach; errors of r are given back as they are.
func DiffID(ctx context.Context, r io.Reader, mediaType string) (digest.Digest, error) {
	algorithm, ok := imagespec.LayerCompression(mediaType)
	if !ok {
		return "", fmt.Errorf("%s is no media type of a layer", mediaType)
	}
	d, err := Decompress(r, algorithm, 0)
	if err != nil {
		return "", err
	}
	defer d.Close()
	sum, buf := sha256.New(), make([]byte, 64<<10)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := d.Read(buf)
		sum.Write(buf[:n])
		if err == io.EOF {
			return digest.NewDigest(digest.SHA256, sum), nil
		}
		if err != nil {
			return "", err
		}
	}
}
