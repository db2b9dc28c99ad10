package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/errdef"
)

// The repository is all that oras-go asks of a target with predecessors.
var _ oras.GraphTarget = (*remote.Repository)(nil)

// open opens a repository of a test's registry, whose waits take no time.
func open(t *testing.T, reg *registrytest.Registry, name string, opts remote.Options) *remote.Repository {
	t.Helper()
	r, err := remote.Open(reg.Host()+"/"+name, opts)
	if err != nil {
		t.Fatal(err)
	}
	r.FakeWaits()
	t.Cleanup(r.Close)
	return r
}

func descriptor(mediaType string, data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

func layerOf(data []byte) ocispec.Descriptor {
	return descriptor(ocispec.MediaTypeImageLayer, data)
}

// blobOf is content of n bytes that is the same nowhere.
func blobOf(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.Bytes()[:n]
}

var (
	emptyJSON = []byte("{}")
	layerData = blobOf(200_000)
)

// imageOf is a manifest of one layer, with a subject if that is not nil.
func imageOf(layer []byte, subject *ocispec.Descriptor, artifactType string) []byte {
	m := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
		Config:  descriptor("application/vnd.oci.empty.v1+json", emptyJSON),
		Layers:  []ocispec.Descriptor{layerOf(layer)},
		Subject: subject, Annotations: map[string]string{"note": "a<b"},
	}
	m.SchemaVersion = 2
	return marshal(m)
}

func indexOf(children ...ocispec.Descriptor) []byte {
	x := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: children}
	x.SchemaVersion = 2
	return marshal(x)
}

func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// seed puts an image into a registry, without requests.
func seed(reg *registrytest.Registry, repo, tag string) (ocispec.Descriptor, []byte) {
	reg.PutBlob(repo, emptyJSON)
	reg.PutBlob(repo, layerData)
	data := imageOf(layerData, nil, "")
	reg.PutManifest(repo, tag, ocispec.MediaTypeImageManifest, data)
	return descriptor(ocispec.MediaTypeImageManifest, data), data
}

// fetch reads content to its end.
func fetch(r *remote.Repository, desc ocispec.Descriptor) ([]byte, error) {
	rc, err := r.Fetch(context.Background(), desc)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(rc)
	return data, errors.Join(err, rc.Close())
}

func TestPushAndFetch(t *testing.T) {
	ctx := t.Context()
	reg := registrytest.New(t)
	r := open(t, reg, "team/app", remote.Options{})
	layer, config := layerOf(layerData), descriptor("application/vnd.oci.empty.v1+json", emptyJSON)
	for _, d := range []ocispec.Descriptor{layer, config} {
		if ok, err := r.Exists(ctx, d); ok || err != nil {
			t.Fatalf("exists before it was pushed: %v, %v", ok, err)
		}
	}
	// A seeker that is not at its start, and a reader that is none.
	s := bytes.NewReader(append([]byte("xy"), layerData...))
	if _, err := s.Seek(2, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := r.Push(ctx, layer, s); err != nil {
		t.Fatal(err)
	}
	if err := r.Push(ctx, config, io.MultiReader(bytes.NewReader(emptyJSON))); err != nil {
		t.Fatal(err)
	}
	empty := layerOf(nil)
	if err := r.Push(ctx, empty, bytes.NewReader(nil)); err != nil {
		t.Fatal(err)
	}
	data := imageOf(layerData, nil, "")
	desc := descriptor(ocispec.MediaTypeImageManifest, data)
	if err := r.Push(ctx, desc, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := r.Tag(ctx, desc, "v1"); err != nil {
		t.Fatal(err)
	}
	for d, want := range map[digest.Digest][]byte{layer.Digest: layerData, config.Digest: emptyJSON, empty.Digest: {}, desc.Digest: data} {
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: int64(len(want))}
		if d.Digest == desc.Digest {
			d.MediaType = desc.MediaType
		}
		if ok, err := r.Exists(ctx, d); !ok || err != nil {
			t.Errorf("%s exists: %v, %v", d.Digest, ok, err)
		}
		if got, err := fetch(r, d); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", d.Digest, len(got), err)
		}
	}
	for _, reference := range []string{"v1", desc.Digest.String()} {
		reg.Forget()
		if got, err := r.Resolve(ctx, reference); err != nil || !cmp.Equal(got, desc) {
			t.Errorf("%s: %v, %v", reference, got, err)
		}
		if n := len(reg.Requests()); n != 1 {
			t.Errorf("%s took %d requests", reference, n)
		}
	}
	if wrong := reg.Wrong("team/app"); len(wrong) > 0 {
		t.Errorf("the registry holds wrong content: %v", wrong)
	}
}

