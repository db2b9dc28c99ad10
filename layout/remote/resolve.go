package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/ref"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// capabilities are the optional features of a registry that were detected so far.
type capabilities struct {
	noMultiTag  atomic.Bool // it ignores ?tag=
	noReferrers atomic.Bool // it has no referrers API
	uploaded    atomic.Bool // blobs were uploaded, which some registries take a moment to see
	unknown     atomic.Bool // it said that it knows no such repository, and got nothing since
	warnings    warnings
}

// acceptTypes are the media types of manifests. All are always named: registries
// convert or refuse what is not.
var acceptTypes = []string{
	ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest,
	imagespec.MediaTypeDockerList, imagespec.MediaTypeDockerManifest, imagespec.MediaTypeArtifactManifest,
}

const headerDigest = "Docker-Content-Digest"

// manifestCall is a request for a manifest.
func manifestCall(method, reference string) call {
	return call{
		doing: "read the manifest", method: method, path: "/manifests/" + reference, reference: reference, actions: pull,
		header: http.Header{"Accept": {strings.Join(append(acceptTypes, "*/*;q=0.1"), ", ")}},
	}
}

// Resolve finds the descriptor of a tag or of a digest of a manifest: media type,
// digest and size. It costs one HEAD; where that does not say enough, which many
// registries do not, or says that there is nothing, a GET decides. The error is a
// NotFoundError when there is nothing.
func (r *Repository) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	if err := checkReference(reference); err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("%s: %w", r.Name(), err)
	}
	ctx, _ = r.withBudget(ctx)
	c := manifestCall(http.MethodHead, reference)
	resp, err := r.send(ctx, c)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	drain(resp)
	switch s := resp.StatusCode; {
	case s == http.StatusOK:
		if desc, ok := headDescriptor(resp, reference); ok && desc.Size <= r.limits.Document {
			return desc, nil
		}
	case s == http.StatusUnauthorized, s == http.StatusForbidden, busy(s):
		return ocispec.Descriptor{}, r.refused(ctx, c, resp)
	}
	return r.look(ctx, reference)
}

// look is Resolve by a GET.
func (r *Repository) look(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	desc, _, err := r.manifest(ctx, reference, "")
	var absent *NotFoundError
	if errors.As(err, &absent) && absent.Code == errcode.ErrorCodeNameUnknown {
		r.state.unknown.Store(true)
	}
	return desc, err
}

// Unknown reports whether the registry said, when a tag or manifest was resolved, that it
// knows no such repository, and nothing was pushed since: there is no manifest then, and
// most likely no blob, but for those of a push that was cut short.
func (r *Repository) Unknown() bool { return r.state.unknown.Load() }

// checkReference checks a tag or digest.
func checkReference(s string) error {
	if strings.Contains(s, ":") {
		if err := imagespec.CheckDigest(digest.Digest(s)); err != nil {
			return fmt.Errorf("the digest %q: %w", s, err)
		}
		return nil
	}
	if err := ref.CheckTag(s); err != nil {
		return fmt.Errorf("the tag %q %w", s, err)
	}
	return nil
}

// headDescriptor is the descriptor in the headers of an answer to HEAD, if they are
// complete.
func headDescriptor(resp *http.Response, reference string) (ocispec.Descriptor, bool) {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(resp.Header.Get(headerDigest)), Size: resp.ContentLength}
	ok := err == nil && imagespec.IsManifest(mediaType) && desc.Size > 0 && imagespec.CheckDigest(desc.Digest) == nil &&
		(desc.Digest.String() == reference || !strings.Contains(reference, ":"))
	return desc, ok
}

// manifest reads a manifest with its descriptor. wanted is its media type, or
// empty where the answer and the bytes say it.
func (r *Repository) manifest(ctx context.Context, reference, wanted string) (ocispec.Descriptor, []byte, error) {
	c := manifestCall(http.MethodGet, reference)
	var desc ocispec.Descriptor
	data, _, err := r.document(ctx, c, func(data []byte, header http.Header) error {
		var err error
		desc, err = describe(data, header, reference, wanted)
		if err != nil {
			wrong := r.wrong(c, err.Error())
			wrong.Err = err
			return wrong
		}
		return nil
	})
	return desc, data, err
}

// wrong is a ContentError about c.
func (r *Repository) wrong(c call, message string) *ContentError {
	f := r.failure(c)
	f.Message = clean(message)
	return &ContentError{f}
}

// otherBytes is the error for bytes that have another digest: the next attempt may
// bring the right ones.
type otherBytes string

func (e otherBytes) Error() string { return string(e) }

