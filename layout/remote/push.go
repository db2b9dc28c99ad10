package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// How is the way in which a blob came to be in a repository.
type How string

// The ways.
const (
	Uploaded How = "uploaded"
	Mounted  How = "mounted" // from another repository of the registry, without its bytes
	Existing How = "there"   // it was there when an upload that failed was looked after
)

// Source opens content at its start. It may be called several times, each time
// after the reader before was closed.
type Source func() (io.ReadCloser, error)

// Push uploads content: a manifest by its digest, everything else as a blob. It
// does not look first whether it is there. What content gives is verified while
// it is sent, and nothing is stored if it is not what desc says.
//
// An upload that fails is repeated from the start if content is an io.Seeker or
// has at most Limits.Document bytes; see PushFrom for everything else. A manifest
// with a subject is listed as its referrer: see AddReferrers.
func (r *Repository) Push(ctx context.Context, desc ocispec.Descriptor, content io.Reader) error {
	if imagespec.IsManifest(desc.MediaType) {
		return r.pushManifestFrom(ctx, desc, content)
	}
	open, err := r.sourceOf(ctx, desc, content)
	if err != nil {
		return err
	}
	_, err = r.pushFrom(ctx, desc, sent{open: open, verify: true}, "")
	return err
}

// sent is the content of a blob, which is verified where its source does not do so.
type sent struct {
	open   Source
	verify bool
}

// sourceOf makes a source of a reader.
func (r *Repository) sourceOf(ctx context.Context, desc ocispec.Descriptor, content io.Reader) (Source, error) {
	if s, ok := content.(io.ReadSeeker); ok {
		start, err := s.Seek(0, io.SeekCurrent)
		if err == nil {
			return turns(ctx, func() (io.Reader, error) {
				_, err := s.Seek(start, io.SeekStart)
				return s, err
			}), nil
		}
	}
	if desc.Size <= r.limits.Document {
		data, err := io.ReadAll(io.LimitReader(content, r.limits.Document+1))
		if err != nil {
			return nil, err
		}
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }, nil
	}
	used := false
	return turns(ctx, func() (io.Reader, error) {
		if used {
			return nil, errors.New("the content can be read only once: the upload cannot be repeated")
		}
		used = true
		return content, nil
	}), nil
}

// turns makes a source of one reader that is used again and again. net/http may
// still read from the body of a request that has failed, until it closes it: the
// next turn waits for that.
func turns(ctx context.Context, rewind func() (io.Reader, error)) Source {
	free := make(chan struct{}, 1)
	free <- struct{}{}
	return func() (io.ReadCloser, error) {
		select {
		case <-free:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		reader, err := rewind()
		if err != nil {
			free <- struct{}{}
			return nil, err
		}
		return &turn{Reader: reader, done: sync.OnceFunc(func() { free <- struct{}{} })}, nil
	}
}

type turn struct {
	io.Reader
	done func()
}

func (t *turn) Close() error {
	t.done()
	return nil
}

// PushFrom uploads a blob, which open gives as often as it takes. If from names
// another repository of the registry, a mount from there is tried first, and the
// upload goes on in the session that a registry opens when it does not mount.
//
// What open gives has to verify itself: io.EOF comes only after exactly the bytes of
// desc, as from the readers that Fetch returns, here and in package layout. The last byte
// leaves after that, so that a registry never gets all of anything else. Push verifies.
func (r *Repository) PushFrom(ctx context.Context, desc ocispec.Descriptor, open Source, from string) (How, error) {
	return r.pushFrom(ctx, desc, sent{open: open}, from)
}

func (r *Repository) pushFrom(ctx context.Context, desc ocispec.Descriptor, content sent, from string) (How, error) {
	c := call{doing: "upload the blob", reference: desc.Digest.String(), actions: push}
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return "", fmt.Errorf("%s: the digest %q: %w", r.Name(), desc.Digest, err)
	}
	if desc.Size < 0 {
		return "", r.wrong(c, fmt.Sprintf("its descriptor has the size %d", desc.Size))
	}
	ctx, _ = r.withBudget(ctx)
	for {
		session, mounted, err := r.beginUpload(ctx, c, desc.Digest, from)
		if from != "" && refusal(err) {
			from = "" // no rights there, or no such thing as a mount: the blob itself is as good
			continue
		}
		if err != nil {
			return "", err
		}
		if mounted {
			return Mounted, nil
		}
		err = r.finishUpload(ctx, c, session, desc, content)
		if err == nil {
			r.state.uploaded.Store(true)
			return Uploaded, nil
		}
		var again *uploadError
		if !errors.As(err, &again) {
			return "", err
		}
		if !r.again(ctx, nil, again.after, withoutQueries(again.error)) {
			return "", r.failure(c).failed(ctx, again.error)
		}
		// The registry may have stored all and only its answer was lost.
		if there, err := r.Exists(ctx, desc); err == nil && there {
			return Existing, nil
		}
		from = ""
	}
}

