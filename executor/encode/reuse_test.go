package encode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestReuse: an earlier blob and its table of contents, whole or damaged, never
// change the bytes, whether digests of files are known or not.
func TestReuse(t *testing.T) {
	root, layerOf := goldenTree(t)
	for _, c := range benchCompressions() {
		t.Run(layer.EncodingOf(c), func(t *testing.T) {
			m := newMemory()
			want, first := build(t, root, layerOf(c), Options{Digests: m})
			t.Run("unread", func(t *testing.T) { reuseEach(t, root, layerOf(c), Options{Compression: c, Digests: m}, want, first) })
			t.Run("read", func(t *testing.T) { reuseEach(t, root, layerOf(c), Options{Compression: c}, want, first) })
		})
	}
}

func reuseEach(t *testing.T, root *os.Root, l *spec.Layer, opts Options, want []byte, first Result) {
	with := func(toc *layer.TOC, blob []byte) Stats {
		t.Helper()
		opts.Reuse = []Reuse{{TOC: toc, Blob: bytes.NewReader(blob)}}
		got, r := build(t, root, l, opts)
		if !bytes.Equal(got, want) {
			t.Error("reuse gives other bytes")
		}
		if diff := cmp.Diff(first.TOC, r.TOC); diff != "" || r.DiffID != first.DiffID || r.Fingerprint != first.Fingerprint {
			t.Errorf("reuse gives another table of contents: %s", diff)
		}
		return r.Stats
	}
	edited := func(edit func([]layer.Chunk)) *layer.TOC {
		toc := *first.TOC
		toc.Chunks = slices.Clone(toc.Chunks)
		edit(toc.Chunks)
		return &toc
	}
	intact := with(first.TOC, want)
	if intact.ReusedChunks != intact.Chunks || intact.Compressed != 0 {
		t.Errorf("an intact blob was not used whole: %+v", intact)
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
	swapped := edited(func(c []layer.Chunk) {
		c[0].Digest, c[1].Digest = c[1].Digest, c[0].Digest
		c[0].Size, c[1].Size = c[1].Size, c[0].Size
	})
	if s := with(swapped, want); s.ReusedChunks != s.Chunks-2 {
		t.Errorf("swapped digests: %+v", s)
	}
	with(edited(func(c []layer.Chunk) { c[0].Length, c[1].Offset = 1<<60, -5 }), want)
	for name, edit := range map[string]func([]layer.Chunk){
		"no states":      func(c []layer.Chunk) { c[0].State = nil },
		"swapped states": func(c []layer.Chunk) { c[0].State, c[1].State = c[1].State, c[0].State },
		"a damaged state": func(c []layer.Chunk) {
			c[0].State = bytes.Clone(c[0].State)
			c[0].State[10] ^= 1
		},
		"half a state": func(c []layer.Chunk) { c[0].State = c[0].State[:5] },
	} {
		s := with(edited(edit), want)
		if s.ReusedChunks != s.Chunks {
			t.Errorf("%s: %+v", name, s)
		}
		if opts.Digests != nil && s.Read <= intact.Read {
			t.Errorf("%s: the first chunk was not read: %+v", name, s)
		}
	}
	other := *first.TOC
	other.Encoding = "layform/0 gzip-6"
	if s := with(&other, want); s.ReusedChunks != 0 {
		t.Errorf("chunks of another encoding were used: %+v", s)
	}
}

// TestPrefix: what stands before the first change is not read, and a file that
// changes behind the back of those who remember its digest is noticed.
func TestPrefix(t *testing.T) {
	files := map[string]string{"d05/long": text(99, 3<<20)}
	for i := range 1000 {
		files[fmt.Sprintf("d%02d/f%04d", i%10, i)] = text(uint64(i), 500+i*7919%9000)
	}
	for _, c := range benchCompressions() {
		dir, root := folder(t, files)
		m := newMemory()
		blob, first := build(t, root, copyOf(c), Options{Digests: m})
		opts := Options{Digests: m, Reuse: []Reuse{{TOC: first.TOC, Blob: bytes.NewReader(blob)}}}
		total, before := first.Stats.Read, int64(0)
		for _, name := range []string{"d09/f0999", "d05/long", "d00/f0000"} {
			put(t, filepath.Join(dir, name), "\x00"+files[name][1:])
			m.forget(name)
			got, r := build(t, root, copyOf(c), opts)
			want, cold := build(t, root, copyOf(c), Options{})
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s changed: other bytes than without reuse", c.Algorithm, name)
			}
			if diff := cmp.Diff(cold.TOC, r.TOC); diff != "" {
				t.Errorf("%s: %s changed: another table of contents than without reuse: %s", c.Algorithm, name, diff)
			}
			if r.Stats.Read <= before || r.Stats.Read >= total && name != "d00/f0000" {
				t.Errorf("%s: %s changed: %d bytes of %d were read, %d after the change before", c.Algorithm, name, r.Stats.Read, total, before)
			}
			before = r.Stats.Read
			put(t, filepath.Join(dir, name), files[name])
			m.forget(name)
		}
		// The same size, and for this memory the same time.
		tree := observe(t, root, copyOf(c), source.Options{Hash: true}).Tree
		for key := range m.known {
			if strings.HasPrefix(key, "d02/f0002 ") {
				m.known[key] = digest.FromString("other")
			}
		}
		opts.Compression = c
		var changed *source.ChangedError
		if _, err := Write(t.Context(), io.Discard, root, tree, opts); !errors.As(err, &changed) || changed.Path != "d02/f0002" {
			t.Errorf("%s: the error is %v", c.Algorithm, err)
		}
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
	for _, c := range []imagespec.Compression{{Algorithm: imagespec.Gzip}, {Algorithm: imagespec.Zstd}} {
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

// TestReuseLong: a long file of which later chunks change is hashed whole, also
// where the chunks before were taken from an earlier blob.
func TestReuseLong(t *testing.T) {
	content := text(4, 5<<20)
	dir, root := folder(t, map[string]string{"a": "a", "long": content, "z": "z"})
	for _, c := range benchCompressions() {
		blob, first := build(t, root, copyOf(c), Options{})
		reuse := Options{Reuse: []Reuse{{TOC: first.TOC, Blob: bytes.NewReader(blob)}}}
		for _, at := range []int{0, 1 << 20, len(content) - 1} {
			changed := content[:at] + "\x00" + content[at+1:]
			put(t, filepath.Join(dir, "long"), changed)
			got, r := build(t, root, copyOf(c), reuse)
			want, cold := build(t, root, copyOf(c), Options{})
			if !bytes.Equal(got, want) {
				t.Errorf("%s: a change at %d gives other bytes with reuse", c.Algorithm, at)
			}
			if diff := cmp.Diff(cold.TOC, r.TOC); diff != "" {
				t.Errorf("%s: a change at %d gives another table of contents with reuse: %s", c.Algorithm, at, diff)
			}
			if r.Stats.ReusedChunks == 0 || r.Stats.ReusedChunks == r.Stats.Chunks || r.Fingerprint != cold.Fingerprint {
				t.Errorf("%s: a change at %d: %+v", c.Algorithm, at, r.Stats)
			}
			if e := r.TOC.Entries[1]; e.Path != "long" || e.Digest != digest.FromString(changed) {
				t.Errorf("%s: a change at %d: %q has digest %s", c.Algorithm, at, e.Path, e.Digest)
			}
		}
		put(t, filepath.Join(dir, "long"), content)
	}
}

// hooked is an earlier blob that calls read before it is read first.
type hooked struct {
	*bytes.Reader
	once *sync.Once
	read func()
}

func (h hooked) ReadAt(p []byte, at int64) (int, error) {
	h.once.Do(h.read)
	return h.Reader.ReadAt(p, at)
}

// TestPrefixOfLong: long files that were to be taken unread, and of which a part
// has to be read after all, because the earlier blob is damaged, when nobody
// knows their digests any more.
func TestPrefixOfLong(t *testing.T) {
	for _, c := range benchCompressions() {
		split := int(ruleOf(c.Algorithm).fileSplit)
		files := map[string]string{"x": text(1, split+1000), "y": text(2, 4*split+7), "z": text(3, 2000)}
		dir, root := folder(t, files)
		m := newMemory()
		blob, first := build(t, root, copyOf(c), Options{Digests: m})
		blob[first.TOC.Chunks[0].Offset+first.TOC.Chunks[0].Length/2] ^= 1
		put(t, filepath.Join(dir, "z"), text(4, 5000))
		cold, want := build(t, root, copyOf(c), Options{})
		for _, name := range []string{"x", "y"} {
			earlier := hooked{bytes.NewReader(blob), &sync.Once{}, func() { m.forget(name) }}
			tree := observe(t, root, copyOf(c), source.Options{}).Tree
			var got bytes.Buffer
			r, err := writeAll(t.Context(), &got, root, tree, Options{Compression: c, Digests: m, Parallelism: 1, Reuse: []Reuse{{TOC: first.TOC, Blob: earlier}}})
			var changed *source.ChangedError
			switch {
			case errors.As(err, &changed) && changed.Path == name:
			case err != nil:
				t.Errorf("%s, %s: %v", c.Algorithm, name, err)
			case !bytes.Equal(got.Bytes(), cold) || r.Fingerprint != want.Fingerprint || !cmp.Equal(r.TOC, want.TOC):
				t.Errorf("%s, %s: what comes out is not what a build without reuse gives", c.Algorithm, name)
			}
			for key, d := range m.known {
				if strings.HasPrefix(key, name+" ") && d != digest.FromString(files[name]) {
					t.Errorf("%s: the digest %s was remembered for %s", c.Algorithm, d, name)
				}
			}
			build(t, root, copyOf(c), Options{Digests: m})
		}
	}
}