// describe makes the descriptor of the manifest data, and checks it against the
// reference, the header and itself.
func describe(data []byte, header http.Header, reference, wanted string) (ocispec.Descriptor, error) {
	algorithm := digest.Canonical
	want := digest.Digest(reference)
	if !strings.Contains(reference, ":") {
		want = digest.Digest(header.Get(headerDigest))
	}
	if imagespec.CheckDigest(want) == nil {
		algorithm = want.Algorithm()
	} else {
		want = ""
	}
	desc := ocispec.Descriptor{MediaType: wanted, Digest: algorithm.FromBytes(data), Size: int64(len(data))}
	if want != "" && desc.Digest != want {
		return ocispec.Descriptor{}, otherBytes(fmt.Sprintf("the %d bytes that came have the digest %s, not %s", len(data), desc.Digest, want))
	}
	if wanted != "" {
		return desc, nil
	}
	var err error
	desc.MediaType, err = mediaTypeOf(data, header.Get("Content-Type"))
	return desc, err
}

// mediaTypeOf finds the media type of a manifest: the one that it names itself,
// else the one that the registry names, else the one whose members it has. A
// manifest that can be read as two types is none.
func mediaTypeOf(data []byte, header string) (string, error) {
	var members struct {
		MediaType     string          `json:"mediaType"`
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     json.RawMessage `json:"manifests"`
		Layers        json.RawMessage `json:"layers"`
		Config        json.RawMessage `json:"config"`
		FSLayers      json.RawMessage `json:"fsLayers"`
	}
	if err := decode(data, &members); err != nil {
		return "", fmt.Errorf("it is no manifest: %w", err)
	}
	said, _, err := mime.ParseMediaType(header)
	if err != nil || !imagespec.IsManifest(said) {
		said = "" // application/json, octet-stream and the like: says nothing
	}
	index, image := members.Manifests != nil, members.Layers != nil || members.Config != nil
	switch {
	case members.SchemaVersion == 1 || members.FSLayers != nil:
		return "", fmt.Errorf("it has the old schema 1, which is not read: push it again with a tool of this decade")
	case index && image:
		return "", fmt.Errorf("it is an index and an image at once")
	case members.MediaType != "" && said != "" && members.MediaType != said:
		return "", fmt.Errorf("it says that it is %s, and the registry that it is %s", clean(members.MediaType), said)
	case imagespec.IsManifest(members.MediaType):
		said = members.MediaType
	case members.MediaType != "":
		return "", fmt.Errorf("it has the media type %s, which is none of manifests", clean(members.MediaType))
	case said != "":
	case index:
		said = ocispec.MediaTypeImageIndex
	case image:
		said = ocispec.MediaTypeImageManifest
	default:
		return "", fmt.Errorf("it is neither an index nor a manifest of an image")
	}
	if imagespec.IsIndex(said) && image || imagespec.IsImageManifest(said) && index {
		return "", fmt.Errorf("it is called %s and has the members of another type", said)
	}
	return said, nil
}

// decode reads a JSON document of a registry, by the strict rules of jsondoc: no
// name twice, none that differs in case alone, bounded depth and memory.
func decode(data []byte, v any) error {
	return jsondoc.Decode(data, jsondoc.Limits{Bytes: int64(len(data)), Depth: imagespec.MaxJSONDepth, Elements: imagespec.MaxDescriptors}, v)
}

// Exists reports whether the repository holds the content. A size that differs
// from the descriptor's is a ContentError.
func (r *Repository) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return false, fmt.Errorf("%s: the digest %q: %w", r.Name(), desc.Digest, err)
	}
	ctx, _ = r.withBudget(ctx)
	c := blobCall(http.MethodHead, desc)
	if imagespec.IsManifest(desc.MediaType) {
		c = manifestCall(http.MethodHead, desc.Digest.String())
	}
	c.doing = "look for " + what(desc)
	resp, err := r.send(ctx, c)
	if err != nil {
		return false, err
	}
	if s := resp.StatusCode; s == http.StatusBadRequest || s == http.StatusMethodNotAllowed || s == http.StatusNotImplemented {
		// It does not have HEAD. The first byte is as good.
		drain(resp)
		c.method = http.MethodGet
		c.header = c.header.Clone()
		c.header.Set("Range", "bytes=0-0")
		if resp, err = r.send(ctx, c); err != nil {
			return false, err
		}
	}
	switch resp.StatusCode {
	case http.StatusOK:
		_ = resp.Body.Close()
		if n := resp.ContentLength; n > 0 && n != desc.Size && resp.Header.Get("Content-Encoding") == "" {
			return false, r.wrong(c, fmt.Sprintf("it has %d bytes, not %d", n, desc.Size))
		}
		return true, nil
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		_ = resp.Body.Close()
		return true, nil
	case http.StatusNotFound:
		drain(resp)
		return false, nil
	}
	return false, r.refused(ctx, c, resp)
}

// what names content in a message.
func what(desc ocispec.Descriptor) string {
	if imagespec.IsManifest(desc.MediaType) {
		return "the manifest"
	}
	return "the blob"
}
