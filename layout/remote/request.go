package remote

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/layform/layform/layout/imagespec"
)

// call is one request to a repository.
type call struct {
	doing     string // "read the manifest": completes "cannot …"
	method    string
	path      string // below /v2/REPOSITORY, or an absolute URL that was checked
	reference string // for errors
	header    http.Header
	body      func() (io.ReadCloser, error) // nil for none; called for each attempt
	size      int64                         // of the body
	actions   []string                      // of the token
	from      string                        // another repository that has to be read
	once      bool                          // not repeated
}

// The actions of tokens.
var (
	pull   = []string{auth.ActionPull}
	push   = []string{auth.ActionPull, auth.ActionPush}
	remove = []string{auth.ActionDelete}
)

// failure is the place of an error of c.
func (r *Repository) failure(c call) Failure {
	return Failure{Host: r.host, Repository: r.name, Reference: c.reference, Doing: c.doing}
}

// url is the address of c.
func (r *Repository) url(c call) string {
	if strings.HasPrefix(c.path, "http") {
		return c.path
	}
	return r.origin.String() + "/v2/" + r.name + c.path
}

// send sends c and gives the answer, whatever its status. The caller closes its
// body.
func (r *Repository) send(ctx context.Context, c call) (*http.Response, error) {
	if r.offline {
		return nil, r.forbidden(c)
	}
	ctx, _ = r.withBudget(ctx)
	name := registry.Reference{Registry: r.host, Repository: r.name}
	ctx = auth.AppendRepositoryScope(ctx, name, c.actions...)
	if c.from != "" {
		name.Repository = c.from
		ctx = auth.AppendRepositoryScope(ctx, name, auth.ActionPull)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, r.url(c), nil)
	if err != nil {
		return nil, r.failure(c).failed(ctx, err)
	}
	if c.header != nil {
		req.Header = c.header.Clone()
	}
	req.Header.Set("Accept-Encoding", "identity")
	if c.body != nil && c.size == 0 {
		req.Body = http.NoBody // a body of no known length is sent in chunks
	} else if c.body != nil {
		req.ContentLength, req.GetBody = c.size, c.body
		if req.Body, err = c.body(); err != nil {
			return nil, err
		}
	}
	client := r.auth
	if c.once {
		client = r.single
	}
	resp, err := client.Do(req)
	if err != nil {
		var local *credentialError
		if errors.As(err, &local) && ctx.Err() == nil {
			return nil, local
		}
		return nil, r.failure(c).failed(ctx, err)
	}
	r.warn(resp)
	return resp, nil
}

// forbidden is the error of a call that is not made. No query is told.
func (r *Repository) forbidden(c call) error {
	at, _, _ := strings.Cut(r.url(c), "?")
	return &OfflineError{Failure: r.failure(c), Method: c.method, URL: at}
}

// warnings are said once each.
type warnings struct{ said sync.Map }

func (r *Repository) warn(resp *http.Response) {
	for _, w := range resp.Header.Values("Warning") {
		text, ok := strings.CutPrefix(w, `299 - "`)
		if text = clean(strings.TrimSuffix(text, `"`)); !ok || text == "" {
			continue
		}
		if _, again := r.state.warnings.said.LoadOrStore(text, true); !again {
			r.event(Event{Kind: EventWarning, Host: r.host, Text: text})
		}
	}
}

// maxErrorBody is how much of an error's body is looked at.
const maxErrorBody = 16 << 10

// refused makes the error of an answer, and closes its body.
func (r *Repository) refused(ctx context.Context, c call, resp *http.Response) error {
	f := r.failure(c)
	f.Status = resp.StatusCode
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // a cut message is better than none
	_ = resp.Body.Close()
	if ctx.Err() != nil {
		return f.failed(ctx, ctx.Err())
	}
	var document struct {
		Errors []struct {
			Code, Message string
			Detail        json.RawMessage
		}
	}
	var missing []digest.Digest
	if json.Unmarshal(body, &document) == nil && len(document.Errors) > 0 {
		f.Code, f.Message = clean(document.Errors[0].Code), clean(document.Errors[0].Message)
		for _, e := range document.Errors {
			if e.Code == "MANIFEST_BLOB_UNKNOWN" || e.Code == "BLOB_UNKNOWN" || e.Code == "MANIFEST_UNKNOWN" {
				missing = append(missing, digestsIn(e.Detail)...)
			}
		}
	} else if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		f.Message = clean(string(body))
	}
	if o := originOf(resp.Request.URL); o != r.origin {
		f.Message = strings.TrimSpace(fmt.Sprintf("%s, to which the registry sent its client, said this. %s", o, f.Message))
	}
	return f.answered(retryAfter(resp), missing)
}

var sha256Digest = imagespec.Pattern(`sha256:[0-9a-f]{64}`)

// digestsIn finds digests in the detail of an error, whose form no spec fixes.
func digestsIn(detail []byte) []digest.Digest {
	var found []digest.Digest
	for _, d := range sha256Digest().FindAll(detail, 100) {
		found = append(found, digest.Digest(d))
	}
	return found
}

// document reads a whole answer with status 200, of at most Limits.Document bytes;
// for any other status it gives the error. check may refuse the bytes. When they
// have another digest (otherBytes), twice, or are cut, the request is sent again.
func (r *Repository) document(ctx context.Context, c call, check func([]byte, http.Header) error) ([]byte, http.Header, error) {
	ctx, budget := r.withBudget(ctx)
	for wrong := 0; ; {
		resp, err := r.send(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, nil, r.refused(ctx, c, resp)
		}
		data, err := r.readAll(resp)
		if err == nil && check != nil {
			err = check(data, resp.Header)
		}
		if err == nil {
			budget.progress()
			return data, resp.Header, nil
		}
		if errors.As(err, new(otherBytes)) {
			wrong++
		}
		if (wrong == 0 || wrong > 2) && !worthRepeating(err) || !r.again(ctx, resp.Request, 0, withoutQueries(err)) {
			return nil, nil, r.failure(c).failed(ctx, err)
		}
	}
}

// readAll reads and closes the body of an answer. Its size decides no allocation.
func (r *Repository) readAll(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	tooLarge := exceeded{"the answer has more than %d bytes", r.limits.Document}
	if resp.ContentLength > r.limits.Document {
		return nil, tooLarge
	}
	body, err := decodedBody(resp)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(body, r.limits.Document+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > r.limits.Document {
		return nil, tooLarge
	}
	return b.Bytes(), nil
}

// decodedBody decodes the content encoding of an answer's body, which a proxy may add
// although the request did not allow one.
func decodedBody(resp *http.Response) (io.Reader, error) {
	switch e := strings.ToLower(resp.Header.Get("Content-Encoding")); e {
	case "", "identity":
		return resp.Body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(resp.Body)
	default:
		return nil, encodingError(clean(e))
	}
}

// encodingError is the error for a content encoding that cannot be undone.
type encodingError string

func (e encodingError) Error() string {
	return fmt.Sprintf("it has the content encoding %q, which was not asked for", string(e))
}
