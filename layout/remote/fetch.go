package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/layform/layform/layout/imagespec"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func blobCall(method string, desc ocispec.Descriptor) call {
	return call{doing: "read the blob", method: method, path: "/blobs/" + desc.Digest.String(), reference: desc.Digest.String(), actions: pull, header: http.Header{}}
}

// Fetch reads content. The reader gives io.EOF only after exactly the bytes that
// the descriptor names; a ContentError takes its place when they have another
// digest or another length. A download that is cut goes on where it was. The
// caller closes the reader; the context has to live until then. Manifests are
// read and verified whole before Fetch returns.
func (r *Repository) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return nil, fmt.Errorf("%s: the digest %q: %w", r.Name(), desc.Digest, err)
	}
	if imagespec.IsManifest(desc.MediaType) {
		data, err := r.FetchManifest(ctx, desc)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	ctx, _ = r.withBudget(ctx)
	b := &download{ctx: ctx, r: r, desc: desc, call: blobCall(http.MethodGet, desc), verifier: desc.Digest.Verifier(), cleanEnd: -1}
	if desc.Size < 0 {
		return nil, r.wrong(b.call, fmt.Sprintf("its descriptor has the size %d", desc.Size))
	}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// FetchManifest reads and verifies a manifest whole. A descriptor with a size
// above Limits.Document is a LimitError.
func (r *Repository) FetchManifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	c := manifestCall(http.MethodGet, desc.Digest.String())
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return nil, fmt.Errorf("%s: the digest %q: %w", r.Name(), desc.Digest, err)
	}
	if desc.Size > r.limits.Document {
		return nil, r.failure(c).failed(ctx, exceeded{fmt.Sprintf("its descriptor has the size %d: a manifest has at most %%d bytes", desc.Size), r.limits.Document})
	}
	_, data, err := r.manifest(ctx, desc.Digest.String(), desc.MediaType)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != desc.Size {
		return nil, r.wrong(c, fmt.Sprintf("it has %d bytes, and its descriptor says %d", len(data), desc.Size))
	}
	return data, nil
}

// FetchReference reads and verifies the manifest of a tag or of a digest whole: with one
// GET it does what Resolve and FetchManifest do. The error is a NotFoundError when there
// is nothing.
func (r *Repository) FetchReference(ctx context.Context, reference string) (ocispec.Descriptor, []byte, error) {
	if err := checkReference(reference); err != nil {
		return ocispec.Descriptor{}, nil, fmt.Errorf("%s: %w", r.Name(), err)
	}
	return r.manifest(ctx, reference, "")
}

// download is the content of a blob on its way: verified, and resumed when cut.
type download struct {
	ctx      context.Context
	r        *Repository
	desc     ocispec.Descriptor
	call     call
	verifier digest.Verifier
	offset   int64 // bytes that were given to the caller
	body     io.ReadCloser
	decoded  io.Reader // body without its content encoding
	request  *http.Request
	whole    bool  // no Range: the registry answered one wrongly, or encodes
	cleanEnd int64 // the offset at which a body ended without an error; -1 for none
	fresh    int64 // bytes since the last opening
	err      error // the end of it all
}

// enoughToResume is how many bytes an attempt has to bring for the attempts before
// it to be forgotten.
const enoughToResume = 64 << 10

// open asks for the content from the offset on.
func (d *download) open() error {
	d.fresh = 0
	c := d.call
	c.header = http.Header{}
	ranged := d.offset > 0 && !d.whole
	if ranged {
		c.header.Set("Range", fmt.Sprintf("bytes=%d-", d.offset))
	}
	resp, err := d.r.send(d.ctx, c)
	if err != nil {
		return err
	}
	switch s := resp.StatusCode; {
	case s == http.StatusOK:
		if err := d.begin(resp); err != nil {
			_ = resp.Body.Close()
			return err
		}
		return nil
	case s == http.StatusPartialContent && ranged:
		if err := d.checkRange(resp.Header.Get("Content-Range")); err != nil {
			_ = resp.Body.Close()
			return err
		}
		d.body, d.decoded, d.request = resp.Body, resp.Body, resp.Request
		return nil
	case s == http.StatusRequestedRangeNotSatisfiable && ranged:
		_ = resp.Body.Close()
		return d.r.wrong(d.call, fmt.Sprintf("it ends after %d bytes of %d", d.offset, d.desc.Size))
	}
	return d.r.refused(d.ctx, d.call, resp)
}

