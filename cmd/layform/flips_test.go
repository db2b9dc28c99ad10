//go:build unix

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// TestFlippedIndex flips bits of index.json. What no rule of the image spec can
// tell, for a name with a bit flipped is a name, the plan shows.
func TestFlippedIndex(t *testing.T) {
	dir := memoryDir(t)
	out := filepath.Join(dir, "out")
	index := filepath.Join(out, "index.json")
	write(t, dir, map[string]string{"layform.hcl": oneLayer, "x": "x"})
	start(t, dir, nil, "apply", "--auto-approve").exits(t, exitOK, "")
	good, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	_, before := look(t, out)
	if !planIsEmpty(t, dir) {
		t.Fatal("there are changes without any flip")
	}
	rng := rand.New(rand.NewPCG(4, 4))
	left := 0
	for range 1000 {
		at, bit := rng.IntN(len(good)), rng.IntN(8)
		bad := slices.Clone(good)
		bad[at] ^= 1 << bit
		if err := os.WriteFile(index, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		findings, entries := look(t, out)
		if findings > 0 {
			continue
		}
		left++
		same := cmp.Equal(before, entries)
		if !same && planIsEmpty(t, dir) {
			t.Errorf("byte %d, bit %d is found by nobody: %s", at, bit, bad)
		}
	}
	t.Logf("%d of 1000 flips are not for the validator to find", left)
	if left == 0 {
		t.Error("no flip was left to the plan")
	}
}

// look counts what the validator finds and gives the entries of index.json where
// it finds nothing.
func look(t *testing.T, dir string) (findings int, entries []ocispec.Descriptor) {
	t.Helper()
	store, err := layout.Open(dir, layout.Options{Inspect: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, err := range validate.Layout(t.Context(), store.Reader, validate.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		findings++
	}
	if findings > 0 {
		return findings, nil
	}
	x, err := store.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return 0, x.Descriptors()
}

// planIsEmpty reports whether the plan of dir has nothing to do. An error counts
// as something.
func planIsEmpty(t *testing.T, dir string) bool {
	t.Helper()
	a := newApp(os.Stdin, os.Stdout, os.Stderr, nil)
	made, err := a.plan(t.Context(), specFlags{File: filepath.Join(dir, "layform.hcl")}, valueFlags{}, shapeFlags{}, runFlags{}, planMode{})
	if err != nil {
		return false
	}
	defer made.store.Close()
	return made.plan.Empty()
}
