//go:build unix

package layout_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// open opens the layout in dir and closes it with the test.
func open(t *testing.T, dir string, opts layout.Options) *layout.Store {
	t.Helper()
	s, err := layout.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// image is one image in a layout: a layer, a config, a manifest.
type image struct {
	layer, config, manifest ocispec.Descriptor
}

func (i image) digests() []digest.Digest {
	return []digest.Digest{i.layer.Digest, i.config.Digest, i.manifest.Digest}
}

// begin begins a blob, which is gone at the end of the test if it is none by then.
func begin(t *testing.T, s *layout.Store) *layout.Ingest {
	t.Helper()
	in, err := s.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Abort() })
	return in
}

// putImage stores an image whose content follows from seed, and tags it.
func putImage(t *testing.T, s *layout.Store, seed, tag string) image {
	t.Helper()
	var i image
	i.layer = put(t, s, "application/octet-stream", []byte("layer "+seed))
	i.config = put(t, s, "application/vnd.example.config", []byte("config "+seed))
	m := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    i.config,
		Layers:    []ocispec.Descriptor{i.layer},
	}
	m.SchemaVersion = 2
	i.manifest = putJSON(t, s, m.MediaType, m)
	setTag(t, s, i.manifest, tag)
	return i
}

func put(t *testing.T, s *layout.Store, mediaType string, data []byte) ocispec.Descriptor {
	t.Helper()
	desc, _, err := s.PutBytes(t.Context(), mediaType, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func setTag(t *testing.T, s *layout.Store, desc ocispec.Descriptor, tag string) {
	t.Helper()
	if tag != "" {
		desc.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
	}
	_, _, err := s.Swap(t.Context(), func(x *layout.Index) error { return x.Set(desc) })
	if err != nil {
		t.Fatal(err)
	}
}

// snapshot is every file of a directory: mode and content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(data)
		}
		files[rel] = info.Mode().String() + " " + content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOpenWritesNothing(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "a", "b")
	for _, dir := range []string{absent, t.TempDir()} {
		before := snapshot(t, dir)
		s := open(t, dir, layout.Options{})
		if s.Initialised() {
			t.Error("a directory without files is initialised")
		}
		x, err := s.Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(x.Descriptors()) != 0 || x.Digest() != "" {
			t.Errorf("the index of nothing has the digest %q and %d entries", x.Digest(), len(x.Descriptors()))
		}
		if _, err := s.Resolve(t.Context(), "latest"); err == nil {
			t.Error("a tag was found in nothing")
		}
		for b, err := range s.Blobs(t.Context()) {
			t.Errorf("blob %v, %v in nothing", b, err)
		}
		if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := os.Stat(absent); !errors.Is(err, fs.ErrNotExist) {
		t.Error("opening made the directory")
	}
}

func TestOpenRefuses(t *testing.T) {
	plain := func(name, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, name), content) }
	}
	for name, tc := range map[string]struct {
		make func(*testing.T, string)
		want string
	}{
		"a foreign directory":       {plain("README", "x"), `holds "README"`},
		"index.json alone":          {plain("index.json", "{}"), "no file oci-layout"},
		"an empty oci-layout":       {plain("oci-layout", ""), "empty"},
		"another version":           {plain("oci-layout", `{"imageLayoutVersion":"9.9.9"}`), `"9.9.9"`},
		"no version":                {plain("oci-layout", `{}`), `""`},
		"a version in another case": {plain("oci-layout", `{"ImageLayoutVersion":"1.0.0"}`), "must be written"},
		"a long oci-layout":         {plain("oci-layout", strings.Repeat(" ", 5<<20)), "the limit is"},
		"oci-layout is a directory": {func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "oci-layout")) }, "is a directory"},
		"oci-layout is a pipe":      {func(t *testing.T, dir string) { mkfifo(t, filepath.Join(dir, "oci-layout")) }, "is a named pipe"},
		"oci-layout is a link": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "real"), `{"imageLayoutVersion":"1.0.0"}`)
			symlink(t, "real", filepath.Join(dir, "oci-layout"))
		}, "is a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tc.make(t, dir)
			_, err := layout.Open(dir, layout.Options{})
			var nl *layout.NotLayoutError
			if !errors.As(err, &nl) {
				t.Fatalf("got %v, want a *NotLayoutError", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want it to say %q", err, tc.want)
			}
			s, err := layout.Open(dir, layout.Options{Inspect: true})
			if err != nil {
				t.Fatalf("with Inspect: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "f")
		writeFile(t, file, "")
		if _, err := layout.Open(file, layout.Options{}); err == nil {
			t.Error("a file was opened as a layout")
		}
		if _, err := layout.Open(filepath.Join(file, "x"), layout.Options{}); err == nil {
			t.Error("a path below a file was opened as a layout")
		}
	})
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
}

