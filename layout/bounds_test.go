//go:build unix

package layout_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

func TestValidateIsBounded(t *testing.T) {
	s := initialised(t)
	var many []any
	for i := range 30 {
		many = append(many, descriptor(strings.Repeat("x", i), ""))
	}
	writeIndex(t, s, indexOf(many...))
	small := open(t, s.Dir(), layout.Options{Limits: layout.Limits{Descriptors: 20}})
	if got := rulesOf(findings(t, small, validate.Options{Sparse: true})); !slices.Equal(got, []string{"graph-size"}) {
		t.Errorf("got %v", got)
	}
	deep := putImage(t, s, "a", "").manifest
	for range 20 {
		deep = putIndex(t, s, deep)
	}
	writeIndex(t, s, indexOf(deep))
	if got := rulesOf(findings(t, s, validate.Options{})); !slices.Equal(got, []string{"graph-depth"}) {
		t.Errorf("got %v", got)
	}
}

func TestBombIsGivenUp(t *testing.T) {
	s := initialised(t)
	g := goodSample(t)
	g.layer["mediaType"] = ocispec.MediaTypeImageLayerZstd
	g.pack = func(t *testing.T, _ []byte) []byte {
		var buf bytes.Buffer
		w, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		h := &tar.Header{Name: "bomb", Size: 8 << 30, Mode: 0o644, Typeflag: tar.TypeReg}
		tw := tar.NewWriter(w)
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(tw, zeros{}, 600<<20); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	writeIndex(t, s, indexOf(g.build(t, s)))
	if got := rulesOf(findings(t, s, validate.Options{})); !slices.Equal(got, []string{"layer-ratio"}) {
		t.Errorf("got %v", got)
	}
}

// Paths of hundreds of thousands of levels are looked at in the time that it
// takes to read them: a look at each level of each would not end.
func TestDeepPaths(t *testing.T) {
	s := initialised(t)
	g := goodSample(t)
	files := []file{{name: "l", typ: tar.TypeSymlink, link: "x"}}
	for i := range 8 {
		files = append(files, file{name: strings.Repeat("d/", 300_000) + strconv.Itoa(i)})
	}
	g.tar = tarOf(t, files...)
	writeIndex(t, s, indexOf(g.build(t, s)))
	if got := rulesOf(findings(t, s, validate.Options{})); !slices.Equal(got, []string{"layer-path"}) {
		t.Errorf("got %v", got)
	}
}

// An archive with a path of many levels takes no more memory than its bytes.
func TestDeepArchive(t *testing.T) {
	data := tarOf(t, file{name: strings.Repeat("d/", 20_000) + "f"}, file{name: "blobs/sha256/d/x"})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := archiveFindings(t, data)
	runtime.ReadMemStats(&after)
	if want := []string{"blob-name", "index-missing", "layout-missing"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d bytes were allocated for an archive of %d", took, len(data))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestValidateEndsWithItsConsumer(t *testing.T) {
	s := initialised(t)
	g := goodSample(t)
	writeIndex(t, s, indexOf(g.build(t, s)))
	for i := range 50 {
		writeFile(t, filepath.Join(s.Dir(), "blobs/sha256", digest.FromString(strings.Repeat("x", i)).Encoded()), "torn")
	}
	n := 0
	for range validate.Layout(t.Context(), s.Reader, validate.Options{}) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d findings", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range validate.Layout(ctx, s.Reader, validate.Options{}) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v", last)
	}
	absent := inspect(t, filepath.Join(t.TempDir(), "absent"))
	for _, err := range validate.Layout(t.Context(), absent.Reader, validate.Options{}) {
		last = err
	}
	if !errors.Is(last, fs.ErrNotExist) {
		t.Errorf("got %v", last)
	}
}

// Nothing that comes from a layout reaches a terminal as it is.
func TestFindingsArePrintable(t *testing.T) {
	s := initialised(t)
	g := goodSample(t)
	g.tar = tarOf(t, file{name: "../\x1b[2J\n\u202e"}, file{name: "l", typ: tar.TypeLink, link: "\x1b]0;x\x07"})
	g.manifest["mediaType"] = "\x1b[31m"
	g.config["os"] = "\r\n"
	writeIndex(t, s, indexOf(g.build(t, s)))
	writeFile(t, filepath.Join(s.Dir(), "blobs/sha256/\x1b[2J\n"), "")
	found := findings(t, s, validate.Options{})
	if len(found) < 5 {
		t.Errorf("only %+v", found)
	}
	for _, f := range found {
		if text := f.Object + f.Place + f.Problem; strings.ContainsAny(text, "\x1b\r\n\x07\u202e") {
			t.Errorf("%q", text)
		}
	}
}
