package encode

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

var compressions = []imagespec.Compression{
	{Algorithm: imagespec.Gzip},
	{Algorithm: imagespec.Gzip, Level: 1},
	{Algorithm: imagespec.Zstd},
	{Algorithm: imagespec.Zstd, Level: 9},
	{Algorithm: imagespec.Uncompressed},
}

// goldenTree has every kind of entry, chunks of several files and files of
// several chunks, and headers of both formats.
func goldenTree(t testing.TB) (*os.Root, func(imagespec.Compression) *spec.Layer) {
	t.Helper()
	files := map[string]string{
		"tree/bin/server":    noise(1, 600<<10+17),
		"tree/etc/app.conf":  "listen = 8080\n",
		"tree/empty":         "",
		"tree/exact":         text(7, 512),
		"tree/long/big.txt":  text(2, 4<<20),
		"tree/long/even.txt": text(3, 1792<<10),
	}
	for i := range 400 {
		files[fmt.Sprintf("tree/many/%03d/file-%d.txt", i%20, i)] = text(uint64(i), i*97%15000)
	}
	deep := "tree/" + strings.Repeat("a-rather-long-directory-name/", 8) + strings.Repeat("f", 120)
	files[deep] = "deep"
	files["tree/ünïcode"] = "not ASCII"
	_, root := folder(t, files)
	number := func(n int) *int { return &n }
	mode := func(m uint32) *uint32 { return &m }
	return root, func(c imagespec.Compression) *spec.Layer {
		return &spec.Layer{Compression: c, Tree: []spec.FileOp{
			{Kind: spec.OpCopy, From: "tree", To: "opt/app"},
			{Kind: spec.OpCopy, From: "tree/many/003", To: "usr/bin", Mode: mode(0o4755), UID: number(3000000), GID: number(12), Capabilities: "net_bind_service=+ep"},
			{Kind: spec.OpFile, To: "etc/motd", HasContent: true, Content: "hello\n", Xattrs: map[string]string{"user.note": "a\x00b=c\n", "user.b": ""}},
			{Kind: spec.OpDirectory, To: "tmp", Mode: mode(0o1777)},
			{Kind: spec.OpSymlink, To: "app", Target: "opt/app/" + strings.Repeat("x", 120)},
			{Kind: spec.OpHardlink, To: "a-link", Target: "etc/motd"},
			{Kind: spec.OpWhiteout, To: "etc/old"},
			{Kind: spec.OpWhiteout, To: "srv", Opaque: true},
		}}
	}
}

// TestGolden pins the bytes of layers.
func TestGolden(t *testing.T) {
	root, layerOf := goldenTree(t)
	want := map[string]digest.Digest{
		"layform/1 gzip-6": "sha256:77719566f461e7b2c501327123fa050a632d77b8e8e1c4321ee101ae8f283e77",
		"layform/1 gzip-1": "sha256:1a38fdc474e1004ecdb79147630819c20e70730815773d7151e8b36b6aee7a28",
		"layform/1 zstd-3": "sha256:c23d820a5e9e82797a1b31cdb72bcd4f3fa99b8f765199f5b1ce0066b56ceb47",
		"layform/1 zstd-9": "sha256:e18060547b9b809da27352d22ce97c4786a776ade445cf7656dd3e546994544c",
		"layform/1 none":   "sha256:9a1452a68db8621bbc02e41e46bd01d98c236619f792922774616b87ce70a8d3",
	}
	for _, c := range compressions {
		blob, _ := build(t, root, layerOf(c), Options{})
		name := layer.EncodingOf(c)
		if got := digest.FromBytes(blob); got != want[name] {
			t.Errorf(`%q: %q,
The bytes of layers have changed. That makes every user rebuild and push every layer. If a release of
klauspost/compress is why, stay on the one before, or accept the change: raise layer.Encoding, so that plans can
say why layers change, and put the digest above into this test. If anything else is why, undo it.`, name, got)
		}
	}
}

// TestDeterminism: the same entries give the same bytes whatever the number of
// processors and workers, and whatever is there to reuse.
func TestDeterminism(t *testing.T) {
	root, layerOf := goldenTree(t)
	for _, c := range compressions {
		t.Run(layer.EncodingOf(c), func(t *testing.T) {
			want, first := build(t, root, layerOf(c), Options{Parallelism: 1})
			for _, workers := range []int{2, 8} {
				if got, r := build(t, root, layerOf(c), Options{Parallelism: workers}); !bytes.Equal(got, want) {
					t.Errorf("%d workers give other bytes", workers)
				} else if diff := cmp.Diff(first, r); diff != "" {
					t.Errorf("%d workers give another result: %s", workers, diff)
				}
			}
			old := runtime.GOMAXPROCS(1)
			got, _ := build(t, root, layerOf(c), Options{})
			runtime.GOMAXPROCS(old)
			if !bytes.Equal(got, want) {
				t.Error("one processor gives other bytes")
			}
		})
	}
}

