//go:build unix

package executor_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// TestWorkOfOneApply counts: an apply loads the spec once and evaluates no object
// more than once for each state of knowledge: by loading it, and again as what it
// refers to has been built. Where nothing is deleted, index.json is read three times.
func TestWorkOfOneApply(t *testing.T) {
	w := imageWorld(t)
	text := image + `
layer "digests" {
  file "/of/app" { content = layer.app.digest }
  file "/of/both" { content = "${layer.app.digest} ${layer.lib.digest}" }
}
manifest "digests" {
  artifact_type = "application/x"
  layers        = [layer.digests]
  annotations   = { of = index.app.digest }
  tags          = ["digests"]
}
`
	w.write("layform.hcl", text)
	var mu sync.Mutex
	evaluated := map[spec.Address]int{}
	w.load.Evaluated = func(a spec.Address) {
		mu.Lock()
		defer mu.Unlock()
		evaluated[a]++
	}
	reads := 0
	w.store.Fault = func(s layouttest.Step) error {
		mu.Lock()
		defer mu.Unlock()
		if s.Op == layouttest.OpOpen && s.Name == "index.json" {
			reads++
		}
		return nil
	}
	apply := func(want map[string]int) {
		t.Helper()
		clear(evaluated)
		reads = 0
		made, err := w.result(planner.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := executor.Apply(t.Context(), w.open(), made.Plan, executor.Options{Dir: w.dir, Planned: made}); err != nil {
			t.Fatal(err)
		}
		if made.Plan.Summary.DeleteBlobs == 0 && reads > 3 {
			t.Errorf("index.json was read %d times, not for the plan, under the lock, and right before its replacement", reads)
		}
		for a, n := range evaluated {
			if most := max(1, want[a.String()]); n > most {
				t.Errorf("%s was evaluated %d times, not %d", a, n, most)
			}
		}
		if len(evaluated) != 7 {
			t.Errorf("%d objects were evaluated", len(evaluated))
		}
	}
	later := map[string]int{"layer.digests": 2, "manifest.digests": 2}
	apply(later) // nothing is known until it is built
	apply(later) // everything is known from the start
	w.write("app/run", "#!/bin/other\n")
	w.write("lib/a", "another library a")
	apply(later)
	w.write("layform.hcl", strings.Replace(text, `["digests"]`, `["digests", "more"]`, 1))
	apply(later) // a new tag, without anything else
	if reads != 3 {
		t.Errorf("index.json was read %d times for a new tag", reads)
	}
	w.write("layform.hcl", text)
	apply(later)
	w.write("app/run", "#!/bin/yet another\n")
	// One of the two digests is known already, and the other one later.
	apply(map[string]int{"layer.digests": 3, "manifest.digests": 2})
}
