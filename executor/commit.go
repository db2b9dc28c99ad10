package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor/image"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// ConflictError says that a tag that the spec asks for belongs to somebody else.
type ConflictError struct {
	Ref string
	// Is is what the tag leads to, Want what the spec builds.
	Is, Want digest.Digest
}

// Error names the tag and what to do.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("tag %q leads to %s, which this spec did not put there, and the spec builds %s: choose another tag, or take the tag over with --adopt", e.Ref, e.Is, e.Want)
}

// commit swaps index.json, and remembers and sweeps what follows from it.
func (r *run) commit(ctx context.Context) error {
	if err := r.store.SyncBlobs(ctx); err != nil {
		return err
	}
	next, entries, err := r.nextStage()
	if err != nil {
		return err
	}
	others, err := r.others(ctx)
	if err != nil {
		return err
	}
	next.Blobs = union(next.Blobs, ownedBy(others, used(next)))
	if err := r.swap(ctx, next, others, entries); err != nil {
		return err
	}
	r.swapped = true
	// From here on, what is left undone is only untidy.
	ctx = context.WithoutCancel(ctx)
	after := next.After
	swept := r.plan.Layout.Index == "" || next.Before == r.plan.Layout.Index
	if swept {
		if swept, err = r.sweepAfter(ctx, next); err != nil {
			return err
		}
	}
	handOver(next, ownedBy(others, next.Blobs), used(next))
	if r.plan.Recover {
		if err := r.forgetMissing(ctx, next); err != nil {
			return err
		}
	}
	if next.Nothing() {
		err = stage.Remove(ctx, r.store, next.Spec)
	} else {
		err = r.saveStage(ctx, next, stage.Done, next.Before, after)
	}
	if err != nil {
		return err
	}
	if r.result.Unswept = !swept; !swept {
		// Another tool wrote index.json during this apply, and may be about to refer
		// to what was replaced. The journal makes the next apply sweep it.
		return nil
	}
	return stage.ClearJournal(r.store, next.Spec)
}

// swapAttempts is how often the swap begins again for a writer who ignores the lock.
const swapAttempts = 10