func mkfifo(t *testing.T, name string) {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o644); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "layout")
	s := open(t, dir, layout.Options{})
	unlock := lock(t, s)
	for range 2 {
		if err := s.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Initialised() {
		t.Error("not initialised after Init")
	}
	unlock()
	want := map[string]string{
		".":                   "drwxr-xr-x ",
		".layform":            "drwxr-xr-x ",
		".layform/ingest":     "drwxr-xr-x ",
		".layform/lock":       "-rw-r--r-- ",
		".layform/.gitignore": "-rw-r--r-- *\n",
		"blobs":               "drwxr-xr-x ",
		"blobs/sha256":        "drwxr-xr-x ",
		"index.json":          `-rw-r--r-- {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}` + "\n",
		"oci-layout":          `-rw-r--r-- {"imageLayoutVersion":"1.0.0"}` + "\n",
	}
	if diff := cmp.Diff(want, snapshot(t, dir)); diff != "" {
		t.Error(diff)
	}
	x, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if x.Digest() != "" {
		t.Errorf("the index that Init wrote has the digest %s", x.Digest())
	}
}

func lock(t *testing.T, s *layout.Store) (unlock func()) {
	t.Helper()
	release, err := s.Lock(t.Context(), layout.Holder{Operation: "test"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := release(); err != nil {
			t.Error(err)
		}
	}
}

// Modes are the same under any umask. The umask belongs to the process, so no
// test of this package runs in parallel.
func TestModesWhateverTheUmask(t *testing.T) {
	var want map[string]string
	for _, mask := range []int{0o022, 0o077, 0o000} {
		dir := filepath.Join(t.TempDir(), "x", "layout")
		old := syscall.Umask(mask)
		s, err := layout.Open(dir, layout.Options{})
		if err == nil {
			putImage(t, s, "a", "latest")
			err = errors.Join(s.SaveState("stage/x.json", nil), s.SaveCache("stat.cache", "x", func(io.Writer) error { return nil }), s.Close())
		}
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		got := snapshot(t, filepath.Dir(dir))
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("umask %03o: %s", mask, diff)
		}
	}
	for name, f := range want {
		if strings.Contains(name, "sha256/") && !strings.HasPrefix(f, "-r--r--r-- ") {
			t.Errorf("%s has the mode %s", name, f[:10])
		}
	}
}

func TestReadOnlyLayout(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("modes do not stop root")
	}
	dir := t.TempDir()
	putImage(t, open(t, dir, layout.Options{}), "a", "latest")
	if err := os.Chmod(filepath.Join(dir, ".layform/ingest"), 0o555); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, layout.Options{})
	if _, err := s.Resolve(t.Context(), "latest"); err != nil {
		t.Error(err)
	}
	_, _, err := s.PutBytes(t.Context(), "x", []byte("new"), nil)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "cannot be written to") {
		t.Errorf("got %v", err)
	}
}

func TestCancelled(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	img := putImage(t, s, "a", "latest")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, indexErr := s.Index(ctx)
	_, fetchErr := s.Fetch(ctx, img.layer)
	_, checkErr := s.Check(ctx, img.layer)
	_, ingestErr := s.Ingest(ctx)
	_, lockErr := s.Lock(ctx, layout.Holder{}, -1)
	_, _, swapErr := s.Swap(ctx, func(x *layout.Index) error { x.Remove("latest"); return nil })
	for i, err := range []error{indexErr, fetchErr, checkErr, ingestErr, lockErr, swapErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: got %v", i, err)
		}
	}
	if _, err := s.Resolve(t.Context(), "latest"); err != nil {
		t.Error(err)
	}
}
