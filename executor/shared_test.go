//go:build unix

package executor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// TestSharedSources: layers that copy the same long files are built at once, from
// nothing, without one taking the other's reading for a change of the file.
// LAYFORM_TEST_ROUNDS sets the number of applies.
func TestSharedSources(t *testing.T) {
	rounds := 10
	if text := os.Getenv("LAYFORM_TEST_ROUNDS"); text != "" {
		if _, err := fmt.Sscan(text, &rounds); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, map[string]string{
		"d/a": strings.Repeat("a", 600<<10), "d/b": "b", "d/c": strings.Repeat("c", 1300<<10),
		"layform.hcl": `
layout { path = "out" }
layer "l" {
  for_each    = toset(["a", "b", "c"])
  compression = "none"
  copy {
    from = "d"
    to   = "/${each.key}"
  }
}
manifest "m" {
  artifact_type = "application/x"
  layers        = values(layer.l)
  tags          = ["m"]
}
`,
	})
	w.store.NoSync = true
	for round := range rounds {
		if err := os.RemoveAll(filepath.Join(w.dir, "out")); err != nil {
			t.Fatal(err)
		}
		sp, diags := spec.Load(w.dir, w.load)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		store := w.open()
		cache := stage.OpenCache(store)
		made, err := planner.New(t.Context(), sp, store, planner.RefreshOptions{Digests: cache, Lazy: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = executor.Apply(t.Context(), store, made.Plan, executor.Options{
			Dir: w.dir, Digests: cache, Planned: made, Parallelism: 4,
		})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if (round+1)%1000 == 0 {
			t.Logf("%d applies", round+1)
		}
	}
}