func TestOrasCopiesBothWays(t *testing.T) {
	ctx := t.Context()
	reg := registrytest.New(t)
	reg.NoReferrers = true
	r := open(t, reg, "app", remote.Options{})
	local := memory.New()
	data := imageOf(layerData, nil, "")
	desc := descriptor(ocispec.MediaTypeImageManifest, data)
	sbom := imageOf(layerData, &desc, "application/spdx+json")
	for d, content := range map[*ocispec.Descriptor][]byte{
		ptr(descriptor("application/vnd.oci.empty.v1+json", emptyJSON)): emptyJSON,
		ptr(layerOf(layerData)): layerData, &desc: data,
		ptr(descriptor(ocispec.MediaTypeImageManifest, sbom)): sbom,
	} {
		if err := local.Push(ctx, *d, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := local.Tag(ctx, desc, "v1"); err != nil {
		t.Fatal(err)
	}
	if got, err := oras.ExtendedCopy(ctx, local, "v1", r, "v1", oras.DefaultExtendedCopyOptions); err != nil || got.Digest != desc.Digest {
		t.Fatalf("to the registry: %v, %v", got, err)
	}
	back := memory.New()
	if got, err := oras.ExtendedCopy(ctx, r, "v1", back, "v2", oras.DefaultExtendedCopyOptions); err != nil || got.Digest != desc.Digest {
		t.Fatalf("from the registry: %v, %v", got, err)
	}
	found, err := back.Predecessors(ctx, desc)
	if err != nil || len(found) != 1 || found[0].Digest != digest.FromBytes(sbom) {
		t.Errorf("referrers that came back: %v, %v", found, err)
	}
}

func ptr[T any](v T) *T { return &v }

func TestOpenRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"":                     "repository",
		"ghcr.io/Team/app":     "write team/app",
		"ghcr.io/team/app:v1":  `without "v1"`,
		"ghcr.io:99999/app":    "65535",
		"ghcr.io/app@sha256:1": "digest",
	} {
		if _, err := remote.Open(name, remote.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error does not say %q: %v", name, want, err)
		}
	}
	if _, err := remote.Open("ghcr.io/app", remote.Options{Scheme: "ftp"}); err == nil || !strings.Contains(err.Error(), "http or https") {
		t.Errorf("ftp: %v", err)
	}
	r, err := remote.Open("alpine", remote.Options{})
	if err != nil || r.Name() != "docker.io/library/alpine" {
		t.Errorf("alpine is %v, %v", r, err)
	}
}

func TestTags(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	want := []string{"a", "b", "c", "d", "e"}
	for _, tag := range want {
		seed(reg, "app", tag)
	}
	list := func(after string) []string {
		t.Helper()
		var tags []string
		for tag, err := range r.Tags(t.Context(), after) {
			if err != nil {
				t.Fatal(err)
			}
			tags = append(tags, tag)
		}
		return tags
	}
	for _, page := range []int{0, 1, 2, 5} {
		reg.Page = page
		if got := list(""); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v", page, got)
		}
		if got := list("b"); !slices.Equal(got, want[2:]) {
			t.Errorf("pages of %d, after b: %v", page, got)
		}
	}
	reg.Page = 2
	reg.Forget()
	for range r.Tags(t.Context(), "") {
		break
	}
	if n := len(reg.Requests()); n != 1 {
		t.Errorf("a list that was left after one tag took %d requests", n)
	}
	for _, err := range open(t, reg, "none", remote.Options{}).Tags(t.Context(), "") {
		if e := new(*remote.NotFoundError); !errors.As(err, e) {
			t.Errorf("tags of no repository: %v", err)
		}
	}
}

func TestMount(t *testing.T) {
	ctx := t.Context()
	reg := registrytest.New(t)
	reg.PutBlob("base", layerData)
	r := open(t, reg, "app", remote.Options{})
	layer := layerOf(layerData)
	if ok, err := r.Mount(ctx, layer, "nothing"); ok || err != nil {
		t.Errorf("mounted from nothing: %v, %v", ok, err)
	}
	if n := reg.Count("DELETE", "/blobs/uploads/"); n != 1 {
		t.Errorf("%d upload sessions were cancelled", n)
	}
	source := func() (io.ReadCloser, error) {
		return nil, errors.New("the content was asked for")
	}
	if how, err := r.PushFrom(ctx, layer, source, "base"); err != nil || how != remote.Mounted {
		t.Errorf("%q, %v", how, err)
	}
	if _, err := r.PushFrom(ctx, layer, source, "Base"); err == nil {
		t.Error("mounted from a name that is none")
	}
	// A mount that is refused costs the bytes, and nothing more.
	source = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layerData)), nil }
	for _, status := range []int{400, 401, 403, 404, 405} {
		reg.NoFaults()
		reg.Fault(registrytest.Fault{Method: http.MethodPost, Times: 1, Status: status})
		r := open(t, reg, fmt.Sprintf("refused%d", status), remote.Options{})
		if how, err := r.PushFrom(ctx, layer, source, "base"); err != nil || how != remote.Uploaded {
			t.Errorf("a mount refused with %d: %q, %v", status, how, err)
		}
	}
	reg.NoFaults()
	reg.NoMount = true
	reg.Forget()
	r = open(t, reg, "other", remote.Options{})
	if how, err := r.PushFrom(ctx, layer, source, "base"); err != nil || how != remote.Uploaded {
		t.Errorf("%q, %v", how, err)
	}
	if n := len(reg.Requests()); n != 2 {
		t.Errorf("a mount that was refused and its upload took %d requests", n)
	}
}

