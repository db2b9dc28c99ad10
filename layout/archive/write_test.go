package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/layouttest"
)

// sample is a layout with an index of two platforms under the tag v1, and a signature of
// one of the images.
type sample struct {
	dir   string
	store *layout.Store
	index ocispec.Descriptor
	sig   ocispec.Descriptor
}

// layerTar is a tar with one file.
func layerTar(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newSample(t *testing.T) *sample {
	t.Helper()
	s := &sample{dir: filepath.Join(t.TempDir(), "layout")}
	s.store = layouttest.Open(t, s.dir)
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, arch := range []string{"amd64", "arm64"} {
		data := layerTar(t, "app", "for "+arch)
		l := layouttest.Put(t, s.store, ocispec.MediaTypeImageLayer, data)
		config := layouttest.Put(t, s.store, ocispec.MediaTypeImageConfig, ocispec.Image{
			Platform: ocispec.Platform{OS: "linux", Architecture: arch}, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{l.Digest}},
		})
		image := layouttest.Put(t, s.store, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: index.Versioned, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{l}})
		subject := image
		image.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
		index.Manifests = append(index.Manifests, image)
		empty := layouttest.Put(t, s.store, ocispec.MediaTypeEmptyJSON, []byte("{}"))
		s.sig = layouttest.Put(t, s.store, ocispec.MediaTypeImageManifest, ocispec.Manifest{
			Versioned: index.Versioned, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "example/signature", Config: empty, Layers: []ocispec.Descriptor{empty}, Subject: &subject,
		})
	}
	s.index = layouttest.Put(t, s.store, ocispec.MediaTypeImageIndex, index)
	s.tag(t, s.index, "v1")
	s.tag(t, s.sig, string(s.sig.Digest))
	return s
}

func (s *sample) tag(t *testing.T, desc ocispec.Descriptor, name string) {
	t.Helper()
	if err := s.store.Tag(t.Context(), desc, name); err != nil {
		t.Fatal(err)
	}
}

func root(t *testing.T, dir string) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func export(t *testing.T, src *layout.Reader, opts archive.WriteOptions) (file string, data []byte) {
	t.Helper()
	dir := t.TempDir()
	sum, err := archive.Export(t.Context(), src, root(t, dir), "x.tar", opts)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "x.tar")
	if data, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	if want := (archive.Sum{Digest: digest.FromBytes(data), Size: int64(len(data))}); sum != want {
		t.Errorf("the sum is %v, want %v", sum, want)
	}
	if again, err := archive.SumOf(t.Context(), src, opts); err != nil || again != sum {
		t.Errorf("SumOf gives %v, %v", again, err)
	}
	return file, data
}

// golden is the digest of the sample's tar. It decides what archives of equal layouts
// have in common: a change of it changes the archives of all users.
const golden = "sha256:39594ae18216c0d4cad0bbd47d9c8ac5645b41c1b13220842938b5c3cd64c87e"

