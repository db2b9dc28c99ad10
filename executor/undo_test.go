//go:build unix

package executor_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	if diff := cmp.Diff([]string{".layform/.gitignore", ".layform/lock"}, slices.Sorted(maps.Keys(w.snapshot(true)))); diff != "" {
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

// TestLongDocument: a manifest that nobody could read is refused before the
// swap, also where the plan cannot know how long it gets.
func TestLongDocument(t *testing.T) {
	text := `
layout { path = "out" }
layer "a" {
  file "/a" { content = "a" }
}
config "a" { platform = "linux/amd64" }
manifest "a" {
  config = config.a
  layers = [layer.a]
  tags   = ["a"]
}
`
	w := newWorld(t, map[string]string{"layform.hcl": text})
	w.apply()
	before := w.snapshot(false)
	text += `
layer "long" {
  for_each = toset(["1", "2", "3", "4", "5"])
  file "/f" { content = each.key }
  annotations = { a = join("", [for i in range(125) : join("", [for j in range(100) : manifest.a.digest])]) }
}
config "long" { platform = "linux/amd64" }
manifest "long" {
  config = config.long
  layers = values(layer.long)
  tags   = ["long"]
}
`
	w.write("layform.hcl", strings.Replace(text, `content = "a"`, `content = "A"`, 1))
	_, err := w.tryApply(w.plan(planner.Options{}))
	if err == nil || !strings.Contains(err.Error(), "manifest.long comes out with ") {
		t.Fatalf("the error is %v", err)
	}
	if diff := cmp.Diff(before, w.snapshot(false)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	w.accepted()
}
