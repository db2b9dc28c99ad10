package executor_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/planner"
)

// TestFailedFirstApplyMakesNoLayout lets the source of a layer vanish when
// another layer has been built. The same plan can be applied once it is back.
func TestFailedFirstApplyMakesNoLayout(t *testing.T) {
	w := imageWorld(t)
	p := w.plan(planner.Options{})
	trees := map[string]string{"layer.app": "app", "layer.lib": "lib"}
	away := ""
	_, err := executor.Apply(t.Context(), w.open(), p, executor.Options{Dir: w.dir, Parallelism: 1, Progress: func(e executor.Event) {
		if e.Kind != executor.EventDone || away != "" {
			return
		}
		delete(trees, e.Key)
		for _, away = range trees {
			if err := os.Rename(filepath.Join(w.dir, away), filepath.Join(w.dir, away+".away")); err != nil {
				t.Error(err)
			}
		}
	}})
	if err == nil || away == "" {
		t.Fatalf("the apply went well without %q", away)
	}
	if diff := cmp.Diff([]string{".layform/lock"}, slices.Sorted(maps.Keys(w.snapshot(true)))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if w.open().Initialised() {
		t.Error("there is a layout")
	}
	if err := os.Rename(filepath.Join(w.dir, away+".away"), filepath.Join(w.dir, away)); err != nil {
		t.Fatal(err)
	}
	w.carryOut(p)
	w.accepted()
}