// begin takes a whole body, and skips what the caller has of it already.
func (d *download) begin(resp *http.Response) error {
	encoded := resp.Header.Get("Content-Encoding")
	if n := resp.ContentLength; n >= 0 && n != d.desc.Size && encoded == "" {
		return d.r.wrong(d.call, fmt.Sprintf("the registry sends %d bytes, and its descriptor says %d", n, d.desc.Size))
	}
	var err error
	if d.decoded, err = decodedBody(resp); err != nil {
		return d.r.failure(d.call).failed(d.ctx, err)
	}
	d.whole = d.whole || encoded != ""
	d.body, d.request = resp.Body, resp.Request
	if _, err := io.CopyN(io.Discard, d.decoded, d.offset); err != nil {
		return err
	}
	return nil
}

// checkRange checks that a partial answer begins at the offset and belongs to
// content of the right size.
func (d *download) checkRange(header string) error {
	span, total, ok := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	start, _, _ := strings.Cut(span, "-")
	if n, err := strconv.ParseInt(start, 10, 64); !ok || err != nil || n != d.offset {
		d.whole = true
		return io.ErrUnexpectedEOF // asks for the whole next time
	}
	if n, err := strconv.ParseInt(total, 10, 64); err == nil && n != d.desc.Size {
		return d.r.wrong(d.call, fmt.Sprintf("the registry has %d bytes of it, and its descriptor says %d", n, d.desc.Size))
	}
	return nil
}

func (d *download) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for d.err == nil {
		if d.body == nil {
			if d.err = d.reopen(); d.err != nil {
				break
			}
		}
		n, err := d.decoded.Read(p)
		n = d.take(p[:n])
		if err != nil && d.err == nil {
			d.ended(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, d.err
}

// take counts and verifies what arrived. No byte beyond the size is passed on.
func (d *download) take(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	if int64(len(p)) > d.desc.Size-d.offset {
		d.finish(d.r.wrong(d.call, fmt.Sprintf("the registry sends more than the %d bytes that its descriptor says", d.desc.Size)))
		return 0
	}
	_, _ = d.verifier.Write(p) // a hash, which never fails
	d.offset += int64(len(p))
	if d.fresh += int64(len(p)); d.fresh >= enoughToResume {
		_, b := d.r.withBudget(d.ctx)
		b.progress()
	}
	return len(p)
}

// ended is called when a body gives no more: at the end of the content, or cut.
func (d *download) ended(err error) {
	switch {
	case d.ctx.Err() != nil:
		d.finish(d.r.failure(d.call).failed(d.ctx, d.ctx.Err()))
	case err == io.EOF && d.offset == d.desc.Size:
		if !d.verifier.Verified() {
			d.finish(d.r.wrong(d.call, fmt.Sprintf("the %d bytes that came have another digest", d.offset)))
			return
		}
		d.finish(io.EOF)
	case err == io.EOF && d.cleanEnd == d.offset:
		d.finish(d.r.wrong(d.call, fmt.Sprintf("it ends after %d bytes of %d", d.offset, d.desc.Size)))
	default:
		if err == io.EOF {
			d.cleanEnd = d.offset // of a body without a length: may be a cut
		}
		d.closeBody()
		if err != io.EOF && !worthRepeating(err) || !d.r.again(d.ctx, d.request, 0, withoutQueries(err)) {
			d.finish(d.r.failure(d.call).failed(d.ctx, err))
		}
	}
}

// reopen opens the content again until it answers or the budget is spent.
func (d *download) reopen() error {
	for {
		err := d.open()
		var typedErr *ContentError
		switch {
		case err == nil || typed(err) || errors.As(err, &typedErr):
			return err
		case !worthRepeating(err) || !d.r.again(d.ctx, d.request, 0, withoutQueries(err)):
			return d.r.failure(d.call).failed(d.ctx, err)
		}
	}
}

func (d *download) finish(err error) {
	d.closeBody()
	d.err = err
}

func (d *download) closeBody() {
	if d.body != nil {
		_ = d.body.Close()
		d.body = nil
	}
}

// Close ends the download. Reads after it fail.
func (d *download) Close() error {
	if d.err == nil {
		d.err = errors.New("read from a download that is closed")
	}
	d.closeBody()
	return nil
}