// swap replaces index.json by what the plan makes of it, with the staging state
// pending around it. It begins with the index that was read under the lock, and
// again with what another writer has made of it meanwhile.
func (r *run) swap(ctx context.Context, next *stage.Stage, others []*stage.Stage, entries []ocispec.Descriptor) error {
	for attempt := 1; ; attempt++ {
		if err := r.edit(r.index, next, others, entries); err != nil {
			return err
		}
		prepared, err := r.store.PrepareSwap(r.index)
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
func (r *run) saveStage(ctx context.Context, next *stage.Stage, state stage.State, before, after digest.Digest) error {
	next.State, next.Before, next.After = state, before, after
	next.Was = nil
	if state == stage.Pending {
		was := *r.stage
		was.Was = nil
		next.Was = &was
	}
	return stage.Save(ctx, r.store, next)
}

// nextStage is the staging state after this apply, and the entries of
// index.json that the plan puts there.
func (r *run) nextStage() (*stage.Stage, []ocispec.Descriptor, error) {
	dir, err := stage.Place(r.store, r.opts.Dir, r.plan.Spec.File)
	if err != nil {
		return nil, nil, err
	}
	next := &stage.Stage{
		Spec:     r.plan.Spec.Name,
		Dir:      dir,
		Salt:     r.stage.Salt,
		Serial:   r.stage.Serial,
		Objects:  maps.Clone(r.stage.Objects),
		Tags:     maps.Clone(r.stage.Tags),
		Untagged: slices.Clone(r.stage.Untagged),
		Blobs:    slices.Clone(r.stage.Blobs),
		Outputs:  r.stage.Outputs,
		Archive:  r.stage.Archive,
	}
	if next.Objects == nil {
		next.Objects = map[string]stage.Object{}
	}
	if next.Tags == nil {
		next.Tags = map[string]ocispec.Descriptor{}
	}
	r.dropGone(next)
	var entries []ocispec.Descriptor
	owner := map[string]string{}
	for _, c := range r.plan.Changes {
		m, ok := r.made[c.Key()]
		if !ok || c.Action == planner.Delete {
			continue
		}
		next.Objects[c.Key()] = m.staged
		sealed := hidesEntry(m.object)
		for _, w := range r.graph.IndexEntries(m.object) {
			d := r.entry(m)
			if w.Ref != "" {
				// Tags that were unknown until now were not compared before.
				if first, twice := owner[w.Ref]; twice {
					return nil, nil, fmt.Errorf("the tag %q is asked for by %s and by %s; one ref name leads to one object", w.Ref, first, c.Address)
				}
				owner[w.Ref] = c.Address
				d = image.Tagged(d, w.Ref)
				next.Tags[w.Ref] = kept(next, sealed, d)
			} else {
				next.Untagged = append(next.Untagged, kept(next, sealed, d))
			}
			entries = append(entries, d)
		}
	}
	next.Blobs = union(next.Blobs, r.created)
	if len(r.plan.Options.Targets) == 0 {
		if err := r.outputs(next); err != nil {
			return nil, nil, err
		}
	}
	return next, entries, nil
}

// hidesEntry reports whether an object's entries of index.json hold a sensitive value.
func hidesEntry(object spec.Object) bool {
	return slices.ContainsFunc(object.Fields, func(f spec.Field) bool {
		return f.Sensitive && strings.HasPrefix(f.Path, "descriptor_annotations")
	})
}

// kept is the form in which the staging state keeps an entry.
func kept(next *stage.Stage, sealed bool, entry ocispec.Descriptor) ocispec.Descriptor {
	if sealed {
		return next.SealEntry(entry)
	}
	return entry
}

// dropGone takes out of the staging state what the plan removes, and what it
// puts there anew.
func (r *run) dropGone(next *stage.Stage) {
	replaced, planned := map[digest.Digest]bool{}, map[string]bool{}
	for _, c := range r.plan.Changes {
		planned[c.Key()] = true
		if c.Before != nil && (c.Action == planner.Delete || r.made[c.Key()].object.Body != nil) {
			replaced[c.Before.Digest] = true
		}
		if c.Action == planner.Delete {
			delete(next.Objects, c.Key())
			r.result.Destroyed++
		}
	}
	for key, o := range next.Objects {
		// What targets leave out may have the bytes, and so the entry, of what goes.
		if !planned[key] {
			delete(replaced, o.Descriptor.Digest)
		}
	}
	for _, t := range r.plan.Tags {
		if t.Action == planner.Delete && t.Ref != "" {
			delete(next.Tags, t.Ref)
		}
	}
	for _, d := range r.plan.Drift {
		// A tag that somebody moved and that the spec no longer asks for is theirs.
		if d.Kind == planner.DriftTagMoved && d.Key == "" {
			delete(next.Tags, d.Ref)
		}
	}
	next.Untagged = slices.DeleteFunc(next.Untagged, func(d ocispec.Descriptor) bool { return replaced[d.Digest] })
}

// outputs evaluates the outputs now that everything is known.
func (r *run) outputs(next *stage.Stage) error {
	next.Outputs = map[string]stage.Output{}
	if r.plan.Options.Destroy {
		return nil
	}
	list, diags := r.graph.Outputs(r.known)
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

// edit brings index.json to what the plan says, and touches no entry that
// belongs to somebody else. An entry without a ref name may belong to several
// specs: it goes with the last one.
func (r *run) edit(x *layout.Index, next *stage.Stage, others []*stage.Stage, entries []ocispec.Descriptor) error {
	for ref, was := range r.stage.Tags {
		if _, stays := next.Tags[ref]; stays {
			continue
		}
		if is := x.Resolve(ref); len(is) == 1 && is[0].Digest == was.Digest {
			x.Remove(ref)
		}
	}
	for _, was := range r.stage.Untagged {
		stays := func(s *stage.Stage) bool {
			return slices.ContainsFunc(s.Untagged, func(d ocispec.Descriptor) bool { return d.Digest == was.Digest })
		}
		if !stays(next) && !slices.ContainsFunc(others, stays) {
			x.RemoveUntagged(was.Digest)
		}
	}
	seen := map[planner.TagChange]bool{}
	for _, t := range r.plan.Tags {
		seen[planner.TagChange{Ref: t.Ref, Before: t.Before}] = true
	}
	for _, d := range entries {
		if err := r.checkOwner(x, d, seen); err != nil {
			return err
		}
		if err := x.Set(d); err != nil {
			return err
		}
	}
	return nil
}

// checkOwner refuses to take a tag from somebody else: one that the spec does
// not own, or one of its own that was moved since the plan was made. seen holds
// the ref names of the plan with what they led to.
func (r *run) checkOwner(x *layout.Index, d ocispec.Descriptor, seen map[planner.TagChange]bool) error {
	ref := layout.RefName(d)
	if ref == "" {
		return nil
	}
	_, owned := r.stage.Tags[ref]
	for _, is := range x.Resolve(ref) {
		planned := seen[planner.TagChange{Ref: ref, Before: is.Digest}]
		if is.Digest != d.Digest && !(planned && (owned || r.plan.Options.Adopt)) {
			return &ConflictError{Ref: ref, Is: is.Digest, Want: d.Digest}
		}
	}
	return nil
}

// undo removes what this run put into the layout before it failed.
func (r *run) undo(ctx context.Context) error {
	before := *r.stage
	before.Blobs = r.created
	swept, err := r.sweep(ctx, &before)
	if err != nil {
		return err
	}
	*r.result = Result{}
	if !swept {
		return nil
	}
	return stage.ClearJournal(r.store, r.plan.Spec.Name)
}

// sweepAfter is sweep right after the swap. It reports false as well when another
// tool has written index.json since.
func (r *run) sweepAfter(ctx context.Context, next *stage.Stage) (bool, error) {
	if len(unused(next)) == 0 {
		return true, nil
	}
	now, err := r.store.Index(ctx)
	if err != nil || now.Digest() != next.After {
		return false, err
	}
	return r.sweep(ctx, next)
}

// sweep removes the blobs that the spec owns and that nothing reaches any more,
// and with them what was remembered of them. It reports false when it stopped
// because another tool wrote index.json meanwhile.
func (r *run) sweep(ctx context.Context, next *stage.Stage) (bool, error) {
	candidates := unused(next)
	if len(candidates) == 0 {
		return true, nil
	}
	var keep []ocispec.Descriptor
	for _, o := range next.Objects {
		keep = append(append(keep, o.Descriptor), o.Implied...)
	}
	others, err := r.others(ctx)
	if err != nil {
		return false, err
	}
	for _, other := range others {
		for _, o := range other.Objects {
			keep = append(append(keep, o.Descriptor), o.Implied...)
		}
	}
	swept, err := r.store.Sweep(ctx, candidates, keep)
	if err != nil {
		return false, err
	}
	r.result.DeletedBlobs, r.result.DeletedBytes = len(swept.Blobs), swept.Bytes
	gone := map[digest.Digest]bool{}
	for _, dgst := range swept.Blobs {
		gone[dgst] = true
		if err := stage.RemoveTOC(ctx, r.store, dgst); err != nil {
			return false, err
		}
	}
	next.Blobs = slices.DeleteFunc(next.Blobs, func(d digest.Digest) bool { return gone[d] })
	return !swept.Stopped, nil
}

// forgetMissing forgets the blobs that an interrupted sweep removed without
// saying so, or that an interrupted build announced and did not write.
func (r *run) forgetMissing(ctx context.Context, next *stage.Stage) error {
	there, err := r.store.Present(ctx)
	if err != nil {
		return err
	}
	next.Blobs = slices.DeleteFunc(next.Blobs, func(d digest.Digest) bool { return !there[d] })
	_, err = stage.PruneTOCs(ctx, r.store, there)
	return err
}
