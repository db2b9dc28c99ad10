package encode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// sharedDigests is a source.Digester that other layers fill, at the worst moments.
type sharedDigests struct {
	mu    sync.Mutex
	known map[string]digest.Digest
	// lookup, if not nil, is called before each answer.
	lookup func(path string)
}

// Folder gives nothing: files are known by their paths alone.
func (*sharedDigests) Folder(string) *stage.Folder { return nil }

func (m *sharedDigests) Lookup(path string, info fs.FileInfo) (digest.Digest, bool) {
	if m.lookup != nil {
		m.lookup(path)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.known[fmt.Sprint(path, source.StateOf(info))]
	return d, ok
}

func (m *sharedDigests) Store(path string, info fs.FileInfo, d digest.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[fmt.Sprint(path, source.StateOf(info))] = d
}

// TestLearntMeanwhile: another layer may learn the digest of a long file while
// its parts are read, after any number of them and in any order.
func TestLearntMeanwhile(t *testing.T) {
	dir, root := folder(t, map[string]string{"d/long": noise(1, 3<<20), "d/b": "b", "d/c": noise(2, 700<<10)})
	for _, workers := range []int{1, 2, 4} {
		for after := range 12 {
			m := &sharedDigests{known: map[string]digest.Digest{}}
			asked := 0
			var mu sync.Mutex
			m.lookup = func(string) {
				mu.Lock()
				defer mu.Unlock()
				if asked++; asked != after {
					return
				}
				for _, name := range []string{"d/long", "d/c"} {
					data, err := os.ReadFile(filepath.Join(dir, name))
					if err != nil {
						t.Error(err)
					}
					info, err := os.Stat(filepath.Join(dir, name))
					if err != nil {
						t.Error(err)
					}
					m.Store(name, info, digest.FromBytes(data))
				}
			}
			o := observe(t, root, copyOf(imagespec.Compression{}), source.Options{})
			if _, err := Write(context.Background(), io.Discard, root, o.Tree, Options{Digests: m, Parallelism: workers}); err != nil {
				t.Fatalf("%d workers, learnt after %d questions: %v", workers, after, err)
			}
		}
	}
}

// TestSharedFiles: layers that hold the same files, built at once and with one
// memory, never disturb each other. LAYFORM_TEST_ROUNDS sets the number of rounds.
func TestSharedFiles(t *testing.T) {
	rounds := 20
	if text := os.Getenv("LAYFORM_TEST_ROUNDS"); text != "" {
		if _, err := fmt.Sscan(text, &rounds); err != nil {
			t.Fatal(err)
		}
	}
	_, root := folder(t, map[string]string{"d/a": noise(1, 600<<10), "d/b": "b", "d/c": noise(2, 1300<<10)})
	for round := range rounds {
		m := &sharedDigests{known: map[string]digest.Digest{}}
		var g sync.WaitGroup
		for range 3 {
			g.Go(func() {
				o, diags := source.Observe(context.Background(), root, copyOf(imagespec.Compression{Algorithm: imagespec.Uncompressed}), source.Options{Digests: m})
				if diags.HasErrors() {
					t.Error(diags)
					return
				}
				if _, err := Write(context.Background(), io.Discard, root, o.Tree, Options{Compression: imagespec.Compression{Algorithm: imagespec.Uncompressed}, Digests: m, Parallelism: 2}); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		if g.Wait(); t.Failed() {
			return
		}
	}
}

// TestCoveredUp: a file that is rewritten in place after it was observed, with its
// size as it was and its modification time put back, is noticed at any moment: no
// layer or blob holds anything of two states.
func TestCoveredUp(t *testing.T) {
	const size = 3 << 20
	layers := map[string]*spec.Layer{
		"copy":    copyOf(imagespec.Compression{Algorithm: imagespec.Uncompressed}),
		"file":    {Compression: imagespec.Compression{Algorithm: imagespec.Uncompressed}, Tree: []spec.FileOp{{Kind: spec.OpFile, To: "f", Source: "d/a"}}},
		"blob":    {Blob: "d/a", MediaType: "application/x"},
		"archive": {Archive: "d/t.tar"},
	}
	for name, l := range layers {
		for _, moment := range []string{"before", "first write", "later"} {
			for _, hash := range []bool{false, true} {
				t.Run(fmt.Sprint(name, " ", moment, " ", hash), func(t *testing.T) {
					var tar bytes.Buffer
					_, other := folder(t, map[string]string{"d/x": noise(3, size)})
					if _, err := Write(context.Background(), &tar, other, observe(t, other, layers["copy"], source.Options{}).Tree, Options{Compression: layers["copy"].Compression}); err != nil {
						t.Fatal(err)
					}
					dir, root := folder(t, map[string]string{"d/a": strings.Repeat("a", size), "d/t.tar": tar.String()})
					o := observe(t, root, l, source.Options{Hash: hash})
					file := filepath.Join(dir, "d/a")
					if name == "archive" {
						file = filepath.Join(dir, "d/t.tar")
					}
					w := &atWrite{n: map[string]int{"first write": 1, "later": 3}[moment], do: func() { coverUp(t, file) }}
					if moment == "before" {
						w.do()
					}
					var err error
					opts := Options{Compression: l.Compression, Parallelism: 1}
					if o.Tree != nil {
						_, err = Write(context.Background(), w, root, o.Tree, opts)
					} else {
						_, err = Import(context.Background(), w, root, o.File, l, opts)
					}
					var changed *source.ChangedError
					if !errors.As(err, &changed) && !(w.n > w.count && moment != "before") {
						t.Errorf("the error is %v after %d writes", err, w.count)
					}
				})
			}
		}
	}
}

// atWrite does something at the nth write.
type atWrite struct {
	n, count int
	do       func()
}

func (w *atWrite) Write(p []byte) (int, error) {
	if w.count++; w.count == w.n {
		w.do()
	}
	return len(p), nil
}

// coverUp writes other bytes over the last of a file and puts its time back. It
// waits for the clock of the file system, whose ticks are what tells.
func coverUp(t *testing.T, name string) {
	was, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for now := was; source.StateOf(now) == source.StateOf(was); {
		if _, err := f.WriteAt([]byte("changed"), was.Size()-10<<10); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Time{}, was.ModTime()); err != nil {
			t.Fatal(err)
		}
		if now, err = os.Stat(name); err != nil {
			t.Fatal(err)
		}
	}
}
