package transfer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/transfer"
)

// titled is an artifact with a file for each title.
func titled(t *testing.T, s *layout.Store, titles ...string) ocispec.Descriptor {
	t.Helper()
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "a/a", Config: layouttest.Put(t, s, ocispec.MediaTypeEmptyJSON, []byte("{}"))}
	for _, title := range titles {
		blob := layouttest.Put(t, s, "text/plain", []byte("content of "+title))
		blob.Annotations = map[string]string{ocispec.AnnotationTitle: title}
		m.Layers = append(m.Layers, blob)
	}
	m.Layers = append(m.Layers, layouttest.Put(t, s, "text/plain", []byte("without a title")))
	return layouttest.Put(t, s, ocispec.MediaTypeImageManifest, m)
}

func extract(t *testing.T, s *layout.Store, desc ocispec.Descriptor, dir string) ([]string, error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	return transfer.Extract(t.Context(), transfer.NewDirectory(s), desc, root)
}

func TestExtract(t *testing.T) {
	s := layouttest.Open(t, t.TempDir())
	dir := t.TempDir()
	names, err := extract(t, s, titled(t, s, "a.txt", "deep/er/b.txt", "deep/c d"), dir)
	if err != nil || len(names) != 3 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(data) != "content of "+name {
			t.Errorf("%s holds %q: %v", name, data, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*layform-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// Titles that lead out of the directory, through links that are there or that an
// archive in the artifact would make, or onto other files, write nothing.
func TestExtractHostile(t *testing.T) {
	outside := t.TempDir()
	for name, test := range map[string]struct {
		titles []string
		err    string
	}{
		"absolute":          {[]string{"/etc/passwd"}, "no safe name"},
		"up":                {[]string{"../x"}, "no safe name"},
		"up inside":         {[]string{"a/../../x"}, "no safe name"},
		"dot":               {[]string{"."}, "no safe name"},
		"empty part":        {[]string{"a//b"}, "no safe name"},
		"backslash":         {[]string{`..\x`}, "no safe name"},
		"drive":             {[]string{"c:x"}, "no safe name"},
		"line feed":         {[]string{"a\nb"}, "characters"},
		"escape":            {[]string{"a\x1b[2J"}, "characters"},
		"twice":             {[]string{"a", "a"}, "cannot both be files"},
		"case":              {[]string{"a", "A"}, "cannot both be files"},
		"file and parent":   {[]string{"a/b", "a"}, "cannot both be files"},
		"directory link":    {[]string{"link/x"}, "no directory"},
		"deep below a link": {[]string{"link/y/x"}, "no directory"},
		"file link":         {[]string{"dangling"}, "such a file already"},
		"hard link":         {[]string{"hard"}, "such a file already"},
		"later one is bad":  {[]string{"fine", "../x"}, "no safe name"},
	} {
		s := layouttest.Open(t, t.TempDir())
		dir := t.TempDir()
		secret := filepath.Join(outside, "secret")
		for _, err := range []error{
			os.WriteFile(secret, []byte("secret"), 0o600),
			os.Symlink(outside, filepath.Join(dir, "link")),
			os.Symlink(filepath.Join(outside, "made"), filepath.Join(dir, "dangling")),
			os.Link(secret, filepath.Join(dir, "hard")),
		} {
			if err != nil {
				t.Skip(err) // no links between the two directories
			}
		}
		names, err := extract(t, s, titled(t, s, test.titles...), dir)
		if err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v", name, names, err)
		}
		for place, want := range map[string]int{dir: 3, outside: 1} {
			entries, err := os.ReadDir(place)
			if err != nil || len(entries) != want {
				t.Errorf("%s: %s has %d entries: %v", name, place, len(entries), err)
			}
		}
		if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
			t.Errorf("%s: the secret is %q: %v", name, data, err)
		}
	}
}

// A file whose content is wrong does not appear.
func TestExtractTorn(t *testing.T) {
	s := layouttest.Open(t, t.TempDir())
	desc := titled(t, s, "a")
	names, err := filepath.Glob(filepath.Join(s.Dir(), "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && string(data) == "content of a" {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte("content of b"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	if _, err := extract(t, s, desc, dir); err == nil {
		t.Error("no error")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := extract(t, s, newSample(t).root, dir); err == nil || !strings.Contains(err.Error(), "not the manifest") {
		t.Errorf("an index: %v", err)
	}
}