func TestPushVerifiesWhatItSends(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	layer := layerOf(layerData)
	wrong := bytes.Clone(layerData)
	wrong[len(wrong)-1] ^= 1
	broken := errors.New("disk on fire")
	for name, content := range map[string]io.Reader{
		"other bytes": bytes.NewReader(wrong),
		"too short":   bytes.NewReader(layerData[:len(layerData)-1]),
		"too long":    bytes.NewReader(append(bytes.Clone(layerData), 'x')),
		"fails":       io.MultiReader(bytes.NewReader(layerData[:100]), &failing{broken}),
	} {
		err := r.Push(t.Context(), layer, content)
		var content *remote.ContentError
		if name == "fails" {
			if !errors.Is(err, broken) {
				t.Errorf("%s: %v", name, err)
			}
		} else if !errors.As(err, &content) {
			t.Errorf("%s: %v", name, err)
		}
		if reg.Blob("app", layer.Digest) != nil || len(reg.Wrong("app")) > 0 {
			t.Errorf("%s: something was stored", name)
		}
	}
	// The sender looks no further than the size: the surplus must show before.
	for _, piece := range []int{1, 100, len(layerData)} {
		long := iotest.OneByteReader(strings.NewReader("x"))
		content := r.Verified(layer, io.MultiReader(bytes.NewReader(layerData[:piece]), bytes.NewReader(layerData[piece:]), long))
		if n, err := io.Copy(io.Discard, io.LimitReader(content, layer.Size)); err == nil || n == layer.Size {
			t.Errorf("%d bytes of content that is too long were sent: %v", n, err)
		}
	}
	m := imageOf(layerData, nil, "")
	if err := r.Push(t.Context(), descriptor(ocispec.MediaTypeImageManifest, m), bytes.NewReader(m[1:])); err == nil {
		t.Error("a manifest with other bytes was pushed")
	}
	huge := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1 << 62}
	if err := r.Push(t.Context(), huge, strings.NewReader("x")); err == nil {
		t.Error("a manifest of 2^62 bytes was pushed")
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestDeleteAndUntag(t *testing.T) {
	ctx := t.Context()
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	desc, _ := seed(reg, "app", "v1")
	reg.SetTag("app", "v2", desc.Digest)
	reg.SetTag("app", "v3", desc.Digest)
	var moved *remote.PreconditionError
	if err := r.Untag(ctx, "v1", digest.FromString("other")); !errors.As(err, &moved) || moved.Have != desc.Digest {
		t.Errorf("untag of another: %v", err)
	}
	if err := r.Untag(ctx, "v1", desc.Digest); err != nil {
		t.Error(err)
	}
	if reg.Tag("app", "v1") != "" || reg.Tag("app", "v2") == "" {
		t.Error("the wrong tags are left")
	}
	if err := r.Untag(ctx, "v1", ""); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("untag of nothing: %v", err)
	}
	reg.NoTagDelete = true
	if err := r.Untag(ctx, "v2", desc.Digest); !errors.Is(err, errdef.ErrUnsupported) || reg.Tag("app", "v3") == "" {
		t.Errorf("a registry that deletes no tags: %v", err)
	}
	// Between the look and the request somebody moves the tag.
	reg.NoTagDelete = false
	other := reg.PutManifest("app", "", ocispec.MediaTypeImageIndex, indexOf())
	reg.Fault(registrytest.Fault{Method: http.MethodDelete, Times: 1, Do: func() { reg.SetTag("app", "v2", other) }})
	if err := r.Untag(ctx, "v2", desc.Digest); !errors.As(err, &moved) || reg.Manifest("app", desc.Digest) == nil {
		t.Errorf("a tag that was moved at the last moment: %v", err)
	}
	if err := r.Delete(ctx, desc); err != nil || reg.Manifest("app", desc.Digest) != nil || reg.Tag("app", "v3") != "" {
		t.Errorf("delete: %v", err)
	}
	if err := r.Delete(ctx, desc); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("delete of nothing: %v", err)
	}
	if err := r.Delete(ctx, layerOf(layerData)); err != nil || reg.Blob("app", digest.FromBytes(layerData)) != nil {
		t.Errorf("delete of a blob: %v", err)
	}
	reg.Fault(registrytest.Fault{Method: http.MethodDelete, Status: http.StatusMethodNotAllowed})
	if err := r.Delete(ctx, desc); !errors.Is(err, errdef.ErrUnsupported) {
		t.Errorf("deletes switched off: %v", err)
	}
}
