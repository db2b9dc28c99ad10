package encode

import (
	"archive/tar"
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// importFile observes a file of a folder as an archive and imports it.
func importFile(t testing.TB, content []byte, c imagespec.Compression) ([]byte, Result, error) {
	t.Helper()
	_, root := folder(t, map[string]string{"a.tar": string(content)})
	l := &spec.Layer{Archive: "a.tar", Compression: c}
	o, diags := source.Observe(context.Background(), root, l, source.Options{})
	if diags.HasErrors() {
		return nil, Result{}, diags
	}
	// Without Hash, Observe does not look into the archive, and Import has to.
	o.File.Digest = digest.FromBytes(content)
	var buf bytes.Buffer
	r, err := importAll(context.Background(), &buf, root, o.File, l, Options{Compression: c})
	if err == nil {
		if fp, ok := o.Fingerprint(l); !ok || fp != r.Fingerprint {
			t.Errorf("the fingerprint is %s when observed and %s when written", fp, r.Fingerprint)
		}
	}
	return buf.Bytes(), r, err
}

// TestImportPlain: a plain tar that is ours already becomes the blob that Write
// makes of the tree.
func TestImportPlain(t *testing.T) {
	root, layerOf := goldenTree(t)
	plain, written := build(t, root, layerOf(imagespec.Compression{Algorithm: imagespec.Uncompressed}), Options{})
	for _, c := range compressions {
		want, direct := build(t, root, layerOf(c), Options{})
		got, r, err := importFile(t, plain, c)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the blob is another one", layer.EncodingOf(c))
		}
		if r.DiffID != written.DiffID {
			t.Errorf("%s: diffID %s, want %s", layer.EncodingOf(c), r.DiffID, written.DiffID)
		}
		if diff := cmp.Diff(direct.TOC, r.TOC); diff != "" {
			t.Errorf("%s: another table of contents: %s", layer.EncodingOf(c), diff)
		}
	}
}

func gzipped(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, p := range parts {
		w := stdgzip.NewWriter(&out)
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func zstded(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	var out []byte
	for _, p := range parts {
		out = w.EncodeAll(p, out)
	}
	return out
}

// skippableFrame is a zstd frame that readers skip.
func skippableFrame(content string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 0x184D2A5E)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(content)))
	return append(out, content...)
}