func TestExportIsAFunctionOfTheLayout(t *testing.T) {
	s := newSample(t)
	file, data := export(t, s.store.Reader, archive.WriteOptions{})
	if got := digest.FromBytes(data); got != golden {
		t.Errorf("the tar has the digest %s", got)
	}
	names := entries(t, data)
	if !slices.IsSorted(names) || names[0] != "blobs/" || names[len(names)-1] != "oci-layout" {
		t.Errorf("the entries are %q", names)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o644 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}

	// Blobs that nothing leads to, a folder of ours, other modes and times, another place.
	layouttest.Put(t, s.store, "text/plain", []byte("garbage"))
	if err := os.WriteFile(filepath.Join(s.dir, ".layform", "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.dir, "index.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if err := errors.Join(s.store.Close(), os.Rename(s.dir, moved)); err != nil {
		t.Fatal(err)
	}
	_, again := export(t, layouttest.Open(t, moved).Reader, archive.WriteOptions{})
	if !bytes.Equal(again, data) {
		t.Errorf("the tar of the moved layout has the digest %s", digest.FromBytes(again))
	}
	// The archive of what is in the archive.
	_, again = export(t, openTar(t, file), archive.WriteOptions{})
	if !bytes.Equal(again, data) {
		t.Error("the archive of the archive is another one")
	}
}

// entries lists the names in a tar, and checks what all headers share.
func entries(t *testing.T, data []byte) (names []string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s belongs to %d:%d and is of %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		names = append(names, h.Name)
	}
}

// openTar reads the layout in a tar.
func openTar(t *testing.T, file string) *layout.Reader {
	t.Helper()
	r, err := readTar(t, file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readTar(t *testing.T, file string) (*layout.Reader, error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), f, info.Size(), archive.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	if len(a.Problems()) > 0 {
		t.Fatal(a.Problems())
	}
	tree, err := archive.Layout(t.Context(), a)
	if err != nil {
		return nil, err
	}
	return layout.NewReader(tree, file, layout.Limits{})
}

func TestExportIsReadByOras(t *testing.T) {
	s := newSample(t)
	file, _ := export(t, s.store.Reader, archive.WriteOptions{})
	store, err := oci.NewFromTar(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Resolve(t.Context(), "v1")
	if err != nil || got.Digest != s.index.Digest {
		t.Fatalf("v1 is %s, %v", got.Digest, err)
	}
	todo, n := []ocispec.Descriptor{got}, 0
	for ; len(todo) > 0; n++ {
		next := todo[0]
		if _, err := content.FetchAll(t.Context(), store, next); err != nil {
			t.Fatal(err)
		}
		more, err := content.Successors(t.Context(), store, next)
		if err != nil {
			t.Fatal(err)
		}
		todo = append(todo[1:], more...)
	}
	if n != 7 {
		t.Errorf("v1 leads to %d blobs", n)
	}
}

func TestSelect(t *testing.T) {
	s := newSample(t)
	s.tag(t, s.index, "v2")
	r, err := archive.Select(t.Context(), s.store.Reader, "x", tagged(s.index, "v1"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := r.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := index.Descriptors()
	if len(got) != 2 || layout.RefName(got[0]) != "v1" || got[1].Digest != s.sig.Digest {
		t.Errorf("the entries are %v", got)
	}
	_, data := export(t, r, archive.WriteOptions{})
	if n := len(entries(t, data)); n != 2+7+2+2 {
		t.Errorf("the tar has %d entries", n)
	}
}

func tagged(desc ocispec.Descriptor, name string) ocispec.Descriptor {
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	return desc
}

// TestExportFails: whichever operation fails, the file is what it was and nothing is left
// beside it; so is it for a blob that is torn or missing, and for a context that ends.
func TestExportFails(t *testing.T) {
	s := newSample(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "x.tar")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := root(t, dir)
	untouched := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		left, globErr := filepath.Glob(filepath.Join(dir, ".*"))
		data, readErr := os.ReadFile(file)
		if globErr != nil || readErr != nil || string(data) != "old" || len(left) > 0 {
			t.Errorf("%s: the file holds %d bytes, and %q is left: %v %v", what, len(data), left, globErr, readErr)
		}
	}
	points := 0
	for n := 0; ; n++ {
		i := 0
		var at layouttest.Step
		_, err := archive.Export(t.Context(), s.store.Reader, r, "x.tar", archive.WriteOptions{Fault: func(step layouttest.Step) error {
			i++
			if i == n+1 {
				at = step
				return syscall.ENOSPC
			}
			return nil
		}})
		if err == nil {
			break
		}
		if at.Op == layouttest.OpSync && at.Name == "." {
			points++
			break // the rename is done: the file is the new one
		}
		points++
		untouched(string(at.Op)+" "+at.Name, err)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v is not told", err)
		}
	}
	if points < 20 {
		t.Errorf("only %d operations failed", points)
	}
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := archive.Export(ctx, s.store.Reader, r, "x.tar", archive.WriteOptions{})
	untouched("a context that ended", err)

	blob := filepath.Join(s.dir, "blobs/sha256", s.index.Digest.Encoded())
	data, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := errors.Join(os.Chmod(blob, 0o644), os.WriteFile(blob, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	_, err = archive.Export(t.Context(), s.store.Reader, r, "x.tar", archive.WriteOptions{})
	untouched("a torn blob", err)
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	_, err = archive.Export(t.Context(), s.store.Reader, r, "x.tar", archive.WriteOptions{})
	untouched("a missing blob", err)
	if err == nil || !strings.Contains(err.Error(), string(s.index.Digest)) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing blob: %v", err)
	}
}

// TestFile: blobs may come in any order; those that do not come are left out.
func TestFile(t *testing.T) {
	s := newSample(t)
	want, data := export(t, s.store.Reader, archive.WriteOptions{})
	index, err := s.store.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := archive.Contents(t.Context(), s.store.Reader, index.Descriptors())
	if err != nil {
		t.Fatal(err)
	}
	absent := layouttest.Put(t, s.store, "text/plain", []byte(strings.Repeat("not to be had ", 1000)))
	dir := t.TempDir()
	f, err := archive.Create(root(t, dir), "made/x.tar", append(slices.Clone(blobs), absent), archive.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, desc := range slices.Backward(blobs) {
		if err := f.Blob(t.Context(), desc.Digest, strings.NewReader("short")); err == nil {
			t.Error("a blob with other bytes was taken")
		}
		if err := f.Copy(t.Context(), s.store.Reader, desc); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Commit(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	if err := f.Abort(); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "made/x.tar"))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("the tar is not that of %s: %v", want, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "made/.*")); err != nil || len(left) > 0 {
		t.Errorf("%q is left: %v", left, err)
	}
}

// What a killed writer left of the same file is removed by the next, and nothing else is.
func TestExportAfterKill(t *testing.T) {
	s := newSample(t)
	dir := t.TempDir()
	for _, name := range []string{".x.tar-0123456789abcdef01234567", ".y.tar-0123456789abcdef01234567", ".x.tar-short"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half a tar"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := archive.Export(t.Context(), s.store.Reader, root(t, dir), "x.tar", archive.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{".x.tar-short", ".y.tar-0123456789abcdef01234567", "x.tar"}; !slices.Equal(names, want) {
		t.Errorf("there is %q, want %q", names, want)
	}
}

// What is no regular file is not replaced.
func TestExportOverOddFiles(t *testing.T) {
	s := newSample(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dir.tar"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "target"), []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", filepath.Join(dir, "link.tar")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dir.tar", "link.tar", "target/x.tar"} {
		if _, err := archive.Export(t.Context(), s.store.Reader, root(t, dir), name, archive.WriteOptions{}); err == nil {
			t.Errorf("%s was replaced", name)
		}
	}
	if _, err := archive.Export(t.Context(), s.store.Reader, root(t, dir), "link.tar", archive.WriteOptions{}); !errors.Is(err, layout.ErrNotPlain) {
		t.Errorf("a link: %v", err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "link.tar")); err != nil || target != "target" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("there is %v, %v", entries, err)
	}
}

func TestEmptyExport(t *testing.T) {
	_, data := export(t, layout.Empty("nothing"), archive.WriteOptions{})
	want := []string{"blobs/", "blobs/sha256/", "index.json", "oci-layout"}
	if got := entries(t, data); !slices.Equal(got, want) {
		t.Errorf("it holds %q", got)
	}
}
