package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/validate"
)

// A repository is a target and a source of oras-go.
var _ oras.GraphTarget = (*registry.Repository)(nil)

// open opens a registry that is closed with the test.
func open(t testing.TB, dir string, opts registry.Options) *registry.Registry {
	t.Helper()
	reg, err := registry.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reg.Close(); err != nil {
			t.Error(err)
		}
	})
	return reg
}

// repository gives a repository of a registry.
func repository(t testing.TB, reg *registry.Registry, name string) *registry.Repository {
	t.Helper()
	repo, err := reg.Repository(name)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// blob describes data.
func blob(data string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "application/vnd.example", Digest: digest.FromString(data), Size: int64(len(data))}
}

// image is a manifest of a config and one layer, with what it names.
type image struct {
	config, layer string
	manifest      []byte
	desc          ocispec.Descriptor
}

// newImage makes an image that is another one for each seed, with a subject if that is
// not nil.
func newImage(t testing.TB, seed string, subject *ocispec.Descriptor) image {
	t.Helper()
	if subject == nil {
		return makeImage(seed, "layer "+seed)
	}
	i := image{config: "config " + seed, layer: "layer " + seed}
	m := i.document()
	m.Subject, m.ArtifactType, m.Annotations = subject, "application/vnd.example.sbom", map[string]string{"seed": seed}
	i.manifest, i.desc = document(m.MediaType, m)
	return i
}

// makeImage makes an image with a layer.
func makeImage(seed, layer string) image {
	i := image{config: "config " + seed, layer: layer}
	m := i.document()
	i.manifest, i.desc = document(m.MediaType, m)
	return i
}

// document is the manifest of an image.
func (i image) document() ocispec.Manifest {
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: blob(i.config), Layers: []ocispec.Descriptor{blob(i.layer)}}
	m.SchemaVersion = 2
	return m
}

// newIndex makes an index of manifests.
func newIndex(manifests ...ocispec.Descriptor) ([]byte, ocispec.Descriptor) {
	x := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests}
	x.SchemaVersion = 2
	return document(x.MediaType, x)
}

func document(mediaType string, v any) ([]byte, ocispec.Descriptor) {
	data, err := jsondoc.Encode(v)
	if err != nil {
		panic(err) // the same value every time
	}
	return data, ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// push pushes the image with tags.
func (i image) push(ctx context.Context, repo *registry.Repository, tags ...string) error {
	for _, data := range []string{i.config, i.layer} {
		if err := repo.Push(ctx, blob(data), strings.NewReader(data)); err != nil && !errors.Is(err, errdef.ErrAlreadyExists) {
			return err
		}
	}
	_, err := repo.PushManifest(ctx, i.manifest, registry.Put{Tags: tags})
	return err
}

func (i image) mustPush(t testing.TB, repo *registry.Repository, tags ...string) image {
	t.Helper()
	if err := i.push(t.Context(), repo, tags...); err != nil {
		t.Fatal(err)
	}
	return i
}

// wantCode checks the code of an error.
func wantCode(t testing.TB, err error, code registry.Code) {
	t.Helper()
	var e *registry.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("the error is %v, want %s", err, code)
	}
}

