//go:build unix

package layout_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/layform/layform/layout"
)

// TestPreparedSwap: preparing tells the digest and writes nothing; committing
// replaces index.json, unless another writer was faster.
func TestPreparedSwap(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "out"), layout.Options{})
	file := filepath.Join(s.Dir(), "index.json")
	prepare := func(ref string) *layout.PreparedSwap {
		t.Helper()
		x, err := s.Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Set(descriptor(ref, ref)); err != nil {
			t.Fatal(err)
		}
		p, err := s.PrepareSwap(x)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := prepare("a")
	if _, err := os.Stat(s.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("preparing wrote something: %v", err)
	}
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	x, err := s.Index(t.Context())
	if err != nil || first.Before != "" || x.Digest() != first.After || len(x.Resolve("a")) != 1 || !s.Initialised() {
		t.Errorf("after the first swap: %+v, %v", first, err)
	}
	late, fast := prepare("late"), prepare("fast")
	if err := fast.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := late.Commit(t.Context()); !errors.Is(err, layout.ErrIndexChanged) {
		t.Errorf("a swap that came late: %v", err)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a swap that came late wrote: %v", err)
	}
	if again := prepare("fast"); again.Before != again.After || again.Commit(t.Context()) != nil {
		t.Errorf("a swap that changes nothing: %+v", again)
	}
}
