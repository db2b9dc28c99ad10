//go:build unix

package layout_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout"
)

// A Store is what oras-go copies from and to.
var (
	_ oras.Target             = (*layout.Store)(nil)
	_ content.ReadOnlyStorage = (*layout.Store)(nil)
)

func packInto(t *testing.T, target oras.Target, tag string) ocispec.Descriptor {
	t.Helper()
	layer, err := oras.PushBytes(t.Context(), target, "text/plain", []byte("layer "+tag))
	if err != nil {
		t.Fatal(err)
	}
	desc, err := oras.PackManifest(t.Context(), target, oras.PackManifestVersion1_1, "application/vnd.example", oras.PackManifestOptions{
		Layers:              []ocispec.Descriptor{layer},
		ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "2020-01-01T00:00:00Z"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Tag(t.Context(), desc, tag); err != nil {
		t.Fatal(err)
	}
	return desc
}

func TestOrasCopiesIntoAndOutOfAStore(t *testing.T) {
	src := memory.New()
	want := packInto(t, src, "v1")
	s := open(t, filepath.Join(t.TempDir(), "l"), layout.Options{})
	for range 2 {
		got, err := oras.Copy(t.Context(), src, "v1", s, "v1", oras.DefaultCopyOptions)
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest != want.Digest {
			t.Errorf("copied %s, want %s", got.Digest, want.Digest)
		}
	}
	dst := memory.New()
	for _, ref := range []string{"v1", want.Digest.String()} {
		if _, err := oras.Copy(t.Context(), s, ref, dst, "out", oras.DefaultCopyOptions); err != nil {
			t.Fatal(err)
		}
		if got, err := dst.Resolve(t.Context(), "out"); err != nil || got.Digest != want.Digest {
			t.Errorf("%s: got %v, %v", ref, got, err)
		}
	}
	// oras-go's own reader of layouts reads what the Store wrote.
	reader, err := oci.NewFromFS(t.Context(), os.DirFS(s.Dir()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := reader.Resolve(t.Context(), "v1"); err != nil || got.Digest != want.Digest {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestStoreReadsWhatOrasWrote(t *testing.T) {
	dir := t.TempDir()
	writer, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	one, two := packInto(t, writer, "one"), packInto(t, writer, "two")
	s := open(t, dir, layout.Options{})
	for tag, want := range map[string]ocispec.Descriptor{"one": one, "two": two} {
		got, err := s.Resolve(t.Context(), tag)
		if err != nil || got.Digest != want.Digest {
			t.Errorf("%s: got %v, %v", tag, got, err)
		}
	}
	putImage(t, s, "three", "three")
	again, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"one", "two", "three"} {
		if _, err := again.Resolve(t.Context(), tag); err != nil {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

func TestPush(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	const text = "pushed content"
	desc := descriptor(text, "")
	for name, content := range map[string]string{"short": text[1:], "long": text + "x", "other": strings.ToUpper(text), "empty": ""} {
		if err := s.Push(t.Context(), desc, strings.NewReader(content)); err == nil {
			t.Errorf("%s content was stored", name)
		}
	}
	boom := errors.New("boom")
	if err := s.Push(t.Context(), desc, io.MultiReader(strings.NewReader(text[:3]), errReader{boom})); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if ok, err := s.Exists(t.Context(), desc); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if err := s.Push(t.Context(), desc, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if err := s.Push(t.Context(), desc, strings.NewReader(text)); !errors.Is(err, errdef.ErrAlreadyExists) {
		t.Errorf("got %v", err)
	}
	damage(t, s, desc.Digest, "torn")
	if err := s.Push(t.Context(), desc, strings.NewReader(text)); err != nil {
		t.Errorf("a torn blob was not replaced: %v", err)
	}
	long := ocispec.Descriptor{Digest: digest.SHA512.FromString(text), Size: int64(len(text))}
	if err := s.Push(t.Context(), long, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if data, err := content.FetchAll(t.Context(), s, long); err != nil || string(data) != text {
		t.Errorf("got %q, %v", data, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir(), ".layform/ingest/*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestTagAndResolve(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	img := putImage(t, s, "a", "one")
	if err := s.Tag(t.Context(), img.manifest, "two"); err != nil {
		t.Fatal(err)
	}
	if err := s.Tag(t.Context(), img.manifest, img.manifest.Digest.String()); err != nil {
		t.Fatal(err)
	}
	x, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, d := range x.Descriptors() {
		refs = append(refs, layout.RefName(d))
	}
	if diff := cmp.Diff([]string{"one", "two", ""}, refs); diff != "" {
		t.Error(diff)
	}
	if got, err := s.Resolve(t.Context(), img.layer.Digest.String()); err != nil || got.Digest != img.layer.Digest {
		t.Errorf("a layer by its digest: %v, %v", got, err)
	}
	for _, ref := range []string{"three", "", digest.FromString("x").String(), "sha256:x"} {
		if _, err := s.Resolve(t.Context(), ref); !errors.Is(err, errdef.ErrNotFound) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if err := s.Tag(t.Context(), img.manifest, ""); !errors.Is(err, errdef.ErrMissingReference) {
		t.Errorf("got %v", err)
	}
	if err := s.Tag(t.Context(), descriptor("absent", ""), "x"); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// go-containerregistry reads and validates an image that went through a Store.
func TestOtherReadersAcceptTheLayout(t *testing.T) {
	img, err := random.Image(1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	path, err := ggcrlayout.Write(foreign, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(img, ggcrlayout.WithAnnotations(map[string]string{ocispec.AnnotationRefName: "r"})); err != nil {
		t.Fatal(err)
	}
	src := open(t, foreign, layout.Options{})
	dst := open(t, filepath.Join(t.TempDir(), "l"), layout.Options{})
	if _, err := oras.Copy(t.Context(), src, "r", dst, "r", oras.DefaultCopyOptions); err != nil {
		t.Fatal(err)
	}
	idx, err := ggcrlayout.ImageIndexFromPath(dst.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := dst.Resolve(t.Context(), "r"); err != nil || got.Digest.String() != want.String() {
		t.Errorf("got %v, %v", got, err)
	}
	var buf bytes.Buffer
	desc, err := dst.Resolve(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	r, err := dst.Fetch(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := buf.ReadFrom(r); err != nil {
		t.Error(err)
	}
}