// refusal reports whether a registry refused a request that another may replace.
func refusal(err error) bool {
	return errors.As(err, new(*DeniedError)) || errors.As(err, new(*NotFoundError)) || errors.As(err, new(*RefusedError)) || errors.As(err, new(*UnsupportedError))
}

// Mount makes a blob of another repository of the same registry one of this, and
// reports whether the registry did so. Many do not: then the blob has to be
// pushed, best by PushFrom, which loses no request.
func (r *Repository) Mount(ctx context.Context, desc ocispec.Descriptor, from string) (bool, error) {
	c := call{doing: "mount the blob", reference: desc.Digest.String(), actions: push}
	ctx, _ = r.withBudget(ctx)
	session, mounted, err := r.beginUpload(ctx, c, desc.Digest, from)
	if err != nil || mounted {
		return mounted, err
	}
	// The session is of no use. Registries that cannot cancel it let it time out.
	resp, err := r.send(ctx, call{doing: "cancel the upload", method: http.MethodDelete, path: session, actions: push, once: true})
	if err != nil {
		return false, ctx.Err()
	}
	drain(resp)
	return false, nil
}

// beginUpload opens an upload session, or mounts the blob. The session is the URL
// that takes the content.
func (r *Repository) beginUpload(ctx context.Context, c call, d digest.Digest, from string) (session string, mounted bool, err error) {
	c.method, c.path = http.MethodPost, "/blobs/uploads/"
	if from != "" {
		if err := ref.CheckRepository(from); err != nil {
			return "", false, fmt.Errorf("the repository %q %w", from, err)
		}
		c.path += "?" + url.Values{"mount": {d.String()}, "from": {from}}.Encode()
		c.from = from
	}
	r.state.unknown.Store(false)
	resp, err := r.send(ctx, c)
	if err != nil {
		return "", false, err
	}
	switch resp.StatusCode {
	case http.StatusCreated:
		drain(resp)
		if got, other := otherDigest(resp, d); other {
			return "", false, r.wrong(c, fmt.Sprintf("the registry mounted %s", got))
		}
		if from == "" {
			return "", false, r.wrong(c, "the registry says that it has the blob before it was sent")
		}
		return "", true, nil
	case http.StatusAccepted:
		drain(resp)
		session, err := r.location(c, resp)
		return session, false, err
	}
	return "", false, r.refused(ctx, c, resp)
}

// location is the URL of an upload session, which has to be at the registry's own
// origin: what is sent there carries credentials.
func (r *Repository) location(c call, resp *http.Response) (string, error) {
	f := r.failure(c)
	f.Status = resp.StatusCode
	base, err := url.Parse(r.url(c))
	if err != nil {
		return "", err
	}
	given := resp.Header.Get("Location")
	u, err := base.Parse(given)
	switch {
	case given == "" || err != nil:
		f.Message = "its answer holds no Location for the content"
		return "", &RefusedError{Failure: f}
	case originOf(u) != r.origin || u.User != nil:
		f.Message = fmt.Sprintf("it wants the content to be sent to %s, which is not %s", originOf(u), r.origin)
		return "", &UntrustedError{f}
	}
	u.Host = base.Host
	return u.String(), nil
}

// uploadError is a failure after which the whole upload may be repeated.
type uploadError struct {
	error
	after time.Duration
}

func (e *uploadError) Unwrap() error { return e.error }

// finishUpload sends the content to a session.
func (r *Repository) finishUpload(ctx context.Context, c call, session string, desc ocispec.Descriptor, content sent) error {
	u, err := url.Parse(session)
	if err != nil {
		return err
	}
	// The query may hold a signed state: it is kept as it is.
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += url.Values{"digest": {desc.Digest.String()}}.Encode()
	var out sentContent
	c.method, c.path, c.once, c.size = http.MethodPut, u.String(), true, desc.Size
	c.header = http.Header{"Content-Type": {"application/octet-stream"}}
	c.body = func() (io.ReadCloser, error) { return out.open(r, c, desc, content) }
	if desc.Size == 0 && desc.Digest != desc.Digest.Algorithm().FromBytes(nil) {
		return r.wrong(c, "content without bytes does not have its digest")
	}
	resp, err := r.send(ctx, c)
	if own := out.failure(); own != nil {
		if err == nil {
			_ = resp.Body.Close()
		}
		return own // of the content, not of the registry
	}
	if err != nil {
		var down *UnavailableError
		if errors.As(err, &down) && (down.Err == nil || worthRepeating(down.Err)) {
			return &uploadError{error: err}
		}
		return err
	}
	return r.uploadAnswer(ctx, c, resp, desc)
}