// list collects a list.
func list[T any](t testing.TB, seq func(func(T, error) bool)) []T {
	t.Helper()
	var out []T
	for e, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// wantResolve checks what a reference leads to; an empty digest is nothing.
func wantResolve(t testing.TB, repo *registry.Repository, reference string, want digest.Digest) {
	t.Helper()
	desc, err := repo.Resolve(t.Context(), reference)
	if want == "" {
		wantCode(t, err, registry.CodeManifestUnknown)
		return
	}
	if err != nil || desc.Digest != want {
		t.Errorf("%s is %s, %v, want %s", reference, desc.Digest, err, want)
	}
}

// wantValid checks a layout by the rules of the image spec.
func wantValid(t testing.TB, dir string) {
	t.Helper()
	s, err := layout.Open(dir, layout.Options{Inspect: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for finding, err := range validate.Layout(t.Context(), s.Reader, validate.Options{}) {
		if err != nil || finding.Severity == validate.Must {
			t.Errorf("%v, %v", finding, err)
		}
	}
}

// forms are the ways in which a registry keeps repositories.
var forms = map[string]registry.Options{
	"shared":         {},
	"default":        {DefaultRepo: "team/app"},
	"per repository": {PerRepository: true},
}

// An image is pushed and read back by its tag and its digest, by another registry of the
// same layout as well, and with oras-go in and out.
func TestPushAndPull(t *testing.T) {
	for name, opts := range forms {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/layouts"
			reg, other := open(t, dir, opts), open(t, dir, opts)
			repo := repository(t, reg, "team/app")
			i := newImage(t, "one", nil).mustPush(t, repo, "v1", "latest")
			sbom := newImage(t, "sbom", &i.desc).mustPush(t, repo)
			for _, r := range []*registry.Registry{reg, other} {
				repo := repository(t, r, "team/app")
				wantResolve(t, repo, "v1", i.desc.Digest)
				wantResolve(t, repo, string(i.desc.Digest), i.desc.Digest)
				wantResolve(t, repo, string(sbom.desc.Digest), sbom.desc.Digest)
				wantResolve(t, repo, "v2", "")
				if tags := list(t, repo.Tags(t.Context(), registry.Page{})); !slices.Equal(tags, []string{"latest", "v1"}) {
					t.Errorf("tags %q", tags)
				}
				if repos := list(t, r.Repositories(t.Context(), registry.Page{})); !slices.Equal(repos, []string{"team/app"}) {
					t.Errorf("repositories %q", repos)
				}
				found := list(t, repo.Referrers(t.Context(), i.desc.Digest, "application/vnd.example.sbom", registry.Page{}))
				if len(found) != 1 || found[0].Digest != sbom.desc.Digest || found[0].Annotations["seed"] != "sbom" {
					t.Errorf("referrers %v", found)
				}
				back := memory.New()
				if _, err := oras.ExtendedCopy(t.Context(), repo, "v1", back, "v1", oras.DefaultExtendedCopyOptions); err != nil {
					t.Fatal(err)
				}
				if ok, err := back.Exists(t.Context(), sbom.desc); !ok || err != nil {
					t.Errorf("the referrer did not come along: %v", err)
				}
				second := repository(t, r, "team/other")
				if _, err := oras.ExtendedCopy(t.Context(), back, "v1", second, "v1", oras.DefaultExtendedCopyOptions); err != nil {
					t.Fatal(err)
				}
				wantResolve(t, second, "v1", i.desc.Digest)
				if err := second.DeleteManifest(t.Context(), i.desc.Digest, registry.Condition{}); err != nil {
					t.Fatal(err)
				}
				if err := second.DeleteManifest(t.Context(), sbom.desc.Digest, registry.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			if opts.PerRepository {
				wantValid(t, dir+"/team/app")
				return
			}
			wantValid(t, dir)
		})
	}
}

// A blob is known in the repositories that it was pushed to, or whose manifests lead to
// it, and in no other; nor can it be named there.
func TestScope(t *testing.T) {
	for name, opts := range forms {
		t.Run(name, func(t *testing.T) {
			reg := open(t, t.TempDir(), opts)
			one, two := repository(t, reg, "team/app"), repository(t, reg, "team/other")
			i := newImage(t, "one", nil).mustPush(t, one, "v1")
			pending := "pushed and not named yet"
			if err := one.Push(t.Context(), blob(pending), strings.NewReader(pending)); err != nil {
				t.Fatal(err)
			}
			for _, data := range []string{i.layer, pending} {
				if got := read(t, one, blob(data)); got != data {
					t.Errorf("read %q, want %q", got, data)
				}
				_, err := two.OpenBlob(t.Context(), blob(data).Digest)
				wantCode(t, err, registry.CodeBlobUnknown)
				if ok, err := two.Exists(t.Context(), blob(data)); ok || err != nil {
					t.Errorf("exists: %v, %v", ok, err)
				}
			}
			wantResolve(t, two, string(i.desc.Digest), "")
			_, err := two.PushManifest(t.Context(), i.manifest, registry.Put{Tags: []string{"v1"}})
			wantCode(t, err, registry.CodeManifestBlobUnknown)
			var missing *registry.Error
			if errors.As(err, &missing) && len(missing.Digests) != 2 {
				t.Errorf("missing are %v", missing.Digests)
			}
			for _, data := range []string{i.config, i.layer} {
				if _, err := two.Mount(t.Context(), "team/app", blob(data).Digest); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := two.PushManifest(t.Context(), i.manifest, registry.Put{Tags: []string{"v1"}}); err != nil {
				t.Fatal(err)
			}
			if got := read(t, two, blob(i.layer)); got != i.layer {
				t.Errorf("read %q", got)
			}
			_, err = two.Mount(t.Context(), "team/none", blob(i.layer).Digest)
			wantCode(t, err, registry.CodeBlobUnknown)
		})
	}
}

// No manifest brings content of another repository into its own: not by a layer that is
// its subject as well, not by what has URLs, and not by an image that was pushed as a
// blob, whose own content nobody looked at.
func TestScopeByDetours(t *testing.T) {
	reg := open(t, t.TempDir(), registry.Options{})
	one, two := repository(t, reg, "one"), repository(t, reg, "two")
	secret := newImage(t, "secret", nil).mustPush(t, one, "v1")
	layer := blob(secret.layer)
	away := func(desc ocispec.Descriptor) ocispec.Descriptor {
		desc.URLs = []string{"https://example.com/x"}
		return desc
	}
	own := newImage(t, "own", nil).mustPush(t, two, "own")
	manifest := func(edit func(*ocispec.Manifest)) []byte {
		m := own.document()
		edit(&m)
		data, _ := document(m.MediaType, m)
		return data
	}
	index := func(desc ocispec.Descriptor) []byte {
		data, _ := newIndex(desc)
		return data
	}
	if err := two.Push(t.Context(), blob(string(secret.manifest)), bytes.NewReader(secret.manifest)); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"subject":    manifest(func(m *ocispec.Manifest) { m.Layers[0], m.Subject = layer, &layer }),
		"config-url": manifest(func(m *ocispec.Manifest) { m.Config = away(layer) }),
		"index-url":  index(away(secret.desc)),
		"entry-url":  index(away(layer)),
		"blob":       index(secret.desc),
	} {
		_, err := two.PushManifest(t.Context(), data, registry.Put{Tags: []string{name}})
		var e *registry.Error
		if !errors.As(err, &e) || e.Code != registry.CodeManifestBlobUnknown {
			t.Errorf("%s: %v", name, err)
		}
		if f, err := two.OpenBlob(t.Context(), layer.Digest); err == nil {
			t.Errorf("%s: the layer of another repository can be read", name)
			f.Close()
			if err := two.DeleteTag(t.Context(), name, registry.Condition{}); err != nil {
				t.Error(err)
			}
			if err := two.DeleteManifest(t.Context(), digest.FromBytes(data), registry.Condition{}); err != nil {
				t.Error(err)
			}
		}
	}
}

// read reads a blob by its file.
func read(t testing.TB, repo *registry.Repository, desc ocispec.Descriptor) string {
	t.Helper()
	f, err := repo.OpenBlob(t.Context(), desc.Digest)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Error(err)
	}
	if byFile, err := io.ReadAll(f.File()); err != nil || !bytes.Equal(byFile, data) {
		t.Errorf("the file gives %q, %v", byFile, err)
	}
	return string(data)
}
