package ref_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/ref"
)

// inDirectory makes a fresh current directory that holds the files.
func inDirectory(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindLayout(t *testing.T) {
	one, two := "one/oci-layout", "one/two/oci-layout"
	for _, test := range []struct {
		name, path   string
		files        []string
		dir          string
		repo, tag    string
		wantedDigest digest.Digest
	}{
		{name: "last component", path: "./foo/bar:baz", dir: "./foo", repo: "bar", tag: "baz"},
		{name: "dot slash", path: "./foo:bar", dir: "./", repo: "foo", tag: "bar"},
		{name: "parent", path: "../foo:bar", dir: "../", repo: "foo", tag: "bar"},
		{name: "one component", path: "foo:bar", dir: ".", repo: "foo", tag: "bar"},
		{name: "no tag", path: "foo/bar", dir: "foo", repo: "bar"},
		{name: "marker", files: []string{two}, path: "./one/two/three/four:tag", dir: "./one/two", repo: "three/four", tag: "tag"},
		{name: "deepest marker", files: []string{one, two}, path: "./one/two/three/four:tag", dir: "./one/two", repo: "three/four", tag: "tag"},
		{name: "upper marker", files: []string{one}, path: "one/two/three:tag", dir: "one", repo: "two/three", tag: "tag"},
		{name: "current directory", files: []string{"oci-layout"}, path: "one/two:tag", dir: ".", repo: "one/two", tag: "tag"},
		{name: "below the current layout", files: []string{"oci-layout", one}, path: "one/two:tag", dir: "one", repo: "two", tag: "tag"},
		// The suffix of the deepest marker is no name: the next one is asked.
		{name: "suffix that does not parse", files: []string{one, "one/a:b/oci-layout"}, path: "one/a:b/Bad", dir: "", repo: ""},
		{name: "deepest does not parse", files: []string{"oci-layout", "one/two_/oci-layout"}, path: "one/two_/x:y", dir: "one/two_", repo: "x", tag: "y"},
		{name: "marker is a directory", files: []string{"one/oci-layout/x"}, path: "one/two/three:t", dir: "one/two", repo: "three", tag: "t"},
		{name: "file on the way", files: []string{"one"}, path: "one/two/three:t", dir: "one/two", repo: "three", tag: "t"},
		{name: "digest", path: "./layout/repo@" + dgst.String(), dir: "./layout", repo: "repo", wantedDigest: dgst},
		{name: "tag and digest", files: []string{"layout/base/oci-layout"}, path: "./layout/base/repo/name:tag@" + dgst.String(), dir: "./layout/base", repo: "repo/name", tag: "tag", wantedDigest: dgst},
		{name: "empty", path: ""},
		{name: "root", path: "/"},
		{name: "the layout alone", files: []string{one}, path: "one/", dir: ".", repo: ""},
		{name: "upper case", path: "./foo/Bad:tag"},
		{name: "bad digest", path: "./foo/bar@sha256:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inDirectory(t, test.files...)
			dir, image, err := ref.FindLayout(test.path)
			want := ref.Image{Repository: test.repo, Tag: test.tag, Digest: test.wantedDigest}
			if test.repo == "" {
				if err == nil {
					t.Fatalf("found %s in %s", image, dir)
				}
				return
			}
			if err != nil || dir != test.dir || image != want {
				t.Errorf("got %q, %#v, %v\nwant %q, %#v", dir, image, err, test.dir, want)
			}
		})
	}
}

func TestFindLayoutAbsolute(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got, image, err := ref.FindLayout(filepath.Join(dir, "a", "b:c"))
	if err != nil || got != dir || image.String() != "a/b:c" {
		t.Errorf("found %s in %s, %v", image, got, err)
	}
}

func TestLocate(t *testing.T) {
	inDirectory(t, "a/oci-layout", "a:b/oci-layout", "a:b:c/oci-layout", "x:y.tar", "plain")
	for text, want := range map[string]ref.Reference{
		"oci:a:v1":                 layoutAt("a", "v1", ""),
		"oci:a:b:v1":               layoutAt("a:b", "v1", ""),
		"oci:a:b":                  layoutAt("a:b", "", ""),
		"oci:a:b:c":                layoutAt("a:b:c", "", ""),
		"oci:a:d:v1":               layoutAt("a", "d:v1", ""),
		"oci:new:v1":               layoutAt("new", "v1", ""),
		"oci-archive:x:y.tar:v1":   {Transport: ref.Archive, Path: "x:y.tar", Name: "v1"},
		"oci:a:b@" + dgst.String(): layoutAt("a:b", "", dgst),
		"docker://localhost:1/a:b": image("localhost:1", "a", "b", ""),
	} {
		got, err := ref.Locate(text)
		if err != nil || got != want {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", text, got, err, want)
		}
		if again, err := ref.Parse(got.String()); err != nil || again != got {
			t.Errorf("%s was read again as %#v, %v", got, again, err)
		}
	}
	for text, want := range map[string]ref.Reference{
		"a:b:v1":      layoutAt("a:b", "v1", ""),
		"plain:v1":    {Transport: ref.Archive, Path: "plain", Name: "v1"},
		"x:y.tar":     {Transport: ref.Archive, Path: "x:y.tar"},
		"oci:plain":   layoutAt("plain", "", ""),
		"nowhere.tar": {Transport: ref.Archive, Path: "nowhere.tar"},
	} {
		if got, err := ref.LocateLayout(text); err != nil || got != want {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", text, got, err, want)
		}
	}
	if _, err := ref.LocateLayout("docker://ghcr.io/app"); err == nil || !strings.Contains(err.Error(), "registry") {
		t.Errorf("a registry as a layout: %v", err)
	}
}

// An image that is read may be named below a layout, as a registry would name it.
func TestLocateImage(t *testing.T) {
	inDirectory(t, "a/oci-layout", "a/b/c/oci-layout", "a:b/oci-layout", "a%3Ac/oci-layout", "plain.tar", "none/file")
	for text, want := range map[string]ref.Reference{
		"a:v1":                            layoutAt("a", "v1", ""),
		"oci:a:v1":                        layoutAt("a", "v1", ""),
		"a:b":                             layoutAt("a:b", "", ""),
		"a:b:v1":                          layoutAt("a:b", "v1", ""),
		"a%3Ab:v1":                        layoutAt("a:b", "v1", ""),
		"a%253Ac:v1":                      layoutAt("a%3Ac", "v1", ""),
		"a/team/app:v1":                   layoutAt("a", "team/app:v1", ""),
		"oci:a/team/app":                  layoutAt("a", "team/app", ""),
		"a/b/c/app:v1@" + dgst.String():   layoutAt("a/b/c", "app:v1", dgst),
		"a/b":                             layoutAt("a/b", "", ""), // a directory that exists
		"a/oci-layout/app":                layoutAt("a", "oci-layout/app", ""),
		"none/app:v1":                     layoutAt("none/app", "v1", ""),
		"a/Upper/Case:v1":                 layoutAt("a/Upper/Case", "v1", ""),
		"plain.tar:v1":                    {Transport: ref.Archive, Path: "plain.tar", Name: "v1"},
		"oci-archive:a/team/app.tar:name": {Transport: ref.Archive, Path: "a/team/app.tar", Name: "name"},
	} {
		if got, err := ref.LocateImage(text); err != nil || got != want {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", text, got, err, want)
		}
	}
}
