package remote

import (
	"context"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// FakeWaits makes the client wait no time between attempts, and gives the sum of
// the waits that it would have taken.
func (c *Client) FakeWaits() (total *time.Duration) {
	total = new(time.Duration)
	c.sleep = func(ctx context.Context, d time.Duration) error {
		*total += d
		return ctx.Err()
	}
	return total
}

// Verified is content as it is sent.
func (r *Repository) Verified(desc ocispec.Descriptor, content io.Reader) io.Reader {
	return &verified{ReadCloser: io.NopCloser(content), sent: &sentContent{}, r: r, desc: desc, verifier: desc.Digest.Verifier()}
}

// CheckAddress exposes the check of addresses that are connected to.
func (c *Client) CheckAddress(address string) error { return c.routes.checkAddress(address) }
