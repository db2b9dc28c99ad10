package encode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
)

// memory is a Digester that trusts size and mtime.
type memory struct {
	mu    sync.Mutex
	known map[string]digest.Digest
}

func newMemory() *memory { return &memory{known: map[string]digest.Digest{}} }

func (m *memory) key(path string, info fs.FileInfo) string {
	return fmt.Sprint(path, " ", info.Size(), info.ModTime().UnixNano())
}

// Folder gives nothing: files are known by their paths alone.
func (*memory) Folder(string) *stage.Folder { return nil }

func (m *memory) Lookup(path string, info fs.FileInfo) (digest.Digest, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.known[m.key(path, info)]
	return d, ok
}

func (m *memory) Store(path string, info fs.FileInfo, d digest.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[m.key(path, info)] = d
}

// forget drops what is known of a file.
func (m *memory) forget(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.known {
		if strings.HasPrefix(key, path+" ") {
			delete(m.known, key)
		}
	}
}

// TestCounts: what a rebuild reads, hashes and compresses is what changed.
func TestCounts(t *testing.T) {
	files := map[string]string{"d03/long": text(99, 5<<20)}
	for i := range 2000 {
		files[fmt.Sprintf("d%02d/f%04d", i%40, i)] = text(uint64(i), 500+i*7919%9000)
	}
	total := int64(0)
	for _, content := range files {
		total += int64(len(content))
	}
	for _, c := range []imagespec.Compression{{Algorithm: imagespec.Gzip}, {Algorithm: imagespec.Zstd}} {
		dir, root := folder(t, files)
		m := newMemory()
		blob, cold := build(t, root, copyOf(c), Options{Digests: m})
		if s := cold.Stats; s.Read != total || s.Hashed != total || s.Compressed != s.Tar || s.ReusedChunks != 0 {
			t.Errorf("%s: cold: %+v", c.Algorithm, s)
		}
		if len(m.known) != len(files) {
			t.Errorf("%s: %d digests of %d files were remembered", c.Algorithm, len(m.known), len(files))
		}
		opts := Options{Digests: m, Reuse: []Reuse{{TOC: cold.TOC, Blob: bytes.NewReader(blob)}}}
		same, again := build(t, root, copyOf(c), opts)
		// The first and the last chunk of the long file hold parts of others, too.
		if s := again.Stats; s.Hashed != 0 || s.Compressed != 0 || s.ReusedChunks != s.Chunks || s.Reused != s.Tar || s.Files > 2 || s.Read > 2*ruleOf(c.Algorithm).fileSplit {
			t.Errorf("%s: nothing changed: %+v", c.Algorithm, s)
		}
		if diff := cmp.Diff(cold.TOC, again.TOC); diff != "" || !bytes.Equal(blob, same) {
			t.Errorf("%s: a warm build differs: %s", c.Algorithm, diff)
		}
		put(t, filepath.Join(dir, "d20/f0020"), text(7777, 4000))
		got, edit := build(t, root, copyOf(c), opts)
		s := edit.Stats
		now := total - int64(len(files["d20/f0020"])) + 4000
		if s.Hashed != 4000 || s.Read > now*2/3 || s.Files > cold.Stats.Files*2/3 {
			t.Errorf("%s: one file changed: %+v", c.Algorithm, s)
		}
		compressed := s.Chunks - s.ReusedChunks
		if compressed < 1 || compressed > 2 || s.Compressed > 2*ruleOf(c.Algorithm).max || s.Compressed+s.Reused != s.Tar {
			t.Errorf("%s: one file changed: %+v", c.Algorithm, s)
		}
		if want, _ := build(t, root, copyOf(c), Options{}); !bytes.Equal(got, want) || s.Written != int64(len(want)) {
			t.Errorf("%s: one file changed: other bytes than without any shortcut", c.Algorithm)
		}
	}
}

// TestWrongDigests: a Digester that knows another digest than the plan is a
// file that changed.
func TestWrongDigests(t *testing.T) {
	for _, size := range []int{100, 3 << 20} {
		_, root := folder(t, map[string]string{"a": text(1, size)})
		tree := observe(t, root, copyOf(imagespec.Compression{}), source.Options{Hash: true}).Tree
		m := newMemory()
		if _, err := Write(context.Background(), io.Discard, root, tree, Options{Digests: m}); err != nil {
			t.Fatal(err)
		}
		for key := range m.known {
			m.known[key] = digest.FromString("other")
		}
		var changed *source.ChangedError
		if _, err := Write(context.Background(), io.Discard, root, tree, Options{Digests: m}); !errors.As(err, &changed) {
			t.Errorf("%d bytes: the error is %v", size, err)
		}
	}
}

// TestRecover: a table of contents that was lost is made again, chunks and all.
func TestRecover(t *testing.T) {
	root, layerOf := goldenTree(t)
	for _, c := range compressions {
		blob, first := build(t, root, layerOf(c), Options{})
		first.TOC.Blob = digest.FromBytes(blob)
		recovered := func(c imagespec.Compression, blob []byte) *Result {
			t.Helper()
			toc, err := Recover(context.Background(), bytes.NewReader(blob), mediaTypeOf(c), c)
			if err != nil {
				t.Fatal(err)
			}
			return &Result{TOC: toc}
		}
		toc := recovered(c, blob).TOC
		if c.Algorithm == imagespec.Uncompressed {
			if toc.Encoding != "" || len(toc.Chunks) > 0 {
				t.Error("a plain tar has chunks")
			}
			continue
		}
		if diff := cmp.Diff(first.TOC, toc); diff != "" {
			t.Errorf("%s: the table differs: %s", layer.EncodingOf(c), diff)
		}
		_, r := build(t, root, layerOf(c), Options{Reuse: []Reuse{{TOC: toc, Blob: bytes.NewReader(blob)}}})
		if r.Stats.Compressed != 0 {
			t.Errorf("%s: its chunks are not used: %+v", layer.EncodingOf(c), r.Stats)
		}
		other := c
		if other.Level = 2; c.Algorithm == imagespec.Zstd {
			other.Level = 19
		}
		if toc := recovered(other, blob).TOC; toc.Encoding != "" || len(toc.Chunks) > 0 || toc.DiffID != first.DiffID || len(toc.Entries) != len(first.TOC.Entries) {
			t.Errorf("%s: taken for %s", layer.EncodingOf(c), layer.EncodingOf(other))
		}
		if toc, err := Recover(context.Background(), bytes.NewReader(blob[:len(blob)-20]), mediaTypeOf(c), c); err == nil {
			t.Errorf("%s: a blob that is cut off gives %d chunks", layer.EncodingOf(c), len(toc.Chunks))
		}
	}
}
