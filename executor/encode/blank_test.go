package encode

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestHoles: a file with holes comes out as the same file without any, whether its
// digest is known or not.
func TestHoles(t *testing.T) {
	const size = 5<<20 + 12345
	at := map[int64]string{0: "begins", 2<<20 - 3: "across a cut", 4<<20 + 77: "x", size - 1: "."}
	for name, written := range map[string][]int64{"nothing": nil, "both ends": {0, size - 1}, "the middle": {2<<20 - 3, 4<<20 + 77}, "all": {0, 2<<20 - 3, 4<<20 + 77, size - 1}} {
		dir, root := folder(t, map[string]string{"sparse/f": "", "full/f": ""})
		sparse, err := os.OpenFile(filepath.Join(dir, "sparse/f"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer sparse.Close()
		if err := sparse.Truncate(size); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, size)
		for _, place := range written {
			if _, err := sparse.WriteAt([]byte(at[place]), place); err != nil {
				t.Fatal(err)
			}
			copy(content[place:], at[place])
		}
		put(t, filepath.Join(dir, "full/f"), string(content))
		for _, c := range []imagespec.Compression{{Algorithm: imagespec.Gzip}, {Algorithm: imagespec.Zstd}, {Algorithm: imagespec.Uncompressed}} {
			layerOf := func(from string) *spec.Layer {
				return &spec.Layer{Compression: c, Tree: []spec.FileOp{{Kind: spec.OpCopy, From: from}}}
			}
			want, _ := build(t, root, layerOf("full"), Options{})
			if got, _ := build(t, root, layerOf("sparse"), Options{}); !bytes.Equal(got, want) {
				t.Errorf("%s, %v: other bytes than without holes", name, c)
			}
			one := observe(t, root, layerOf("sparse"), source.Options{Hash: true}).Tree
			if two := observe(t, root, layerOf("full"), source.Options{Hash: true}).Tree; one.Sum != two.Sum {
				t.Errorf("%s: another digest than without holes", name)
			}
		}
	}
}

// counter counts what it encodes.
type counter struct{ calls int }

func (c *counter) encode(dst, chunk []byte) ([]byte, error) {
	c.calls++
	return append(dst, chunk[:8]...), nil
}

// TestBlankOnce: chunks of zeros of one length are compressed once, and come out as
// if each had been.
func TestBlankOnce(t *testing.T) {
	p, enc := &pipeline{reuse: newChunkIndex(Options{})}, &counter{}
	pack := func(raw []byte, parts ...part) chunk {
		t.Helper()
		c := chunk{raw: raw, parts: parts}
		if err := p.compress(enc, &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	inside := func(raw []byte) chunk { return pack(raw, part{size: int64(len(raw))}) }
	const n = 100_001
	first := inside(make([]byte, n))
	for range 3 {
		again := inside(make([]byte, n))
		if !bytes.Equal(again.out, first.out) || again.digest != first.digest || again.seal != first.seal {
			t.Error("a blank chunk comes out otherwise the second time")
		}
	}
	if enc.calls != 1 {
		t.Errorf("4 blank chunks were compressed %d times", enc.calls)
	}
	marked := slices.Concat(make([]byte, n-1), []byte{1})
	for name, c := range map[string]chunk{
		"another byte":   inside(marked),
		"another length": inside(make([]byte, n-1)),
		"a whole file":   pack(make([]byte, n), part{size: n, whole: true}),
		"of two files":   pack(make([]byte, n), part{size: n - 9}, part{at: n - 9, size: 9}),
	} {
		if c.out == nil || name != "of two files" && c.digest == first.digest {
			t.Errorf("%s: taken for a blank chunk", name)
		}
	}
	if enc.calls != 5 {
		t.Errorf("%d chunks were compressed, want 5", enc.calls)
	}
}
