//go:build unix

package executor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
)

const archivedSpec = `
layout {
  path    = "out"
  archive = "tars/x.tar"
}
layer "l" {
  file "/f" { content = "one" }
}
config "c" { platform = "linux/amd64" }
manifest "m" {
  config = config.c
  layers = [layer.l]
  tags   = ["m"]
}
`

// left lists what is beside the archive, and fails the test where that is a temporary.
func (w *world) left() {
	w.t.Helper()
	hidden, err := filepath.Glob(filepath.Join(w.dir, "tars", ".*"))
	if err != nil || len(hidden) > 0 {
		w.t.Errorf("%q is left: %v", hidden, err)
	}
}

// An archive that cannot be written leaves the layout as planned, and the next apply
// writes it.
func TestArchiveFails(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": archivedSpec, "tars": "a file in the way"})
	_, err := w.tryPlan(planner.Options{})
	if err == nil {
		t.Fatal("a file in the place of the folder is not told at plan")
	}
	if err := os.Remove(filepath.Join(w.dir, "tars")); err != nil {
		t.Fatal(err)
	}
	made, err := w.result(planner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.write("tars", "a file in the way, now")
	result, err := executor.Apply(t.Context(), w.open(), made.Plan, executor.Options{Dir: w.dir, Planned: made})
	if err == nil || !strings.Contains(err.Error(), "the layout is as planned, but not its archive tars/x.tar") {
		t.Fatalf("the error is %v", err)
	}
	if result.Archive != nil || len(result.Objects) != 3 {
		t.Errorf("the result has %v and %d objects", result.Archive, len(result.Objects))
	}
	w.accepted()
	if err := os.Remove(filepath.Join(w.dir, "tars")); err != nil {
		t.Fatal(err)
	}
	next := w.plan(planner.Options{})
	if len(next.Archives) != 1 || next.Archives[0].Action != planner.Create || next.Summary.WriteBlobs != 0 {
		t.Errorf("the next plan has %+v, %+v", next.Archives, next.Summary)
	}
	if result := w.carryOut(next); result.Archive == nil || result.WrittenBlobs != 0 {
		t.Errorf("the next apply did %+v", result)
	}
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("there is more to do: %+v", p)
	}
	w.left()
}

// An apply that is interrupted while it writes the archive leaves the old one.
func TestArchiveInterrupted(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": archivedSpec})
	w.apply()
	file := filepath.Join(w.dir, "tars", "x.tar")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.write("layform.hcl", strings.ReplaceAll(archivedSpec, "one", "two"))
	p := w.plan(planner.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	_, err = executor.Apply(ctx, w.open(), p, executor.Options{Dir: w.dir, Progress: func(e executor.Event) {
		if e.Kind == executor.EventDone && strings.HasPrefix(e.Key, "manifest.") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the archive is another one: %v", err)
	}
	w.left()
	w.apply()
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("there is more to do: %+v", p)
	}
}

// A file that came into the place of a new archive after the plan stays.
func TestArchiveAppears(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": archivedSpec})
	p := w.plan(planner.Options{})
	w.write("tars/x.tar", "theirs")
	if _, err := w.tryApply(p); err == nil {
		t.Error("it was replaced")
	}
	if data, err := os.ReadFile(filepath.Join(w.dir, "tars", "x.tar")); err != nil || string(data) != "theirs" {
		t.Errorf("it holds %q, %v", data, err)
	}
	if _, err := w.tryPlan(planner.Options{}); err == nil {
		t.Error("the next plan replaces it")
	}
}

// The state keeps the archive's place relative to the layout, and its digest.
func TestArchiveState(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": archivedSpec})
	result := w.apply()
	st, _, err := stage.Load(t.Context(), w.open(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if st.Archive == nil || st.Archive.Path != "../tars/x.tar" || st.Archive.Digest != result.Archive.Digest || st.Archive.Index != st.After {
		t.Errorf("the state has %+v, the result %+v", st.Archive, result.Archive)
	}
	w.carryOut(w.plan(planner.Options{Destroy: true}))
	if _, err := os.Stat(filepath.Join(w.dir, "tars", "x.tar")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the archive is there: %v", err)
	}
	if names, err := w.open().ListState("stage"); err != nil || len(names) != 0 {
		t.Errorf("the state is %q, %v", names, err)
	}
}