// TestReadBack: archive/tar reads what the tree says.
func TestReadBack(t *testing.T) {
	root, layerOf := goldenTree(t)
	blob, r := build(t, root, layerOf(imagespec.Compression{Algorithm: imagespec.Uncompressed}), Options{})
	if r.DiffID != digest.FromBytes(blob) {
		t.Errorf("diffID %s is not the digest of the tar", r.DiffID)
	}
	l := layerOf(imagespec.Compression{Algorithm: imagespec.Uncompressed})
	tree := observe(t, root, l, source.Options{Hash: true}).Tree
	if int64(len(blob)) != tree.TarSize() {
		t.Errorf("TarSize is %d, the tar has %d bytes", tree.TarSize(), len(blob))
	}
	tr := tar.NewReader(bytes.NewReader(blob))
	toc, err := layer.DeriveTOC(context.Background(), bytes.NewReader(blob), "")
	if err != nil {
		t.Fatal(err)
	}
	got := toc.Entries
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Format != tar.FormatUSTAR && h.Format != tar.FormatPAX {
			t.Errorf("%q has format %s", h.Name, h.Format)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if e := &got[n]; e.Type == layer.Regular && e.Digest != digest.FromBytes(content) || strings.TrimSuffix(h.Name, "/") != e.Path {
			t.Errorf("%q: archive/tar reads %q, or other content", e.Path, h.Name)
		}
		got[n].Offset = 0
	}
	want := make([]layer.Entry, len(tree.Entries))
	for i, e := range tree.Entries {
		want[i] = e.Entry
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tar says otherwise: %s", diff)
	}
	for i := range r.TOC.Entries {
		e := r.TOC.Entries[i]
		if e.Type == layer.Regular && digest.FromBytes(blob[e.Offset:e.Offset+e.Size]) != e.Digest {
			t.Errorf("%q is not at its offset", e.Path)
		}
		r.TOC.Entries[i].Offset = 0
	}
	if diff := cmp.Diff(want, r.TOC.Entries); diff != "" {
		t.Errorf("the table of contents says otherwise: %s", diff)
	}
	o := source.Observed{Tree: tree}
	if fp, ok := o.Fingerprint(l); !ok || fp != r.Fingerprint {
		t.Errorf("the fingerprint is %s when observed and %s when written", fp, r.Fingerprint)
	}
}

// TestChunks: every chunk stands alone at its place and has its digest.
func TestChunks(t *testing.T) {
	root, layerOf := goldenTree(t)
	for _, c := range compressions {
		blob, r := build(t, root, layerOf(c), Options{})
		rule, start, end := ruleOf(c.Algorithm), int64(0), int64(0)
		for _, k := range r.TOC.Chunks {
			if k.Offset != end {
				t.Fatalf("a chunk begins at %d, the one before ends at %d", k.Offset, end)
			}
			end += k.Length
			d, err := layer.Decompress(bytes.NewReader(blob[k.Offset:end]), c.Algorithm, 0)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(d)
			if err != nil {
				t.Fatal(err)
			}
			c := &chunk{raw: raw}
			for _, e := range r.TOC.Entries {
				if at := e.Offset - start; e.Type == layer.Regular && at >= 0 && at+e.Size <= k.Size {
					c.parts = append(c.parts, part{at: int(at), size: e.Size, whole: true, sum: sha256.Sum256(raw[at : at+e.Size])})
				}
			}
			if chunkDigest(c) != k.Digest || int64(len(raw)) != k.Size {
				t.Errorf("the chunk at %d holds something else", k.Offset)
			}
			start += k.Size
			if k.Size > rule.max+8192 {
				t.Errorf("a chunk has %d bytes", k.Size)
			}
		}
		if end != int64(len(blob)) || r.TOC.Size != end {
			t.Errorf("chunks end at %d of %d", end, len(blob))
		}
	}
}

// TestIdentify: chunks of different bytes have different digests, however
// their bytes are divided into files.
func TestIdentify(t *testing.T) {
	sum := sha256.Sum256([]byte("content"))
	chunks := []*chunk{
		{raw: []byte("header content")},
		{raw: []byte("header contend")},
		{raw: []byte("header content"), parts: []part{{at: 7, size: 7, whole: true, sum: sum}}},
		{raw: []byte("heade! content"), parts: []part{{at: 7, size: 7, whole: true, sum: sum}}},
		{raw: append([]byte("header "), sum[:]...)},
		{raw: append([]byte("header "), sum[:7]...), parts: []part{{at: 7, size: 7, whole: true, sum: sha256.Sum256(sum[:7])}}},
		{raw: nil},
	}
	seen := map[digest.Digest]int{}
	for i, c := range chunks {
		if j, ok := seen[chunkDigest(c)]; ok {
			t.Errorf("chunks %d and %d have one digest", i, j)
		}
		seen[chunkDigest(c)] = i
	}
}

func TestProgress(t *testing.T) {
	root, layerOf := goldenTree(t)
	var total int64
	_, r := build(t, root, layerOf(imagespec.Compression{}), Options{Progress: func(n int64) { total += n }})
	if total != r.Stats.Tar || total == 0 {
		t.Errorf("progress tells %d bytes of %d", total, r.Stats.Tar)
	}
}
