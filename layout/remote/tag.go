package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Pushed is a registry's answer to the push of a manifest.
type Pushed struct {
	Descriptor ocispec.Descriptor
	// Subject reports whether the registry listed the manifest as a referrer of its
	// subject. Where it did not and the manifest has one, AddReferrers is due.
	Subject bool
}

// Condition is the precondition of a change of a tag: its present digest. The zero
// value is no condition.
type Condition struct {
	Digest digest.Digest // it has this digest
	Absent bool          // it does not exist
}

func (c Condition) holds(have digest.Digest) bool {
	return c == Condition{} || have == c.Digest
}

// header adds the condition to a request. Registries that do not know it ignore
// it: PutTags looks before and after, too.
func (c Condition) header(h http.Header) {
	switch {
	case c.Absent:
		h.Set("If-None-Match", "*")
	case c.Digest != "":
		h.Set("If-Match", `"`+c.Digest.String()+`"`)
	}
}

// The waits for eventually consistent registries, which do not see at once the
// blobs that were just uploaded and the tags that were just put.
const (
	settlingWait  = time.Second
	settlingTimes = 3
)

// PushManifest uploads a manifest by its digest, of at most Limits.Document bytes.
// It makes no tag.
func (r *Repository) PushManifest(ctx context.Context, mediaType string, data []byte) (Pushed, error) {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	resp, err := r.putManifest(ctx, desc, data, desc.Digest.String(), "", Condition{})
	if err != nil {
		return Pushed{}, err
	}
	return Pushed{Descriptor: desc, Subject: resp.Header.Get("OCI-Subject") != ""}, nil
}

