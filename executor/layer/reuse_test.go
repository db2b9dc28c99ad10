package layer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

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
