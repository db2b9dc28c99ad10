package executor

import (
	"bytes"
	"context"
	"fmt"

	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// ForgedError says that a saved plan is not what its own sources, variables and
// options give.
type ForgedError struct {
	// What differs, in words: "layer.app", "the entry latest of index.json".
	What string
}

// Error names the difference and the remedy.
func (e *ForgedError) Error() string {
	return fmt.Sprintf("the saved plan is not what its own spec gives: %s differs from what planning comes to now. The file was edited, something in the layout moved since, or another version of layform made the plan; plan again", e.What)
}

// derive makes a saved plan again, from the sources, variables and options that it
// records, and refuses it where it says anything else. Sources that moved since
// are a *planner.StaleError, everything else is a *ForgedError.
func (r *applier) derive(ctx context.Context) (*planner.Result, error) {
	sp, err := r.loadSpec(ctx)
	if err != nil {
		return nil, err
	}
	record := r.plan.Spec
	made, err := planner.New(ctx, sp, r.store, planner.RefreshOptions{
		Plan: r.plan.Options, Parallelism: r.opts.Parallelism, Epoch: record.Epoch, Digests: r.opts.Digests, Bases: r.opts.Bases,
	})
	if err != nil {
		return nil, err
	}
	derived := made.Plan
	if derived.Spec.Name != record.Name {
		return nil, &ForgedError{What: "the name of the spec"}
	}
	if record.File != "" && (len(record.Sources) != 1 || record.Sources[0].Name != record.File) {
		return nil, &ForgedError{What: "the spec file"}
	}
	// What it was made from was compared when the spec was loaded.
	derived.Spec = record
	if err := comparePlans(r.plan, derived); err != nil {
		return nil, err
	}
	return made, nil
}

// comparePlans compares a plan with the derived one. The error names the first difference.
func comparePlans(plan, derived *planner.Plan) error {
	for i, b := range plan.Bases {
		if i >= len(derived.Bases) || b != derived.Bases[i] {
			return &planner.StaleError{What: fmt.Sprintf("the image of %s, %s,", b.Address, b.From)}
		}
	}
	now := map[string]planner.Change{}
	for _, c := range derived.Changes {
		now[c.Key()] = c
	}
	for _, c := range plan.Changes {
		is, ok := now[c.Key()]
		if ok && c.Kind == spec.KindLayer && c.After != nil && is.After != nil && c.After.Fingerprint != is.After.Fingerprint {
			return &planner.StaleError{What: "what " + c.Key() + " is made of"}
		}
		if !ok || !sameJSON(c, is) {
			return &ForgedError{What: c.Key()}
		}
	}
	for i, t := range plan.Tags {
		if i >= len(derived.Tags) || !sameJSON(t, derived.Tags[i]) {
			return &ForgedError{What: fmt.Sprintf("the entry %q of index.json", t.Ref)}
		}
	}
	for i, o := range plan.Outputs {
		if i >= len(derived.Outputs) || !sameJSON(o, derived.Outputs[i]) {
			return &ForgedError{What: "the output " + o.Name}
		}
	}
	for _, part := range []struct {
		what      string
		plan, now any
	}{
		{"the list of changes", plan.Changes, derived.Changes},
		{"the list of entries of index.json", plan.Tags, derived.Tags},
		{"the archive of the layout", plan.Archives, derived.Archives},
		{"the list of blobs to delete", plan.Sweep, derived.Sweep},
		{"the list of outputs", plan.Outputs, derived.Outputs},
		{"what changed in the layout since the last apply", plan.Drift, derived.Drift},
		{"the layout", plan.Layout, derived.Layout},
		{"the sum", plan.Summary, derived.Summary},
		{"the plan", plan, derived},
	} {
		if !sameJSON(part.plan, part.now) {
			return &ForgedError{What: part.what}
		}
	}
	return nil
}

// sameJSON reports whether two parts of plans have one JSON form.
func sameJSON(a, b any) bool {
	one, err := jsondoc.Encode(a)
	two, otherErr := jsondoc.Encode(b)
	return err == nil && otherErr == nil && bytes.Equal(one, two)
}
