// Package executor carries out plans: it builds blobs, swaps index.json once, and
// records the result.
//
// The rename of index.json is the only commit point. Whatever happens before
// it, the layout holds what it held; whatever happens after it, the layout holds
// what the plan describes. A run that died is taken up by the next one without
// building again what was built.
//
// A directory becomes a layout with the swap of index.json and not before: an apply
// that fails until then leaves a layout as it was, and makes none where there was
// none. What remains is the directory with empty folders and with .layform, for the
// lock in there is never removed: a waiting run would be left with another file than
// a later one. Only a swap that itself fails may leave a valid layout without
// entries, because other tools may already have taken it for theirs. An apply whose
// context ends keeps what it has built for the next one.
package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// Apply carries out a plan on a layout: exactly that plan, or nothing. It reports a
// *planner.StaleError when the layout, the staging state or a source moved since the
// plan, a *ConflictError when a tag belongs to somebody else, both before the index is
// touched, and a *ChangedError when a source moves meanwhile. The result tells how far
// it got, also then.
func Apply(ctx context.Context, store *layout.Store, plan *planner.Plan, opts Options) (result *Result, err error) {
	if opts.Parallelism <= 0 {
		opts.Parallelism = runtime.GOMAXPROCS(0)
	}
	r := &applier{store: store, plan: plan, opts: opts, result: &Result{}}
	if err := r.check(ctx); err != nil {
		return r.result, err
	}
	defer r.root.Close()
	if plan.Empty() && !plan.Recover {
		return r.result, r.checkLayout(ctx)
	}
	unlock, err := store.Lock(ctx, layout.Holder{Operation: "apply"}, opts.LockTimeout)
	if err != nil {
		return r.result, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// While we waited for the lock, somebody may have changed the layout.
	if err := r.checkLayout(ctx); err != nil {
		return r.result, err
	}
	if err = r.buildAll(ctx); err == nil {
		err = r.commit(ctx)
	}
	if err == nil {
		err = r.archives(ctx)
	}
	if r.swapped {
		r.result.Objects = r.objects()
	}
	if err != nil && !r.swapped && ctx.Err() == nil {
		// The user has to change something first, so what was built is removed.
		// An apply that was told to stop keeps it.
		err = errors.Join(err, r.undo(ctx))
	}
	return r.result, err
}

// applier is the state of one Apply.
type applier struct {
	store  *layout.Store
	plan   *planner.Plan
	opts   Options
	result *Result

	graph *planner.Graph
	root  *os.Root
	stage *stage.Stage
	// takesOver is set when stage is still that of the spec stage.From.
	takesOver bool
	journal   *stage.Journal
	// prior is the observation before the build.
	prior *planner.Prior
	// index is index.json as it was read under the lock.
	index *layout.Index

	mu sync.Mutex
	// impliedBlobs are the implied blobs so far.
	impliedBlobs map[digest.Digest]*impliedBlob
	// built are the objects in the layout, by key.
	built map[string]builtObject
	// swapped is set once index.json was replaced.
	swapped bool
	// created are the blobs that this run, or one that died, put into the layout, and
	// written those of this run.
	created []digest.Digest
	written map[digest.Digest]bool
}

// builtObject is an object whose blob is in the layout.
type builtObject struct {
	object *spec.Object
	staged stage.Object
}

func (m builtObject) asBuilt() spec.Built { return planner.BuiltOf(m.staged) }

// buildAll builds the objects of the plan, each as soon as its dependencies are in the
// layout.
func (r *applier) buildAll(ctx context.Context) error {
	var err error
	if r.journal, err = stage.OpenJournal(r.store, r.plan.Spec.Name); err != nil {
		return err
	}
	defer r.journal.Close()
	steps := r.graph.Steps
	if r.plan.Options.Destroy {
		steps = nil
	}
	r.built, r.written = map[string]builtObject{}, map[digest.Digest]bool{}
	r.impliedBlobs = map[digest.Digest]*impliedBlob{}
	r.putBases()
	changes := make(map[string]*planner.Change, len(r.plan.Changes))
	for i := range r.plan.Changes {
		changes[r.plan.Changes[i].Key()] = &r.plan.Changes[i]
	}
	if err := r.placeLayers(ctx); err != nil {
		return err
	}
	return inOrder(ctx, steps, r.opts.Parallelism, func(ctx context.Context, u planner.Step) error {
		return r.carryOut(ctx, u, changes[u.Key])
	})
}

// carryOut brings one step to the state that the plan has for it. One that the plan leaves out,
// with no change, is taken as the staging state has it, or not at all.
func (r *applier) carryOut(ctx context.Context, u planner.Step, change *planner.Change) error {
	staged, built := r.stage.Objects[u.Key]
	if change == nil && !built {
		return nil
	}
	object, diags := r.graph.Evaluate(u.Address, r.knownBuilt)
	if diags.HasErrors() {
		return diags
	}
	if change != nil {
		if !object.Known() {
			return fmt.Errorf("%s: a value is not known although all that it refers to has been built", u.Key)
		}
		if err := sameValues(*change, object); err != nil {
			return err
		}
		if change.Action != planner.NoOp {
			return r.build(ctx, u, *change, object)
		}
	}
	if !built {
		return &planner.StaleError{What: "the staging state of " + u.Key}
	}
	staged.Implied, staged.Remote = impliedOf(u), u.Remote
	if l, ok := object.Body.(*spec.Layer); ok {
		staged.ContentSensitive = l.ContentSensitive()
	}
	if now := r.prior.Evaluated[u.Key]; now.Fingerprint == staged.Fingerprint {
		staged.Raw, staged.Below = now.Raw, now.Below
	}
	r.addBuilt(u.Key, builtObject{object: object, staged: staged}, planner.NoOp)
	return nil
}

// addBuilt remembers an object whose blob is in the layout, and counts the action.
func (r *applier) addBuilt(key string, m builtObject, action planner.Action) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.built[key] = m
	r.result.Count(action)
}

// objects are the objects that the plan changes, as they came out.
func (r *applier) objects() []Object {
	var out []Object
	for _, c := range r.plan.Changes {
		if m, ok := r.builtObject(c.Key()); ok && c.Action != planner.NoOp {
			out = append(out, Object{Key: c.Key(), Action: c.Action, Built: m.asBuilt()})
		}
	}
	return out
}

// builtObject is the object that addBuilt has remembered under a key.
func (r *applier) builtObject(key string) (builtObject, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.built[key]
	return m, ok
}

// knownBuilt is the spec.Known of the objects that were built.
func (r *applier) knownBuilt(a spec.Address) (spec.Built, bool) {
	m, ok := r.builtObject(a.String())
	return m.asBuilt(), ok
}

// sameValues checks that no value that the plan knew comes out differently. A
// sensitive one is not in the plan: the variables and files that it comes from are
// held against the plan instead.
func sameValues(change planner.Change, object *spec.Object) error {
	now := map[string]spec.Field{}
	for _, f := range object.Fields {
		now[f.Path] = f
	}
	for _, f := range change.After.Fields {
		if f.Unknown {
			continue
		}
		if is, ok := now[f.Path]; !ok || is.Sensitive != f.Sensitive || !f.Sensitive && is.Value != f.Value {
			return &planner.StaleError{What: fmt.Sprintf("the value %s of %s", f.Path, change.Address)}
		}
	}
	return nil
}
