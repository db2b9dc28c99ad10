//go:build unix

package layout_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout"
)

// archive writes a directory as a tar.
func archive(t *testing.T, dir string, extra ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return append(buf.Bytes(), tarOf(t, extra...)...)
}

func archiveFindings(t *testing.T, data []byte) []string {
	t.Helper()
	var out []layout.Finding
	for f, err := range layout.ValidateArchive(t.Context(), bytes.NewReader(data), int64(len(data)), layout.Limits{}, layout.ValidateOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return rulesOf(out)
}

func TestValidateArchive(t *testing.T) {
	s := initialised(t)
	g := goodSample(t)
	writeIndex(t, s, indexOf(g.build(t, s)))
	remove(t, filepath.Join(s.Dir(), ".layform"))
	layer := layerOf(t, s)
	good := archive(t, s.Dir())
	torn := bytes.Clone(good)
	i := bytes.Index(torn, []byte("\x1f\x8b"))
	torn[i+15] ^= 1
	for name, tc := range map[string]struct {
		data []byte
		want []string
	}{
		"good":       {good, nil},
		"torn":       {torn, []string{"blob-digest"}},
		"twice":      {archive(t, s.Dir(), file{name: "./index.json", body: "{}"}), []string{"archive-duplicate", "member-missing", "media-type-absent", "schema-version"}},
		"escape":     {archive(t, s.Dir(), file{name: "../x"}), []string{"archive-path"}},
		"a pipe":     {archive(t, s.Dir(), file{name: "blobs/sha256/" + strings.Repeat("0", 64), typ: tar.TypeFifo}), []string{"blob-not-regular"}},
		"a link":     {archive(t, s.Dir(), file{name: "x", typ: tar.TypeLink, link: "blobs/sha256/" + layer.Encoded()}), nil},
		"no target":  {archive(t, s.Dir(), file{name: "x", typ: tar.TypeLink, link: "y"}), []string{"archive-unreadable"}},
		"empty":      {nil, []string{"blobs-missing", "index-missing", "layout-missing"}},
		"compressed": {gzipped(t, good), []string{"archive-compressed"}},
	} {
		slices.Sort(tc.want)
		if diff := cmp.Diff(tc.want, archiveFindings(t, tc.data)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	cut := archiveFindings(t, good[:len(good)/2])
	if !slices.Contains(cut, "archive-unreadable") {
		t.Errorf("cut: got %v", cut)
	}
}

// A compressed archive is one finding, not one for each file that is not found.
func TestValidateCompressedArchive(t *testing.T) {
	plain := tarOf(t, file{name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`})
	for name, data := range map[string][]byte{
		"gzip": gzipped(t, plain), "zstd": zstded(t, plain), "cut off": gzipped(t, plain)[:5], "a frame that is skipped": {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0},
	} {
		if diff := cmp.Diff([]string{string(layout.RuleArchiveCompressed)}, archiveFindings(t, data)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
