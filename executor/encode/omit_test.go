package encode

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// importAs imports an archive as a layer that is described by l.
func importAs(t *testing.T, archive []byte, l spec.Layer) ([]byte, Result, error) {
	t.Helper()
	_, root := folder(t, map[string]string{"a.tar": string(archive)})
	l.Archive = "a.tar"
	o, diags := source.Observe(context.Background(), root, &l, source.Options{Hash: true})
	if diags.HasErrors() {
		return nil, Result{}, diags
	}
	var buf bytes.Buffer
	r, err := importAll(context.Background(), &buf, root, o.File, &l, Options{})
	if err == nil {
		if fp, ok := o.Fingerprint(&l); !ok || fp != r.Fingerprint {
			t.Errorf("the fingerprint is %s when observed and %s when written", fp, r.Fingerprint)
		}
	}
	return buf.Bytes(), r, err
}

// listed are the entries of a table, "path size mode" each.
func listed(toc *layer.TOC) (all []string) {
	for _, e := range toc.Entries {
		all = append(all, fmt.Sprintf("%s %d %o", e.Path, e.Size, e.Mode))
	}
	return all
}

// TestImportLeavesOut: entries of a path that another one has, and global headers,
// are left out of the tar, however long they are, and the rest is as it was.
func TestImportLeavesOut(t *testing.T) {
	dir := func(mode int64) []byte { return entryOf(t, tar.Header{Name: "a/", Typeflag: tar.TypeDir, Mode: mode}) }
	file := func(name string, size int) []byte {
		return entryOf(t, tar.Header{Name: name, Size: int64(size), Mode: 0o644})
	}
	comment := pax('g', "comment", "0123")
	twice := archiveOf(comment, dir(0o755), file("a/f", 1_100_001), comment, comment, dir(0o700), file("a/f", 7), file("a/g", 600_000), file("./a/f", 700_000), comment, file("z", 1))
	for _, c := range []struct {
		on   spec.Duplicates
		tar  []byte
		want []string
	}{
		{spec.DuplicatesFirst, twice, []string{"a 0 755", "a/f 1100001 644", "a/g 600000 644", "z 1 644"}},
		{spec.DuplicatesLast, twice, []string{"a 0 700", "a/g 600000 644", "a/f 700000 644", "z 1 644"}},
		{"", archiveOf(comment, file("a", 600), comment, file("b", 600_000), comment), []string{"a 600 644", "b 600000 644"}},
		{spec.DuplicatesLast, archiveOf(file("a", 600), file("b", 5)), []string{"a 600 644", "b 5 644"}},
	} {
		for _, packed := range [][]byte{c.tar, gzipped(t, c.tar), zstded(t, c.tar)} {
			for _, to := range []imagespec.Compression{{Algorithm: imagespec.Gzip}, {Algorithm: imagespec.Zstd, Level: 1}, {Algorithm: imagespec.Uncompressed}} {
				if c.on == "" && (to.Algorithm == imagespec.Uncompressed || to.Algorithm == imagespec.Gzip && packed[0] == 0x1f) {
					continue // it stays as it is
				}
				blob, r, err := importAs(t, packed, spec.Layer{Compression: to, Convert: true, OnDuplicate: c.on})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, listed(r.TOC)); diff != "" {
					t.Errorf("%q to %s: %s", c.on, to.Algorithm, diff)
				}
				toc, err := layer.DeriveTOC(context.Background(), bytes.NewReader(blob), to.Algorithm.MediaType())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(toc.Entries, r.TOC.Entries); diff != "" || toc.DiffID != r.DiffID {
					t.Errorf("%q to %s: the layer says otherwise: %s", c.on, to.Algorithm, diff)
				}
			}
		}
	}
	link := archiveOf(file("a", 1), entryOf(t, tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "a"}), file("a", 2))
	if _, _, err := importAs(t, link, spec.Layer{OnDuplicate: spec.DuplicatesLast}); err == nil {
		t.Error("a hard link to an entry that is left out is taken")
	}
}

// entryOf is one entry of a tar, with content.
func entryOf(t *testing.T, h tar.Header) []byte {
	t.Helper()
	b := tarOf(t, h)
	return b[:len(b)-1024]
}

// TestReadersSeeTheSame: an archive that is compressed by us is the same layer
// whatever it was compressed with before.
func TestReadersSeeTheSame(t *testing.T) {
	plain := tarOf(t, tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "d/f", Size: 1_700_000}, tar.Header{Name: "e", Size: 3})
	for _, to := range compressions {
		want, _, err := importAs(t, plain, spec.Layer{Compression: to, Convert: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, packed := range [][]byte{gzipped(t, plain[:9000], plain[9000:]), zstded(t, plain)} {
			got, r, err := importAs(t, packed, spec.Layer{Compression: to, Convert: true})
			if err != nil {
				t.Fatal(err)
			}
			asItIs := r.TOC.Encoding == ""
			if !asItIs && !bytes.Equal(got, want) || asItIs && !bytes.Equal(got, packed) {
				t.Errorf("%s: other bytes", layer.EncodingOf(to))
			}
			if same, _ := layer.Sniff(packed); asItIs != (same == to.Algorithm && to.Level == 0) {
				t.Errorf("%s: as it is: %v", layer.EncodingOf(to), asItIs)
			}
		}
	}
}