// TestImportCompressed: archives are used byte for byte, of however many
// members and frames they are.
func TestImportCompressed(t *testing.T) {
	plain := tarOf(t, tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "d/f", Size: 700000})
	half := len(plain) / 2
	for name, archive := range map[string][]byte{
		"gzip":             gzipped(t, plain),
		"gzip members":     gzipped(t, plain[:half], plain[half:], nil),
		"zstd":             zstded(t, plain),
		"zstd frames":      zstded(t, plain[:half], plain[half:]),
		"zstd skippable":   append(append(skippableFrame("first"), zstded(t, plain[:half])...), append(skippableFrame("x"), zstded(t, plain[half:])...)...),
		"skippable at end": append(zstded(t, plain), skippableFrame("toc")...),
	} {
		got, r, err := importFile(t, archive, imagespec.Compression{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(got, archive) {
			t.Errorf("%s: the archive was not used byte for byte", name)
		}
		if r.DiffID != digest.FromBytes(plain) {
			t.Errorf("%s: the diffID does not cover the whole tar", name)
		}
		if len(r.TOC.Entries) != 2 || r.TOC.Blob != digest.FromBytes(archive) || r.TOC.Size != int64(len(archive)) {
			t.Errorf("%s: table of contents %+v", name, r.TOC)
		}
		media := "application/vnd.oci.image.layer.v1.tar+gzip"
		if strings.Contains(name, "zstd") || strings.Contains(name, "skip") {
			media = "application/vnd.oci.image.layer.v1.tar+zstd"
		}
		for _, m := range []string{media, "application/x-unknown"} {
			toc, err := layer.DeriveTOC(context.Background(), bytes.NewReader(archive), m)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if diff := cmp.Diff(r.TOC, toc); diff != "" {
				t.Errorf("%s: the derived table of contents differs: %s", name, diff)
			}
		}
	}
}

// tarOf makes a tar of headers; content is text of the size that each says.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for i, h := range headers {
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, text(uint64(i), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestImportBlob: a blob is copied and is no tar.
func TestImportBlob(t *testing.T) {
	dir, root := folder(t, map[string]string{"m.bin": noise(5, 300000)})
	l := &spec.Layer{Blob: "m.bin", MediaType: "application/x-model"}
	o := observe(t, root, l, source.Options{Hash: true})
	var buf bytes.Buffer
	r, err := importAll(context.Background(), &buf, root, o.File, l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if buf.String() != noise(5, 300000) || r.TOC != nil || r.DiffID != "" || r.Stats.Written != 300000 {
		t.Errorf("the blob came out otherwise: %+v", r)
	}
	if fp, ok := o.Fingerprint(l); !ok || fp != r.Fingerprint {
		t.Error("the fingerprint differs")
	}
	for name, change := range map[string]func(){
		"size":    func() { put(t, filepath.Join(dir, "m.bin"), "short") },
		"content": func() { put(t, filepath.Join(dir, "m.bin"), noise(6, 300000)) },
		"gone":    func() { remove(t, filepath.Join(dir, "m.bin")) },
	} {
		change()
		var changed *source.ChangedError
		if _, err := Import(context.Background(), io.Discard, root, o.File, l, Options{}); !errors.As(err, &changed) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// TestImportForeign: tars of other programs are read, whatever their format.
func TestImportForeign(t *testing.T) {
	program := tool(t, "tar")
	files := map[string]string{"d/" + strings.Repeat("n", 120): "long", "d/a": text(1, 70000), "e": ""}
	dir, _ := folder(t, files)
	if err := os.Link(filepath.Join(dir, "d/a"), filepath.Join(dir, "z")); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"gnu", "pax", "v7"} {
		if format == "v7" {
			remove(t, filepath.Join(dir, "d/"+strings.Repeat("n", 120)))
		}
		archive, err := exec.Command(program, "-C", dir, "--format="+format, "-cf", "-", ".").Output()
		if err != nil {
			t.Fatal(err)
		}
		blob, r, err := importFile(t, archive, imagespec.Compression{Algorithm: imagespec.Zstd})
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if r.DiffID != digest.FromBytes(archive) {
			t.Errorf("%s: the diffID is not that of the tar", format)
		}
		toc, err := layer.DeriveTOC(context.Background(), bytes.NewReader(blob), "application/vnd.oci.image.layer.v1.tar+zstd")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.TOC.Entries, toc.Entries); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
		for _, e := range toc.Entries {
			if e.Type == layer.Regular && (e.Digest == "" || digest.FromBytes(archive[e.Offset:e.Offset+e.Size]) != e.Digest) {
				t.Errorf("%s: %q is not at its offset", format, e.Path)
			}
		}
	}
}

// tool finds a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return p
}

func gunzip(t *testing.T, blob []byte) io.Reader {
	t.Helper()
	r, err := stdgzip.NewReader(bytes.NewReader(blob))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// FuzzDeriveTOC: no stream makes the reader panic, hang or take much memory,
// and a stream that Import takes gives the same entries when it is read again.
func FuzzDeriveTOC(f *testing.F) {
	plain := tarOf(f, tar.Header{Name: "d/", Typeflag: tar.TypeDir}, tar.Header{Name: "d/f", Size: 700},
		tar.Header{Name: "d/l", Typeflag: tar.TypeLink, Linkname: "d/f"}, tar.Header{Name: strings.Repeat("n/", 90), Typeflag: tar.TypeDir})
	seeds := [][]byte{plain, gzipped(f, plain), gzipped(f, plain[:700], plain[700:]), zstded(f, plain), append(skippableFrame("x"), zstded(f, plain)...), plain[:1000], nil}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		toc, err := layer.DeriveTOC(context.Background(), bytes.NewReader(b), "")
		algorithm, sniffErr := layer.Sniff(b[:min(len(b), 1024)])
		if sniffErr != nil {
			return
		}
		_, root := folder(t, map[string]string{"a": string(b)})
		file := &source.File{Path: "a", Size: int64(len(b)), Digest: digest.FromBytes(b), Compression: algorithm}
		var out bytes.Buffer
		r, importErr := importAll(context.Background(), &out, root, file, &spec.Layer{Archive: "a"}, Options{Parallelism: 1})
		if importErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("it is imported, but cannot be read: %v", err)
		}
		if diff := cmp.Diff(toc.Entries, r.TOC.Entries); diff != "" || toc.DiffID != r.DiffID {
			t.Fatalf("it is read in two ways: %s", diff)
		}
	})
}
