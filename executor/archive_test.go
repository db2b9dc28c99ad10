//go:build unix

package executor_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner"
)

// smallTar is a tar with a file.
func smallTar(t *testing.T) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "f", Mode: 0o644, Size: 5}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// compressed is text compressed by another program than layform's encoder.
func compressed(t *testing.T, text string, a imagespec.Algorithm) string {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch a {
	case imagespec.Gzip:
		w, _ = gzip.NewWriterLevel(&buf, 1)
	case imagespec.Zstd:
		w, _ = zstd.NewWriter(&buf)
	default:
		return text
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// archiveSpec is an image with one layer, made of what source says.
func archiveSpec(source string) string {
	return fmt.Sprintf(`
layout { path = "out" }
layer "l" {
  %s
}
config "c" { platform = "linux/amd64" }
manifest "m" {
  config = config.c
  layers = [layer.l]
  tags   = ["latest"]
}
`, source)
}

// onlyLayer is the blob of the image's layer and its descriptor.
func (w *world) onlyLayer() ([]byte, ocispec.Descriptor) {
	w.t.Helper()
	store := w.open()
	d, err := store.Resolve(w.t.Context(), "latest")
	if err != nil {
		w.t.Fatal(err)
	}
	doc, err := store.Document(w.t.Context(), d)
	if err != nil || len(doc.Layers) != 1 {
		w.t.Fatalf("%+v, %v", doc, err)
	}
	r, err := store.Fetch(w.t.Context(), doc.Layers[0])
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	blob, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return blob, doc.Layers[0]
}

// TestContentAndType: whatever an archive is compressed with, and whatever media
// type and compression are asked for, content and type of the layer agree, or it
// is an error.
func TestContentAndType(t *testing.T) {
	algorithms := []imagespec.Algorithm{imagespec.Uncompressed, imagespec.Gzip, imagespec.Zstd}
	types := append([]string{"", "application/vnd.example.rootfs"}, imagespec.LayerMediaTypes()...)
	plain := smallTar(t)
	n := 0
	for _, content := range append([]imagespec.Algorithm{"no tar"}, algorithms...) {
		for _, mediaType := range types {
			for _, compression := range append([]imagespec.Algorithm{""}, algorithms...) {
				if mediaType == "application/vnd.example.rootfs" && content == "no tar" {
					continue
				}
				n++
				name := fmt.Sprintf("%s as %q with %q", content, mediaType, compression)
				c := typeCase{content: content, mediaType: mediaType, compression: compression}
				t.Run(name, func(t *testing.T) { c.check(t, plain) })
			}
		}
	}
	if n < 4*4*2 {
		t.Errorf("only %d pairs", n)
	}
}

type typeCase struct {
	content     imagespec.Algorithm
	mediaType   string
	compression imagespec.Algorithm
}

// want is the compression that the layer must have, or a part of the error.
func (c typeCase) want() (imagespec.Algorithm, string) {
	declared, isLayer := imagespec.LayerCompression(c.mediaType)
	switch {
	case isLayer && c.compression != "" && c.compression != declared:
		return "", "media_type says that the layer is compressed with"
	case c.mediaType != "" && !isLayer:
		return "", "which no runtime can unpack"
	case c.content == "no tar":
		return "", "it is not a tar"
	case c.compression != "":
		return c.compression, ""
	case isLayer:
		return declared, ""
	case c.content == imagespec.Uncompressed:
		return imagespec.Gzip, ""
	}
	return c.content, ""
}

func (c typeCase) check(t *testing.T, plain string) {
	file := compressed(t, plain, c.content)
	if c.content == "no tar" {
		file = strings.Repeat("no tar ", 200)
	}
	source := `archive = "l.bin"`
	if c.mediaType != "" {
		source += fmt.Sprintf("\n  media_type = %q", c.mediaType)
	}
	if c.compression != "" {
		source += fmt.Sprintf("\n  compression = %q", c.compression)
	}
	w := newWorld(t, map[string]string{"l.bin": file, "layform.hcl": archiveSpec(source)})
	w.store.NoSync = true
	want, problem := c.want()
	p, err := w.tryPlan(planner.Options{})
	if problem != "" {
		if err == nil || !strings.Contains(err.Error(), problem) || !strings.Contains(err.Error(), "layform.hcl:") {
			t.Errorf("the error is %v, want one with %q and its place", err, problem)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	w.carryOut(p) // other readers take the layout
	blob, d := w.onlyLayer()
	if is, err := layer.Sniff(blob[:min(len(blob), layer.HeadSize)]); err != nil || is != want {
		t.Errorf("the layer is compressed with %s, %v; want %s", is, err, want)
	}
	if says, ok := imagespec.LayerCompression(d.MediaType); !ok || says != want || c.mediaType != "" && d.MediaType != c.mediaType {
		t.Errorf("the media type is %s", d.MediaType)
	}
	if (want == c.content) != (string(blob) == file) {
		t.Errorf("the same bytes as the archive: %v", string(blob) == file)
	}
	toc, err := layer.DeriveTOC(t.Context(), bytes.NewReader(blob), d.MediaType)
	if err != nil || toc.DiffID != digest.FromString(plain) {
		t.Errorf("the layer holds another tar, or %v", err)
	}
	if left := actions(w.plan(planner.Options{})); len(left) > 0 {
		t.Errorf("there is something left to do: %s", left)
	}
}
