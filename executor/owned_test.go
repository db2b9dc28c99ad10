//go:build unix

package executor_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// A run that fails or dies after the swap loses nothing to somebody who writes
// index.json next: its tags are the spec's, and what it left is swept.
func TestFaultAfterTheSwapAndAnotherWriter(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	w.write("app/run", "another app")
	var steps counter
	swap := 0
	whole := copyTree(t, w.dir)
	err := applyWith(t.Context(), whole, false, layout.Options{Fault: func(s layouttest.Step) error {
		if s.Op == layouttest.OpRename && s.Name == "index.json" {
			swap = steps.n + 1
		}
		return steps.step(s)
	}}, nil)
	if err != nil || swap == 0 {
		t.Fatalf("no swap among %d steps: %v", steps.n, err)
	}
	for _, dies := range []bool{false, true} {
		failed := 0
		for at := swap + 1; at <= steps.n; at++ {
			dir := copyTree(t, w.dir)
			tries := counter{at: at}
			tries.then = func(layouttest.Step) error {
				if dies || tries.n == at {
					return syscall.EIO
				}
				return nil
			}
			if applyWith(t.Context(), dir, false, layout.Options{Fault: tries.step}, nil) == nil {
				continue
			}
			failed++
			try := &world{t: t, dir: dir}
			if err := tagInPlace(filepath.Join(dir, "out"), resolveTag(t, try, "v1"), "theirs"); err != nil {
				t.Fatal(err)
			}
			p := try.plan(planner.Options{})
			if len(p.Drift) > 0 || slices.ContainsFunc(p.Tags, func(t planner.TagChange) bool { return t.Adopted || t.Action != planner.NoOp }) {
				t.Errorf("fault at step %d of %d (%v), dies %v: the plan tells %v, %+v", at, steps.n, tries.hit, dies, p.Drift, p.Tags)
			}
			if !p.Recover {
				t.Errorf("fault at step %d of %d (%v), dies %v: the plan has nothing to finish", at, steps.n, tries.hit, dies)
			}
			try.carryOut(p)
			untag(t, try, "theirs")
			if p := try.plan(planner.Options{}); !p.Empty() || p.Recover || len(p.Sweep) > 0 {
				t.Errorf("fault at step %d of %d (%v), dies %v: at last the plan is %v, %v", at, steps.n, tries.hit, dies, p.Tags, p.Sweep)
			}
			if got, want := len(try.snapshot(false)), len((&world{t: t, dir: whole}).snapshot(false)); got != want {
				t.Errorf("fault at step %d of %d (%v), dies %v: %d files in the layout, want %d", at, steps.n, tries.hit, dies, got, want)
			}
			try.accepted()
		}
		if failed < 5 {
			t.Errorf("dies %v: only %d faults", dies, failed)
		}
	}
}

// takeOver applies the spec of dir, which takes over what the spec old has.
func takeOver(ctx context.Context, dir, old string, opts layout.Options) error {
	sp, diags := spec.Load(dir, spec.LoadOptions{})
	if diags.HasErrors() {
		return diags
	}
	store, err := layout.Open(filepath.Join(dir, "out"), opts)
	if err != nil {
		return err
	}
	defer store.Close()
	made, err := planner.New(ctx, sp, store, planner.RefreshOptions{Plan: planner.Options{TakeOverSpec: old}})
	if err != nil {
		return err
	}
	_, err = executor.Apply(ctx, store, made.Plan, executor.Options{Dir: dir, Parallelism: 1, Planned: made})
	return err
}

// What an apply takes over is its own with the swap and not before: wherever it fails
// or dies, it can be run again, and an apply that failed leaves all to the other spec.
func TestTakeOverIsPartOfTheSwap(t *testing.T) {
	w := imageWorld(t)
	named := func(name string) string { return "layform { name = \"" + name + "\" }\n" + image }
	w.write("layform.hcl", named("old"))
	w.apply()
	w.write("layform.hcl", named("new"))
	w.write("app/run", "another app")
	whole := copyTree(t, w.dir)
	var steps counter
	if err := takeOver(t.Context(), whole, "old", layout.Options{Fault: steps.step}); err != nil {
		t.Fatal(err)
	}
	before, after := indexOf(t, w.dir), indexOf(t, whole)
	stride := 1
	if testing.Short() {
		stride = 5
	}
	for at := 1; at <= steps.n; at += stride {
		for _, dies := range []bool{false, true} {
			dir := copyTree(t, w.dir)
			tries := counter{at: at}
			tries.then = func(layouttest.Step) error {
				if dies || tries.n == at {
					return syscall.EIO
				}
				return nil
			}
			if takeOver(t.Context(), dir, "old", layout.Options{Fault: tries.step}) == nil {
				continue
			}
			what := func(format string, args ...any) {
				t.Helper()
				t.Errorf("fault at step %d of %d (%v), dies %v: "+format, append([]any{at, steps.n, tries.hit, dies}, args...)...)
			}
			try := &world{t: t, dir: dir}
			specs := func() string {
				all, err := stage.All(t.Context(), try.open())
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, st := range all {
					if len(st.Objects) > 0 {
						names = append(names, st.Spec)
					}
				}
				return strings.Join(names, " ")
			}
			if want := map[bool]string{true: "old", false: "new"}[indexOf(t, dir) == before]; specs() != want {
				what("the layout is that of %q, want %q", specs(), want)
			}
			if !dies && indexOf(t, dir) == before {
				if names := strings.Join(slices.Sorted(maps.Keys(try.snapshot(true))), " "); strings.Contains(names, "stage/new.") {
					what("the spec has left something: %s", names)
				}
				// It goes back to its name, and has what it had.
				try.write("layform.hcl", named("old"))
				try.write("app/run", "#!/bin/run\n")
				if p := try.plan(planner.Options{}); len(p.Drift) > 0 || slices.ContainsFunc(p.Tags, func(t planner.TagChange) bool { return t.Action != planner.NoOp }) {
					what("the other spec finds %v, %v", p.Drift, p.Tags)
				}
				try.write("layform.hcl", named("new"))
				try.write("app/run", "another app")
			}
			if err := takeOver(t.Context(), dir, "old", layout.Options{}); err != nil {
				if !strings.Contains(err.Error(), `no spec named "old"`) {
					what("then: %v", err)
				}
				if err := applyWith(t.Context(), dir, false, layout.Options{}, nil); err != nil {
					what("then: %v", err)
				}
			}
			if specs() != "new" || indexOf(t, dir) != after {
				what("at last the layout is that of %q, its index %s, want %s", specs(), indexOf(t, dir), after)
			}
			if p := try.plan(planner.Options{}); !p.Empty() || p.Recover || len(p.Sweep) > 0 {
				what("at last the plan is %v, %v, %v", actions(p), p.Sweep, p.Recover)
			}
			if got, want := len(try.snapshot(true)), len((&world{t: t, dir: whole}).snapshot(true)); got != want {
				what("%d files at last, want %d", got, want)
			}
		}
	}
}