// otherDigest is the digest of an answer's header if it contradicts d. What is no
// digest, or one by another algorithm, says nothing.
func otherDigest(resp *http.Response, d digest.Digest) (digest.Digest, bool) {
	got := digest.Digest(resp.Header.Get(headerDigest))
	return got, imagespec.CheckDigest(got) == nil && got.Algorithm() == d.Algorithm() && got != d
}

// uploadAnswer reads the answer to the content of a blob.
func (r *Repository) uploadAnswer(ctx context.Context, c call, resp *http.Response, desc ocispec.Descriptor) error {
	switch s := resp.StatusCode; {
	case s == http.StatusCreated:
		drain(resp)
		if got, other := otherDigest(resp, desc.Digest); other {
			return r.wrong(c, fmt.Sprintf("the registry stored %s", got))
		}
		return nil
	case s == http.StatusOK, s == http.StatusAccepted, s == http.StatusNoContent:
		// Not what the spec says: so look.
		drain(resp)
		there, err := r.Exists(ctx, desc)
		if err == nil && !there {
			err = r.wrong(c, fmt.Sprintf("the registry answered %d, and has not stored it", s))
		}
		return err
	case busy(s), s == http.StatusNotFound, s == http.StatusRequestedRangeNotSatisfiable:
		return &uploadError{r.refused(ctx, c, resp), retryAfter(resp)}
	}
	return r.refused(ctx, c, resp)
}

// sentContent keeps the error of content while it is sent: net/http would wrap it
// in errors of connections.
type sentContent struct {
	mu  sync.Mutex
	err error
}

func (s *sentContent) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *sentContent) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	return err
}

func (s *sentContent) open(r *Repository, c call, desc ocispec.Descriptor, from sent) (io.ReadCloser, error) {
	content, err := from.open()
	if err != nil {
		return nil, s.fail(fmt.Errorf("%s: cannot upload the blob %s: %w", r.Name(), desc.Digest, err))
	}
	v := &verified{ReadCloser: content, sent: s, r: r, call: c, desc: desc}
	if from.verify {
		v.verifier = desc.Digest.Verifier()
	}
	return v, nil
}

// verified is content that fails before its last byte is out when it is not what
// its descriptor says: a registry never gets all of it then.
type verified struct {
	io.ReadCloser
	sent     *sentContent
	r        *Repository
	call     call
	desc     ocispec.Descriptor
	verifier digest.Verifier // nil where the content verifies itself
	n        int64
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	if v.verifier != nil {
		_, _ = v.verifier.Write(p[:n]) // a hash, which never fails
	}
	v.n += int64(n)
	if n > 0 && v.n == v.desc.Size && err == nil {
		// net/http would look behind the last byte only when it has been sent.
		more, lookErr := io.ReadFull(v.ReadCloser, make([]byte, 1))
		v.n, err = v.n+int64(more), lookErr
	}
	switch {
	case err != nil && err != io.EOF: // which says more than what follows from it
		if v.n >= v.desc.Size {
			n = 0
		}
		return n, v.sent.fail(fmt.Errorf("%s: cannot upload the blob %s: %w", v.r.Name(), v.desc.Digest, err))
	case v.n > v.desc.Size:
		return 0, v.sent.fail(v.r.wrong(v.call, fmt.Sprintf("the content to be sent has more than the %d bytes that its descriptor says", v.desc.Size)))
	case v.n == v.desc.Size && n > 0 && v.verifier != nil && !v.verifier.Verified():
		return 0, v.sent.fail(v.r.wrong(v.call, fmt.Sprintf("the %d bytes to be sent have another digest", v.n)))
	case err == io.EOF && v.n < v.desc.Size:
		return n, v.sent.fail(v.r.wrong(v.call, fmt.Sprintf("the content to be sent ends after %d bytes of %d", v.n, v.desc.Size)))
	}
	return n, err
}
