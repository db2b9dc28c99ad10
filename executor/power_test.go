//go:build unix

package executor_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/stage"
)

// power is a disk that loses what was not synced: at the step of the number at the
// run dies, and cut leaves the journal as long as it was when it was last synced,
// while everything that got a name keeps it.
type power struct {
	dir    string
	at     int
	mu     sync.Mutex
	n      int
	synced int64
	hit    layouttest.Step
}

const journalFile = ".layform/stage/default.journal"

func (p *power) step(s layouttest.Step) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n++; p.n >= p.at {
		if p.n == p.at {
			p.hit = s
		}
		return syscall.EIO
	}
	if s.Op == layouttest.OpSync && s.Name == journalFile {
		info, err := os.Stat(filepath.Join(p.dir, journalFile))
		if err != nil {
			return err
		}
		p.synced = info.Size()
	}
	return nil
}

func (p *power) cut(t *testing.T) {
	t.Helper()
	name := filepath.Join(p.dir, journalFile)
	if _, err := os.Stat(name); err != nil {
		return
	}
	if err := os.Truncate(name, p.synced); err != nil {
		t.Fatal(err)
	}
}

// TestPowerCutLeavesNoOrphans cuts the power at every step of a first apply and of
// an update: each blob that got its name belongs to the spec, so that the next run,
// for which it is of no use, removes it, and somebody else's blobs stay.
func TestPowerCutLeavesNoOrphans(t *testing.T) {
	for _, start := range []struct {
		name    string
		prepare func(w *world)
	}{
		{"first apply", func(w *world) {
			if err := w.open().Init(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
		{"update", func(w *world) {
			w.apply()
			w.write("app/run", "#!/bin/other\n")
		}},
	} {
		t.Run(start.name, func(t *testing.T) {
			w := imageWorld(t)
			w.store.NoSync = true
			start.prepare(w)
			stride, orphans := 3, 0
			if testing.Short() {
				stride = 8
			}
			for n := 1; ; n += stride {
				dir := copyTree(t, w.dir)
				theirs := filepath.Join(dir, "out/blobs/sha256", strings.Repeat("0", 64))
				if err := os.WriteFile(theirs, []byte("theirs"), 0o444); err != nil {
					t.Fatal(err)
				}
				p := &power{dir: filepath.Join(dir, "out"), at: n}
				before := blobNames(t, dir)
				err := applyWith(t.Context(), dir, false, layout.Options{Fault: p.step}, nil)
				if err == nil && p.n < p.at {
					break
				}
				if err != nil && !errors.Is(err, syscall.EIO) {
					t.Fatal(err)
				}
				p.cut(t)
				where := fmt.Sprintf("step %d (%s %s)", n, p.hit.Op, p.hit.Name)
				orphans += claimed(t, dir, where, before)
				for name, content := range map[string]string{"app/run": "#!/bin/walk\n", "lib/a": "library A"} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if err := applyWith(t.Context(), dir, false, layout.Options{NoSync: true}, nil); err != nil {
					t.Fatalf("%s: then: %v", where, err)
				}
				// Of an image with two layers, and the blob of somebody else.
				if now := blobNames(t, dir); len(now) != 6 || !now[filepath.Base(theirs)] {
					t.Errorf("%s: the next run leaves the blobs %v", where, now)
				}
				_ = os.RemoveAll(dir)
			}
			if orphans == 0 {
				t.Error("the power never failed between the name of a blob and the end")
			}
		})
	}
}

// claimed checks that each blob that was not there before belongs to the spec, and
// gives their number.
func claimed(t *testing.T, dir, where string, before map[string]bool) (n int) {
	t.Helper()
	store, err := layout.Open(filepath.Join(dir, "out"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	held, err := stage.OwnedContent(t.Context(), store)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	owned := map[string]bool{}
	for _, d := range held.Blobs {
		owned[d.Encoded()] = true
	}
	for name := range blobNames(t, dir) {
		if before[name] {
			continue
		}
		if n++; !owned[name] {
			t.Errorf("%s: the blob %s belongs to nobody", where, name)
		}
	}
	return n
}

func blobNames(t *testing.T, dir string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "out/blobs/sha256"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names
}
