//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// hostileLayout makes a layout with an image of layers that hold what no good
// layer holds, each a plain tar.
func hostileLayout(t *testing.T, layers ...[]tar.Header) string {
	t.Helper()
	store, err := layout.Open(filepath.Join(t.TempDir(), "dist"), layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	put := func(mediaType string, data []byte) ocispec.Descriptor {
		d, _, err := store.PutBytes(t.Context(), mediaType, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	document := func(mediaType string, v any) ocispec.Descriptor {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return put(mediaType, data)
	}
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers"}}
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	manifest.SchemaVersion = 2
	for _, headers := range layers {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, h := range headers {
			content := h.Name
			if h.Typeflag != 0 || imagespec.IsWhiteout(path.Base(h.Name)) {
				content = ""
			}
			h.Size = int64(len(content))
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		manifest.Layers = append(manifest.Layers, put(ocispec.MediaTypeImageLayer, buf.Bytes()))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(buf.Bytes()))
	}
	manifest.Config = document(ocispec.MediaTypeImageConfig, config)
	desc := document(manifest.MediaType, manifest)
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: "x", "org.example": "\x1b[2J"}
	if err := store.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Swap(t.Context(), func(x *layout.Index) error { return x.Set(desc) }); err != nil {
		t.Fatal(err)
	}
	return store.Dir()
}

// layform runs the program and gives all that it prints and whether it succeeded.
func layform(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	out, err := exec.Command("layform", args...).CombinedOutput()
	return string(out), err == nil
}

// TestHostileImages looks into layers whose names lead anywhere: nothing leads
// out of the image, and nothing reaches the terminal as it is.
func TestHostileImages(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
	}
	hard := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
	}
	up := strings.Repeat("../", 30) + secret[1:]
	dir := hostileLayout(t,
		[]tar.Header{
			{Name: "../x"}, {Name: "/etc/abs"}, {Name: "a/../../y"}, link("abs", secret), link("up", up), link("l", filepath.Dir(secret)), {Name: "l/below"},
			hard("hard", secret), hard("hardup", up), hard("self", "self"), {Name: "p", Typeflag: tar.TypeFifo},
			{Name: "\x1b[2J\r\n\u202ename"}, link("to-escape", "\x1b]0;x\x07"), hard("hard-escape", "\x1b[31m"),
		},
		[]tar.Header{{Name: "l/secret"}, {Name: "l/.wh.below"}})
	for path, want := range map[string]string{
		"/x": "../x", "../../x": "../x", "y": "a/../../y", "/etc/abs": "/etc/abs", // what lies above the root is the root
		// What lies below a link lies where it leads to, inside the image.
		"abs": "l/secret", "up": "l/secret", "l/secret": "l/secret", secret: "l/secret", "l/below": "the image has no",
		"hard": "has no content", "hardup": "has no content", "self": "has no content", "p": "is a fifo",
		"to-escape": `the image has no "/\x1b]0;x\a"`, "hard-escape": "has no content", "\x1b[2Jnone": `the image has no "/\x1b[2Jnone"`,
	} {
		out, ok := layform(t, "layout", "cat", dir+":x", path)
		if !strings.Contains(out, want) || ok != (strings.Trim(want, "./") == strings.Trim(out, "./")) {
			t.Errorf("cat %q gives %q, %v; want %q", path, out, ok, want)
		}
		checkPrintable(t, out)
	}
	for _, args := range [][]string{
		{"ls", dir + ":x"}, {"ls", dir + ":x", "/l"}, {"ls", "--json", dir + ":x"}, {"show", dir}, {"validate", dir}, {"validate", "--json", dir}, {"gc", "--dry-run", dir},
	} {
		out, ok := layform(t, append([]string{"layout"}, args...)...)
		if ok == (args[0] == "validate") {
			t.Errorf("%q: %v\n%s", args, ok, out)
		}
		if args[0] == "ls" && len(args) == 2 && strings.Count(out, "\n") != 14 {
			t.Errorf("ls has other lines than one for each entry:\n%s", out)
		}
		checkPrintable(t, out)
	}
}

// TestHostileLayer looks into an image that no program can unpack: it is refused
// with its place, and the layout can still be looked at.
func TestHostileLayer(t *testing.T) {
	dir := hostileLayout(t, []tar.Header{{Name: "file"}, {Name: "up", Typeflag: tar.TypeSymlink, Linkname: "../../file"}}, []tar.Header{{Name: "up/child"}})
	for _, args := range [][]string{{"ls", dir + ":x"}, {"cat", dir + ":x", "file"}} {
		if out, ok := layform(t, append([]string{"layout"}, args...)...); ok || !strings.Contains(out, `"up/child": it lies below "/file", which is a file`) {
			t.Errorf("%q: %s", args, out)
		}
	}
	if out, ok := layform(t, "layout", "show", dir); !ok {
		t.Error(out)
	}
}

// checkPrintable checks that a terminal can bear a text.
func checkPrintable(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if !unicode.IsPrint(r) && r != '\n' {
			t.Errorf("it prints %q: %q", r, text)
			return
		}
	}
	if strings.Contains(text, "of the host") {
		t.Errorf("it reads a file of the host: %q", text)
	}
}
