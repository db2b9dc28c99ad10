package encode

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/testdata/reflinks"
)

// rebuild writes the layer of root into a store, next to the blob before unless
// that is empty, and gives the blob, what came out and the bytes that were written.
func rebuild(t *testing.T, store *layout.Store, root *os.Root, opts Options, before digest.Digest) (digest.Digest, Result, int64) {
	t.Helper()
	tree := observe(t, root, copyOf(opts.Compression), source.Options{}).Tree
	if before != "" {
		earlier, err := store.ReaderAt(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		defer earlier.Close()
		opts.Reuse[0].Blob = earlier
	}
	in, err := store.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Abort()
	_, start := reflinks.Transferred(t)
	r, err := writeAll(t.Context(), in, root, tree, opts)
	if err != nil {
		t.Fatal(err)
	}
	_, end := reflinks.Transferred(t)
	// A blob that stands there would be kept.
	remove(t, filepath.Join(store.Dir(), "blobs/sha256"))
	dgst, _, _, err := in.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dgst, r, end - start
}

// TestSharedFront: where files can share blocks, the chunks in front of the first
// change are not written, unless they are damaged, and the bytes are those of a
// build that knows of no earlier blob.
func TestSharedFront(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("f%02d", i)] = noise(uint64(i), 100_000)
	}
	store, err := layout.Open(filepath.Join(reflinks.Mount(t), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	c := imagespec.Compression{Algorithm: imagespec.Gzip}
	dir, root := folder(t, files)
	m := newMemory()
	before, first, all := rebuild(t, store, root, Options{Compression: c, Digests: m}, "")
	size := first.TOC.Size
	if all < size || all > size+shareUnit {
		t.Fatalf("%d bytes were written for a blob of %d", all, size)
	}
	name := filepath.Join(store.Dir(), "blobs/sha256", before.Encoded())
	blob, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(blob)
	second := first.TOC.Chunks[1]
	broken[second.Offset+second.Length/2] ^= 1
	last := first.TOC.Chunks[len(first.TOC.Chunks)-1]
	for what, edit := range map[string]struct {
		file    string
		earlier []byte
		// front is what need not be written, but for its last block, and torn
		// the most that is written of it.
		front, torn int64
	}{
		"the last file":  {"f19", blob, last.Offset, 0},
		"the first file": {"f00", blob, 0, 0},
		"a damaged blob": {"f19", broken, last.Offset, second.Length},
		"half a blob":    {"f19", blob[:size/2], 0, 0},
		"nothing":        {"", blob, size, 0},
	} {
		remove(t, name)
		put(t, name, string(edit.earlier))
		restore := replace(t, filepath.Join(dir, edit.file), noise(99, 100_000))
		want, cold := build(t, root, copyOf(c), Options{})
		opts := Options{Compression: c, Digests: m, Reuse: []Reuse{{TOC: first.TOC}}}
		dgst, r, written := rebuild(t, store, root, opts, before)
		got, err := os.ReadFile(filepath.Join(store.Dir(), "blobs/sha256", dgst.Encoded()))
		if err != nil || !bytes.Equal(got, want) || !cmp.Equal(r.TOC, cold.TOC) {
			t.Errorf("%s: what comes out is not what a build without reuse gives: %v", what, err)
		}
		if least := int64(len(want)) - edit.front; written < least || written > least+edit.torn+2*shareUnit {
			t.Errorf("%s: %d bytes were written for a blob of %d", what, written, len(want))
		}
		restore()
	}
}

// replace gives a file other content, but for a directory, until it is undone.
func replace(t *testing.T, name, content string) (undo func()) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		return func() {}
	}
	aside := filepath.Join(t.TempDir(), "aside")
	if err := os.Rename(name, aside); err != nil {
		t.Fatal(err)
	}
	put(t, name, content)
	return func() {
		if err := os.Rename(aside, name); err != nil {
			t.Fatal(err)
		}
	}
}

// shareUnit is more than is written of a front because it does not fill a block.
const shareUnit = 64 << 10
