package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

var compressions = []spec.Compression{
	{Algorithm: spec.Gzip},
	{Algorithm: spec.Gzip, Level: 1},
	{Algorithm: spec.Zstd},
	{Algorithm: spec.Zstd, Level: 9},
	{Algorithm: spec.Uncompressed},
}

// goldenTree has every kind of entry, chunks of several files and files of
// several chunks, and headers of both formats.
func goldenTree(t testing.TB) (*os.Root, func(spec.Compression) *spec.Layer) {
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
	return root, func(c spec.Compression) *spec.Layer {
		return &spec.Layer{Compression: c, Tree: []spec.Node{
			{Kind: spec.NodeCopy, From: "tree", To: "opt/app"},
			{Kind: spec.NodeCopy, From: "tree/many/003", To: "usr/bin", Mode: mode(0o4755), UID: number(3000000), GID: number(12), Capabilities: "net_bind_service=+ep"},
			{Kind: spec.NodeFile, To: "etc/motd", HasContent: true, Content: "hello\n", Xattrs: map[string]string{"user.note": "a\x00b=c\n", "user.b": ""}},
			{Kind: spec.NodeDirectory, To: "tmp", Mode: mode(0o1777)},
			{Kind: spec.NodeSymlink, To: "app", Target: "opt/app/" + strings.Repeat("x", 120)},
			{Kind: spec.NodeHardlink, To: "a-link", Target: "etc/motd"},
			{Kind: spec.NodeWhiteout, To: "etc/old"},
			{Kind: spec.NodeWhiteout, To: "srv", Opaque: true},
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
		name := source.EncodingOf(c)
		if got := digest.FromBytes(blob); got != want[name] {
			t.Errorf(`%q: %q,
The bytes of layers have changed. That makes every user rebuild and push every layer. If a release of
klauspost/compress is why, stay on the one before, or accept the change: raise source.Encoding, so that plans can
say why layers change, and put the digest above into this test. If anything else is why, undo it.`, name, got)
		}
	}
}

// TestDeterminism: the same entries give the same bytes whatever the number of
// processors and workers, and whatever is there to reuse.
func TestDeterminism(t *testing.T) {
	root, layerOf := goldenTree(t)
	for _, c := range compressions {
		t.Run(source.EncodingOf(c), func(t *testing.T) {
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

func TestReuse(t *testing.T) {
	root, layerOf := goldenTree(t)
	for _, c := range benchCompressions() {
		t.Run(source.EncodingOf(c), func(t *testing.T) {
			want, first := build(t, root, layerOf(c), Options{})
			with := func(toc *stage.TOC, blob []byte) Stats {
				t.Helper()
				got, r := build(t, root, layerOf(c), Options{Reuse: []Reuse{{TOC: toc, Blob: bytes.NewReader(blob)}}})
				if !bytes.Equal(got, want) {
					t.Error("reuse gives other bytes")
				}
				if diff := cmp.Diff(first.TOC, r.TOC); diff != "" {
					t.Errorf("reuse gives another table of contents: %s", diff)
				}
				return r.Stats
			}
			if s := with(first.TOC, want); s.ReusedChunks != s.Chunks || s.Compressed != 0 {
				t.Errorf("an intact blob was not used whole: %+v", s)
			}
			damaged := bytes.Clone(want)
			broken := first.TOC.Chunks[1]
			damaged[broken.Offset+broken.Length/2] ^= 0x10
			if s := with(first.TOC, damaged); s.ReusedChunks != s.Chunks-1 || s.Compressed != broken.Size {
				t.Errorf("one damaged chunk: %+v", s)
			}
			if s := with(first.TOC, want[:len(want)/2]); s.ReusedChunks == 0 || s.ReusedChunks == s.Chunks {
				t.Errorf("half a blob: %+v", s)
			}
			with(first.TOC, nil)
			swapped := *first.TOC
			swapped.Chunks = slices.Clone(swapped.Chunks)
			swapped.Chunks[0].Digest, swapped.Chunks[1].Digest = swapped.Chunks[1].Digest, swapped.Chunks[0].Digest
			swapped.Chunks[0].Size, swapped.Chunks[1].Size = swapped.Chunks[1].Size, swapped.Chunks[0].Size
			if s := with(&swapped, want); s.ReusedChunks != s.Chunks-2 {
				t.Errorf("swapped digests: %+v", s)
			}
			wild := *first.TOC
			wild.Chunks = slices.Clone(wild.Chunks)
			wild.Chunks[0].Length = 1 << 60
			wild.Chunks[1].Offset = -5
			with(&wild, want)
			other := *first.TOC
			other.Encoding = "layform/0 gzip-6"
			if s := with(&other, want); s.ReusedChunks != 0 {
				t.Errorf("chunks of another encoding were used: %+v", s)
			}
		})
	}
}

// TestSmallChange: a change of one file compresses the chunks near it alone.
func TestSmallChange(t *testing.T) {
	files := map[string]string{}
	for i := range 3000 {
		files[fmt.Sprintf("d%02d/f%04d", i%40, i)] = text(uint64(i), 500+i*7919%9000)
	}
	files["d07/long"] = text(99, 4<<20)
	dir, root := folder(t, files)
	for _, c := range []spec.Compression{{Algorithm: spec.Gzip}, {Algorithm: spec.Zstd}} {
		blob, before := build(t, root, copyOf(c), Options{})
		reuse := Options{Reuse: []Reuse{{TOC: before.TOC, Blob: bytes.NewReader(blob)}}}
		for name, change := range map[string]func(){
			"same size":  func() { put(t, filepath.Join(dir, "d20/f0020"), text(7777, len(files["d20/f0020"]))) },
			"other size": func() { put(t, filepath.Join(dir, "d20/f0020"), text(7777, 4000)) },
			"added":      func() { put(t, filepath.Join(dir, "d20/f0020b"), "new") },
			"removed":    func() { remove(t, filepath.Join(dir, "d20/f0020")) },
			"in long file": func() {
				put(t, filepath.Join(dir, "d07/long"), files["d07/long"][:3<<20]+"x"+files["d07/long"][3<<20+1:])
			},
		} {
			change()
			_, r := build(t, root, copyOf(c), reuse)
			if n := r.Stats.Chunks - r.Stats.ReusedChunks; n < 1 || n > 3 {
				t.Errorf("%s, %s: %d of %d chunks were compressed", c.Algorithm, name, n, r.Stats.Chunks)
			}
			remove(t, filepath.Join(dir, "d20"))
			for name, content := range files {
				if strings.HasPrefix(name, "d20/") || name == "d07/long" {
					put(t, filepath.Join(dir, name), content)
				}
			}
		}
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// TestReadBack: archive/tar reads what the tree says.
func TestReadBack(t *testing.T) {
	root, layerOf := goldenTree(t)
	blob, r := build(t, root, layerOf(spec.Compression{Algorithm: spec.Uncompressed}), Options{})
	if r.DiffID != digest.FromBytes(blob) {
		t.Errorf("diffID %s is not the digest of the tar", r.DiffID)
	}
	l := layerOf(spec.Compression{Algorithm: spec.Uncompressed})
	tree := observe(t, root, l, source.Options{Hash: true}).Tree
	if int64(len(blob)) != tree.TarSize() {
		t.Errorf("TarSize is %d, the tar has %d bytes", tree.TarSize(), len(blob))
	}
	tr := tar.NewReader(bytes.NewReader(blob))
	var got []stage.Entry
	s := scanner{}
	for {
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
		e, err := s.entry(h)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == stage.Regular {
			e.Digest = digest.FromBytes(content)
		}
		got = append(got, e)
	}
	want := make([]stage.Entry, len(tree.Entries))
	for i, e := range tree.Entries {
		want[i] = e.Entry
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tar says otherwise: %s", diff)
	}
	for i := range r.TOC.Entries {
		e := r.TOC.Entries[i]
		if e.Type == stage.Regular && digest.FromBytes(blob[e.Offset:e.Offset+e.Size]) != e.Digest {
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
		rule, end := ruleOf(c.Algorithm), int64(0)
		for _, k := range r.TOC.Chunks {
			if k.Offset != end {
				t.Fatalf("a chunk begins at %d, the one before ends at %d", k.Offset, end)
			}
			end += k.Length
			d, err := decompress(bytes.NewReader(blob[k.Offset:end]), c.Algorithm)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(d)
			if err != nil {
				t.Fatal(err)
			}
			if digest.FromBytes(raw) != k.Digest || int64(len(raw)) != k.Size {
				t.Errorf("the chunk at %d holds something else", k.Offset)
			}
			if k.Size > rule.most+8192 {
				t.Errorf("a chunk has %d bytes", k.Size)
			}
		}
		if end != int64(len(blob)) || r.TOC.Size != end {
			t.Errorf("chunks end at %d of %d", end, len(blob))
		}
	}
}

// TestChanged: files that are not what was observed are named.
func TestChanged(t *testing.T) {
	for name, change := range map[string]func(file string){
		"content": func(file string) { put(t, file, noise(9, 3<<20)) },
		"size":    func(file string) { put(t, file, "short") },
		"gone":    func(file string) { remove(t, file) },
		"fifo":    func(file string) { remove(t, file); fifo(t, file) },
		"symlink": func(file string) { remove(t, file); link(t, "b", file) },
		"directory": func(file string) {
			remove(t, file)
			put(t, filepath.Join(file, "x"), "")
		},
	} {
		for _, size := range []int{100, 3 << 20} {
			dir, root := folder(t, map[string]string{"d/a": noise(1, size), "d/b": noise(2, size)})
			o := observe(t, root, copyOf(spec.Compression{}), source.Options{Hash: true})
			change(filepath.Join(dir, "d/a"))
			if name == "content" {
				put(t, filepath.Join(dir, "d/a"), noise(9, size))
			}
			_, err := Write(context.Background(), io.Discard, root, o.Tree, Options{})
			var changed *source.ChangedError
			if !errors.As(err, &changed) || changed.Path != "d/a" {
				t.Errorf("%s of %d bytes: the error is %v", name, size, err)
			}
		}
	}
}

// TestGrowing: a file that grows while the layer is written is noticed, also
// when nobody knows what it should hold.
func TestGrowing(t *testing.T) {
	dir, root := folder(t, map[string]string{"a": noise(1, 6<<20)})
	o := observe(t, root, copyOf(spec.Compression{Algorithm: spec.Uncompressed}), source.Options{})
	grow := &onFirstWrite{do: func() {
		f, err := os.OpenFile(filepath.Join(dir, "a"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := f.WriteString("more"); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}}
	_, err := Write(context.Background(), grow, root, o.Tree, Options{Compression: spec.Compression{Algorithm: spec.Uncompressed}, Parallelism: 1})
	var changed *source.ChangedError
	if !errors.As(err, &changed) {
		t.Errorf("the error is %v", err)
	}
}

// onFirstWrite does something when it is written to first.
type onFirstWrite struct {
	do   func()
	done bool
}

func (o *onFirstWrite) Write(p []byte) (int, error) {
	if !o.done {
		o.done = true
		o.do()
	}
	return len(p), nil
}

// failing fails after some bytes.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("no space left")

func TestWriteErrors(t *testing.T) {
	root, layerOf := goldenTree(t)
	o := observe(t, root, layerOf(spec.Compression{}), source.Options{})
	for _, left := range []int{0, 1, 100 << 10, 1 << 20} {
		if _, err := Write(context.Background(), &failing{left}, root, o.Tree, Options{}); !errors.Is(err, errFull) {
			t.Errorf("a writer that fails after %d bytes gives %v", left, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := Write(ctx, &onFirstWrite{do: cancel}, root, o.Tree, Options{Parallelism: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled write gives %v", err)
	}
	for _, c := range []spec.Compression{{Algorithm: "brotli"}, {Algorithm: spec.Gzip, Level: 10}, {Algorithm: spec.Zstd, Level: -1}} {
		if _, err := Write(context.Background(), io.Discard, root, o.Tree, Options{Compression: c}); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
	unknown := &spec.Layer{Tree: []spec.Node{{Kind: spec.NodeFile, To: "f", ContentUnknown: true}}}
	tree := observe(t, root, unknown, source.Options{}).Tree
	if _, err := Write(context.Background(), io.Discard, root, tree, Options{}); err == nil || !strings.Contains(err.Error(), "not known yet") {
		t.Errorf("unknown content gives %v", err)
	}
}

func TestProgress(t *testing.T) {
	root, layerOf := goldenTree(t)
	var total int64
	_, r := build(t, root, layerOf(spec.Compression{}), Options{Progress: func(n int64) { total += n }})
	if total != r.Stats.Tar || total == 0 {
		t.Errorf("progress tells %d bytes of %d", total, r.Stats.Tar)
	}
}