// putManifest puts a manifest under a tag or a digest. The answer's body is closed.
func (r *Repository) putManifest(ctx context.Context, desc ocispec.Descriptor, data []byte, reference, query string, cond Condition) (*http.Response, error) {
	c := call{
		doing: "push the manifest", method: http.MethodPut, path: "/manifests/" + reference + query, reference: reference, actions: push,
		header: http.Header{"Content-Type": {desc.MediaType}}, size: desc.Size,
		body: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
	if desc.Size > r.limits.Document {
		return nil, r.failure(c).failed(ctx, exceeded{fmt.Sprintf("it has %d bytes: a manifest has at most %%d", desc.Size), r.limits.Document})
	}
	cond.header(c.header)
	r.state.unknown.Store(false)
	ctx, budget := r.withBudget(ctx)
	for try := 1; ; try++ {
		resp, err := r.send(ctx, c)
		if err != nil {
			return nil, err
		}
		switch resp.StatusCode {
		case http.StatusCreated, http.StatusOK, http.StatusAccepted, http.StatusNoContent:
			drain(resp)
			if got, other := otherDigest(resp, desc.Digest); other {
				return nil, r.wrong(c, fmt.Sprintf("the registry stored %s, not %s", got, desc.Digest))
			}
			budget.progress()
			return resp, nil
		}
		err = r.refused(ctx, c, resp)
		if try > settlingTimes || !r.unsettled(err) || !r.again(ctx, resp.Request, settlingWait, withoutQueries(err)) {
			return nil, err
		}
	}
}

// unsettled reports whether a manifest may have been refused only because the
// registry does not see yet what was uploaded a moment ago.
func (r *Repository) unsettled(err error) bool {
	var refused *RefusedError
	var absent *NotFoundError
	if !r.state.uploaded.Load() {
		return false
	}
	switch {
	case errors.As(err, &refused):
		return slices.Contains([]string{"MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}, refused.Code)
	case errors.As(err, &absent):
		return absent.Code == "MANIFEST_BLOB_UNKNOWN" || absent.Code == "BLOB_UNKNOWN"
	}
	return false
}

// pushManifestFrom is Push for manifests.
func (r *Repository) pushManifestFrom(ctx context.Context, desc ocispec.Descriptor, content io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(content, min(max(desc.Size, 0), r.limits.Document)+1))
	if err != nil {
		return err
	}
	if err := r.checkData(desc, data); err != nil {
		return err
	}
	ctx, _ = r.withBudget(ctx)
	resp, err := r.putManifest(ctx, desc, data, desc.Digest.String(), "", Condition{})
	if err != nil || resp.Header.Get("OCI-Subject") != "" {
		return err
	}
	subject, entry, err := referrerOf(desc, data)
	if err != nil || subject == nil {
		return err
	}
	return r.AddReferrers(ctx, *subject, []ocispec.Descriptor{entry})
}

// checkData checks the bytes of a manifest against its descriptor before they are sent.
func (r *Repository) checkData(desc ocispec.Descriptor, data []byte) error {
	c := call{doing: "push the manifest", reference: desc.Digest.String()}
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return fmt.Errorf("%s: the digest %q: %w", r.Name(), desc.Digest, err)
	}
	if int64(len(data)) != desc.Size || desc.Digest.Algorithm().FromBytes(data) != desc.Digest {
		return r.wrong(c, "the content to be sent is not what its descriptor says")
	}
	return nil
}

// Tag makes a tag of a manifest that the repository holds, whatever it was before.
// It is PutTags without a condition. A digest as the reference only checks that
// the manifest is there.
func (r *Repository) Tag(ctx context.Context, desc ocispec.Descriptor, reference string) error {
	ctx, _ = r.withBudget(ctx)
	data, err := r.FetchManifest(ctx, desc)
	if err != nil || reference == desc.Digest.String() {
		return err
	}
	return r.PutTags(ctx, desc, data, []string{reference}, Condition{})
}

// PutTags makes tags of a manifest with the bytes data, whose children the
// repository holds. Each tag has to satisfy cond, or to be what it shall be
// already: that is looked at before anything is sent, sent along for registries
// that check it themselves, and read back afterwards. A tag that is right is not
// put again, which registries with immutable tags refuse. The error is a
// PreconditionError when a tag is or becomes something else; it says which tags
// have been put by then.
//
// Several tags go out in one request where the registry takes that, else one by
// one, in their order.
func (r *Repository) PutTags(ctx context.Context, desc ocispec.Descriptor, data []byte, tags []string, cond Condition) error {
	for _, tag := range tags {
		if err := ref.CheckTag(tag); err != nil {
			return fmt.Errorf("%s: the tag %q %w", r.Name(), tag, err)
		}
	}
	if err := r.checkData(desc, data); err != nil {
		return err
	}
	ctx, _ = r.withBudget(ctx)
	due, err := r.dueTags(ctx, desc, tags, cond)
	if err != nil {
		return err
	}
	if len(due) > 1 && !r.state.noMultiTag.Load() {
		if due, err = r.putTogether(ctx, desc, data, due, cond); err != nil {
			return err
		}
	}
	for i, tag := range due {
		if err := r.putTag(ctx, desc, data, tag, cond); err != nil {
			return after(err, due[:i])
		}
	}
	return nil
}

// after adds the tags that were put before err to it.
func after(err error, put []string) error {
	var moved *PreconditionError
	if errors.As(err, &moved) && len(put) > 0 {
		moved.Message = strings.TrimSpace(moved.Message + " these tags have been put already: " + strings.Join(put, ", "))
		return err
	}
	if len(put) > 0 {
		return fmt.Errorf("after the tags %s have been put: %w", strings.Join(put, ", "), err)
	}
	return err
}

// dueTags are the tags that are not desc yet. All have to satisfy cond. Where none is
// expected, a GET answers at once what a HEAD would leave open.
func (r *Repository) dueTags(ctx context.Context, desc ocispec.Descriptor, tags []string, cond Condition) ([]string, error) {
	resolve := r.Resolve
	if cond.Absent {
		resolve = r.look
	}
	var due []string
	for _, tag := range tags {
		have, err := digestOf(resolve(ctx, tag))
		switch {
		case err != nil:
			return nil, err
		case have == desc.Digest:
			continue
		case !cond.holds(have):
			return nil, r.moved(tag, cond, have, 0)
		}
		due = append(due, tag)
	}
	return due, nil
}

// tagDigest is the digest of a tag; empty when the tag does not exist.
func (r *Repository) tagDigest(ctx context.Context, tag string) (digest.Digest, error) {
	return digestOf(r.Resolve(ctx, tag))
}

// digestOf is the digest of what was resolved; empty when it does not exist.
func digestOf(desc ocispec.Descriptor, err error) (digest.Digest, error) {
	if errors.As(err, new(*NotFoundError)) {
		return "", nil
	}
	return desc.Digest, err
}

func (r *Repository) moved(tag string, cond Condition, have digest.Digest, status int) *PreconditionError {
	f := Failure{Host: r.host, Repository: r.name, Reference: tag, Doing: "put the tag", Status: status}
	return &PreconditionError{Failure: f, Tag: tag, Want: cond.Digest, Have: have}
}

// putTogether puts several tags in one request. It returns those that the
// registry did not say it made.
func (r *Repository) putTogether(ctx context.Context, desc ocispec.Descriptor, data []byte, tags []string, cond Condition) ([]string, error) {
	resp, err := r.putManifest(ctx, desc, data, desc.Digest.String(), "?"+url.Values{"tag": tags}.Encode(), cond)
	if err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) {
			return tags, nil // one by one shows which tag it is about
		}
		return nil, err
	}
	var made []string
	for _, header := range resp.Header.Values("OCI-Tag") {
		for tag := range strings.SplitSeq(header, ",") {
			made = append(made, strings.TrimSpace(tag))
		}
	}
	if len(made) == 0 {
		r.state.noMultiTag.Store(true)
	}
	var left []string
	for _, tag := range tags {
		if !slices.Contains(made, tag) {
			left = append(left, tag)
			continue
		}
		if err := r.readBack(ctx, desc, tag, cond); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// putTag puts one tag and reads it back. Whatever a registry says against it, the
// tag may be right: an attempt whose answer was lost, or somebody else's.
func (r *Repository) putTag(ctx context.Context, desc ocispec.Descriptor, data []byte, tag string, cond Condition) error {
	_, err := r.putManifest(ctx, desc, data, tag, "", cond)
	if err == nil {
		return r.readBack(ctx, desc, tag, cond)
	}
	var refused *RefusedError
	var denied *DeniedError
	if !errors.As(err, &refused) && !errors.As(err, &denied) {
		return err
	}
	have, lookErr := r.tagDigest(ctx, tag)
	switch {
	case lookErr != nil:
		return err
	case have == desc.Digest:
		return nil
	case refused != nil && refused.Status == http.StatusPreconditionFailed, !cond.holds(have):
		moved := r.moved(tag, cond, have, 0)
		if refused != nil {
			moved.Status, moved.Code, moved.Message = refused.Status, refused.Code, refused.Message
		}
		return moved
	}
	return err
}

// readBack checks that a tag has the digest that was put.
func (r *Repository) readBack(ctx context.Context, desc ocispec.Descriptor, tag string, cond Condition) error {
	ctx, _ = r.withBudget(ctx)
	for try := 1; ; try++ {
		have, err := r.tagDigest(ctx, tag)
		if err != nil || have == desc.Digest {
			return err
		}
		old := have == "" || have == cond.Digest // it may be a cache that has not noticed
		if try < settlingTimes && old && r.again(ctx, nil, settlingWait, "the tag is not visible yet") {
			continue
		}
		moved := r.moved(tag, Condition{Digest: desc.Digest}, have, 0)
		moved.Message = "it was put, and is something else now;"
		return moved
	}
}

// Untag deletes a tag if it has the digest have, and nothing else: where the
// registry can delete no tags, the error is an UnsupportedError, and the manifest
// stays with all of its tags. An empty have is no condition.
func (r *Repository) Untag(ctx context.Context, tag string, have digest.Digest) error {
	if err := ref.CheckTag(tag); err != nil {
		return fmt.Errorf("%s: the tag %q %w", r.Name(), tag, err)
	}
	c := call{doing: "delete the tag", method: http.MethodDelete, path: "/manifests/" + tag, reference: tag, actions: remove, header: http.Header{}}
	ctx, _ = r.withBudget(ctx)
	if have != "" {
		now, err := r.tagDigest(ctx, tag)
		if err != nil {
			return err
		}
		if now != have {
			moved := r.moved(tag, Condition{Digest: have}, now, 0)
			moved.Doing = c.doing
			return moved
		}
		Condition{Digest: have}.header(c.header)
	}
	err := r.delete(ctx, c)
	var refused *RefusedError
	if errors.As(err, &refused) {
		if refused.Status == http.StatusPreconditionFailed {
			moved := r.moved(tag, Condition{Digest: have}, "", refused.Status)
			moved.Doing = c.doing
			return moved
		}
		return &UnsupportedError{refused.Failure} // 400 DIGEST_INVALID, and the like: it knows digests only
	}
	return err
}

// Delete deletes a manifest by its digest, with all of its tags, or a blob. The
// error is a NotFoundError when it is not there.
func (r *Repository) Delete(ctx context.Context, desc ocispec.Descriptor) error {
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return fmt.Errorf("%s: the digest %q: %w", r.Name(), desc.Digest, err)
	}
	path := "/blobs/"
	if imagespec.IsManifest(desc.MediaType) {
		path = "/manifests/"
	}
	return r.delete(ctx, call{doing: "delete " + what(desc), method: http.MethodDelete, path: path + desc.Digest.String(), reference: desc.Digest.String(), actions: remove})
}

func (r *Repository) delete(ctx context.Context, c call) error {
	resp, err := r.send(ctx, c)
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusOK, http.StatusNoContent:
		drain(resp)
		return nil
	}
	return r.refused(ctx, c, resp)
}
