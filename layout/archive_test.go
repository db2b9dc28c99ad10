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
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/validate"
)

// archive writes a directory as a tar.
func tarLayout(t *testing.T, dir string, extra ...file) []byte {
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

// archiveFindings validates a tar, as it is and compressed: what is found is the same.
func archiveFindings(t *testing.T, data []byte) []string {
	t.Helper()
	plain := rulesOf(validateArchive(t, data, validate.Options{}))
	for name, packed := range map[string][]byte{"gzip": gzipped(t, data), "zstd": zstded(t, data)} {
		if diff := cmp.Diff(plain, rulesOf(validateArchive(t, packed, validate.Options{}))); diff != "" {
			t.Errorf("with %s: %s", name, diff)
		}
	}
	return plain
}

func validateArchive(t *testing.T, data []byte, opts validate.Options) (found []validate.Finding) {
	t.Helper()
	in, err := archive.Open(t.Context(), bytes.NewReader(data), int64(len(data)), archive.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for f, err := range validate.Archive(t.Context(), in, layout.Limits{}, opts) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, f)
	}
	return found
}

func TestValidateArchive(t *testing.T) {
	s := initialised(t)
	g := goodSample(t)
	writeIndex(t, s, indexOf(g.build(t, s)))
	remove(t, filepath.Join(s.Dir(), ".layform"))
	layer := layerOf(t, s)
	good := tarLayout(t, s.Dir())
	torn := bytes.Clone(good)
	i := bytes.Index(torn, []byte("\x1f\x8b"))
	torn[i+15] ^= 1
	for name, tc := range map[string]struct {
		data []byte
		want []string
	}{
		"good":      {good, nil},
		"torn":      {torn, []string{"blob-digest"}},
		"twice":     {tarLayout(t, s.Dir(), file{name: "./index.json", body: "{}"}), []string{"archive-duplicate", "member-missing", "media-type-absent", "schema-version"}},
		"escape":    {tarLayout(t, s.Dir(), file{name: "../x"}), []string{"archive-path"}},
		"a pipe":    {tarLayout(t, s.Dir(), file{name: "blobs/sha256/" + strings.Repeat("0", 64), typ: tar.TypeFifo}), []string{"blob-not-regular"}},
		"a link":    {tarLayout(t, s.Dir(), file{name: "x", typ: tar.TypeLink, link: "blobs/sha256/" + layer.Encoded()}), nil},
		"no target": {tarLayout(t, s.Dir(), file{name: "x", typ: tar.TypeLink, link: "y"}), []string{"archive-unreadable"}},
		"empty":     {nil, []string{"blobs-missing", "index-missing", "layout-missing"}},
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

// A compressed archive that cannot be decompressed is one finding, not one for each
// file that is not found.
func TestValidateDamagedCompression(t *testing.T) {
	plain := tarOf(t, file{name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`})
	for name, data := range map[string][]byte{
		"no tar": []byte("layout { path = \"x\" }"), "no tar, longer": bytes.Repeat([]byte("no tar "), 200), "less than a header": plain[:300],
		"gzip, cut off": gzipped(t, plain)[:40], "zstd, cut off": zstded(t, plain)[:40], "data behind the end": append(gzipped(t, plain), "more"...),
		"a bomb": gzipped(t, make([]byte, 300<<20)),
	} {
		found := validateArchive(t, data, validate.Options{})
		if diff := cmp.Diff([]string{string(validate.RuleArchiveUnreadable)}, rulesOf(found)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// An archive is read as the directory is that it was made of, by this module and by
// others; what it decompresses to is bounded and leaves nothing behind.
func TestReadArchive(t *testing.T) {
	s := initialised(t)
	img := putImage(t, s, "a", "v1")
	plain := tarLayout(t, s.Dir())
	for name, data := range map[string][]byte{"plain": plain, "gzip": gzipped(t, plain), "zstd": zstded(t, plain)} {
		dir := t.TempDir()
		in, err := archive.Open(t.Context(), bytes.NewReader(data), int64(len(data)), archive.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		r, err := layout.NewReader(in, "the.tar", layout.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		dst := memory.New()
		if _, err := oras.Copy(t.Context(), r, "v1", dst, "v1", oras.DefaultCopyOptions); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if there, err := dst.Exists(t.Context(), img.layer); err != nil || !there {
			t.Errorf("%s: the layer was not copied: %v", name, err)
		}
		want, err := s.BlobDigests(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.BlobDigests(t.Context()); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %v, %v", name, cmp.Diff(want, got), err)
		}
		blob, err := r.ReaderAt(t.Context(), img.layer.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if p := make([]byte, 5); blob.File() != nil {
			t.Errorf("%s: a blob in an archive has a file of its own", name)
		} else if _, err := blob.ReadAt(p, 6-5); err != nil || string(p) != "ayer " {
			t.Errorf("%s: read %q, %v", name, p, err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
	packed := gzipped(t, plain)
	in, err := archive.Open(t.Context(), bytes.NewReader(packed), int64(len(packed)), archive.Options{Dir: t.TempDir(), Limit: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if problems := in.Problems(); len(problems) != 1 || problems[0].Kind != archive.Unreadable {
		t.Errorf("over the limit: %v", problems)
	}
	if _, err := layout.NewReader(in, "the.tar", layout.Limits{}); err == nil {
		t.Error("over the limit, there is a layout in it")
	}
}
