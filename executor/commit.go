package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
)

// commit swaps index.json, sweeps what the plan deletes, and remembers both.
func (r *applier) commit(ctx context.Context) error {
	if err := r.store.SyncBlobs(ctx); err != nil {
		return err
	}
	entries, err := r.entries()
	if err != nil {
		return err
	}
	r.prior.Entries = nil // may be as large as index.json, and nobody asks for them again
	next, err := r.nextStage(entries)
	if err != nil {
		return err
	}
	others, err := r.otherStages(ctx)
	if err != nil {
		return err
	}
	next.Blobs = ownedBlobs(next, r.created, others)
	if err := r.swap(ctx, next, others, entries); err != nil {
		return err
	}
	r.swapped = true
	r.result.Entries = planner.CountEntries(func(yield func(planner.TagChange) bool) {
		for i := range entries {
			if !yield(entries[i].TagChange) {
				return
			}
		}
	})
	// From here on, what is left undone is only untidy: what the layout holds is
	// recorded in any case, and the next apply goes on from there.
	ctx = context.WithoutCancel(ctx)
	untidy := r.sweepPlanned(ctx, next, others)
	return errors.Join(untidy, r.saveDone(ctx, next, untidy == nil))
}

// sweepPlanned sweeps after the swap. When another tool wrote index.json during this apply, it
// may be about to refer to what was replaced: the next apply sweeps that.
func (r *applier) sweepPlanned(ctx context.Context, next *stage.Stage, others []*stage.Stage) error {
	var blobs []digest.Digest
	r.result.Kept = r.plan.Kept
	for _, b := range r.plan.Sweep {
		blobs = append(blobs, b.Digest)
	}
	if len(blobs) > 0 {
		now, err := r.store.Index(ctx)
		if err != nil {
			return err
		}
		if now.Digest() != next.After || r.plan.Layout.Index != "" && next.Before != r.plan.Layout.Index {
			r.result.Unswept = true
		} else {
			stopped, err := r.sweep(ctx, next, others, blobs)
			if err != nil {
				return err
			}
			r.result.Unswept = stopped && r.result.Kept == 0
		}
	}
	return r.forgetMissing(ctx, next)
}

// saveDone ends an apply: the staging state says what the layout holds. The journal of
// one that is not tidy stays, and with it the next apply has something to finish.
func (r *applier) saveDone(ctx context.Context, next *stage.Stage, tidy bool) error {
	if next.From != "" {
		if err := stage.Remove(ctx, r.store, next.From); err != nil {
			return err
		}
		next.From = ""
	}
	if tidy && next.Nothing() {
		return stage.Remove(ctx, r.store, next.Spec)
	}
	if err := r.saveStage(ctx, next, stage.Done, next.Before, next.After); err != nil || !tidy {
		return err
	}
	return stage.ClearJournal(r.store, next.Spec)
}

// swapAttempts is how often the swap begins again for a writer who ignores the lock.
const swapAttempts = 10

// swap replaces index.json by what the plan makes of it, with the staging state
// pending around it. It begins with the index that was read under the lock, and
// again with what another writer has made of it meanwhile.
func (r *applier) swap(ctx context.Context, next *stage.Stage, others []*stage.Stage, entries []entry) error {
	for attempt := 1; ; attempt++ {
		x := r.index
		r.index = nil // it is used up, and may be large
		if err := r.editIndex(x, others, entries); err != nil {
			return err
		}
		prepared, err := r.store.PrepareSwap(x)
		if err != nil {
			return err
		}
		if err := r.saveStage(ctx, next, stage.Pending, prepared.Before, prepared.After); err != nil {
			return err
		}
		if err = prepared.Commit(ctx); !errors.Is(err, layout.ErrIndexChanged) {
			return err
		}
		if attempt == swapAttempts {
			return fmt.Errorf("%s: %w again and again; stop it, for it does not take the lock", r.store.Dir(), err)
		}
		if r.index, err = r.store.Index(ctx); err != nil {
			return err
		}
	}
}

// saveStage writes the staging state; Pending keeps the one before.
func (r *applier) saveStage(ctx context.Context, next *stage.Stage, state stage.State, before, after digest.Digest) error {
	next.State, next.Before, next.After = state, before, after
	next.Was = nil
	// Until the swap happens, what is taken over stands under the other spec's name.
	if state == stage.Pending && !r.takesOver {
		was := *r.stage
		was.Was = nil
		next.Was = &was
	}
	return stage.Save(ctx, r.store, next)
}

// nextStage is the staging state after this apply, in which the spec has the entries
// of index.json.
func (r *applier) nextStage(entries []entry) (*stage.Stage, error) {
	dir, err := stage.Place(r.store, r.opts.Dir, r.plan.Spec.File)
	if err != nil {
		return nil, err
	}
	next := *r.stage
	next.Dir = dir
	next.Objects, next.Tags = maps.Clone(r.stage.Objects), maps.Clone(r.stage.Tags)
	if next.Tags == nil {
		next.Tags = map[string]ocispec.Descriptor{}
	}
	// Those that are written anew come last; see own.
	changed := map[digest.Digest]int{}
	for _, e := range entries {
		if e.Ref == "" && (e.isRemoved() || e.isOwned()) {
			changed[e.desc.Digest] = absent
		}
	}
	next.Untagged = slices.DeleteFunc(slices.Clone(r.stage.Untagged), func(d ocispec.Descriptor) bool {
		_, ok := changed[d.Digest]
		return ok
	})
	for _, c := range r.plan.Changes {
		if c.Action == planner.Delete {
			delete(next.Objects, c.Key())
			r.result.Count(c.Action)
		} else if m, ok := r.built[c.Key()]; ok {
			next.Objects[c.Key()] = m.staged
		}
	}
	for _, e := range entries {
		updateOwned(&next, changed, e)
	}
	if len(r.plan.Options.Targets) == 0 {
		err = r.outputs(&next)
	}
	return &next, err
}

// absent is no place in a list.
const absent = -1

// updateOwned makes the change of an entry of index.json in the staging state.
// changed has the places of those without a ref name, absent for one that is not in
// the state, or not yet.
func updateOwned(next *stage.Stage, changed map[digest.Digest]int, e entry) {
	if !e.isRemoved() && !e.isOwned() {
		return
	}
	kept := e.desc
	if e.sealed {
		kept = next.SealEntry(kept)
	}
	switch {
	case e.isRemoved():
		delete(next.Tags, e.Ref)
	case e.Ref != "":
		next.Tags[e.Ref] = kept
	case changed[e.desc.Digest] != absent: // of two objects with the same bytes
		next.Untagged[changed[e.desc.Digest]] = kept
	default:
		changed[e.desc.Digest] = len(next.Untagged)
		next.Untagged = append(next.Untagged, kept)
	}
}

// outputs evaluates the outputs now that everything is known.
func (r *applier) outputs(next *stage.Stage) error {
	next.Outputs = map[string]stage.Output{}
	if r.plan.Options.Destroy {
		return nil
	}
	list, diags := r.graph.Outputs(r.knownBuilt)
	if diags.HasErrors() {
		return diags
	}
	for _, o := range list {
		value := o.Value
		if o.Sensitive {
			value = next.Seal(value)
		}
		next.Outputs[o.Name] = stage.Output{Value: value, Sensitive: o.Sensitive, Description: o.Description}
	}
	r.result.Outputs = list
	return nil
}
