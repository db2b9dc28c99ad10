package planner

import (
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// deletions plans the removal of what the layout holds for the spec and the
// spec no longer describes; with Destroy, of all that it holds.
func (d *differ) deletions(staged map[string]addr.ID) {
	steps := map[string]bool{}
	for _, s := range d.graph.Steps {
		steps[s.Key] = true
	}
	gone := map[string]bool{}
	for key, id := range staged {
		if d.opts.Destroy || !steps[key] {
			if gone[key] = len(d.opts.Targets) == 0 || selected(d.opts.Targets, id.Address); !gone[key] && !steps[key] {
				d.plan.LeftOut++
			}
		}
	}
	if d.opts.Destroy {
		d.dependents(gone)
	}
	// What was built last goes first, so that nothing is left without what it needs.
	for _, key := range slices.Backward(InBuildOrder(staged)) {
		if !gone[key] {
			continue
		}
		was := d.prior.Stage.Objects[key]
		c := deletion(staged[key], was)
		if d.opts.Destroy {
			c.add(ReasonRequested, "", "the spec's objects are destroyed")
		} else {
			c.add(ReasonGone, "", "the spec no longer describes it")
		}
		d.plan.Changes = append(d.plan.Changes, c)
	}
}

// deletion is the change that removes a staged object.
func deletion(id addr.ID, was stage.Object) Change {
	c := Change{Address: id.Address.String(), Kind: id.Address.Kind, Action: Delete, Before: before(was), Needs: was.Needs}
	if !id.Use.IsZero() {
		c.Use = id.Use.String()
	}
	return c
}

// dependents adds all that was built from something in the set.
func (d *differ) dependents(gone map[string]bool) {
	for grown := true; grown; {
		grown = false
		for key, o := range d.prior.Stage.Objects {
			if !gone[key] && slices.ContainsFunc(o.Needs, func(n string) bool { return gone[n] }) {
				gone[key], grown = true, true
			}
		}
	}
}

// diffOutputs compares the outputs of the last apply with those of the spec. A
// plan that is limited to targets leaves them as they are.
func (d *differ) diffOutputs() {
	if len(d.opts.Targets) > 0 {
		return
	}
	now := map[string]spec.Output{}
	if !d.opts.Destroy {
		for _, o := range d.prior.Outputs {
			now[o.Name] = o
		}
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(now)), maps.Keys(d.prior.Stage.Outputs))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		was, had := d.prior.Stage.Outputs[name]
		is, has := now[name]
		if is.Sensitive && has {
			is.Value = d.prior.Stage.Seal(is.Value)
		}
		c := OutputChange{Name: name, Action: NoOp, Before: spec.JSON(was.Value), After: spec.JSON(is.Value), Unknown: is.Unknown, Sensitive: is.Sensitive || was.Sensitive}
		switch {
		case !had:
			c.Action = Create
		case !has:
			c.Action = Delete
		case is.Unknown || was.Value != is.Value || was.Sensitive != is.Sensitive || was.Description != is.Description:
			c.Action = Update
		}
		if c.Sensitive {
			c.Before, c.After = "", ""
		}
		d.plan.Outputs = append(d.plan.Outputs, c)
	}
}

// summarise counts what the plan does.
func (d *differ) summarise() {
	s := &d.plan.Summary
	for _, c := range d.plan.Changes {
		switch c.Action {
		case Create:
			s.Add++
		case Update:
			s.Change++
		case Delete:
			s.Destroy++
		case Replace:
			s.Add++
			s.Destroy++
		}
		if c.Write {
			s.WriteBlobs++
			s.WriteContent += c.After.Content
		}
	}
	s.WriteBlobs += len(d.plan.writtenImplied())
	for _, size := range d.swept() {
		s.DeleteBlobs++
		s.DeleteBytes += size
	}
}

// swept lists the blobs, with their sizes, that nothing will reach any more.
func (d *differ) swept() map[digest.Digest]int64 {
	owned := map[digest.Digest]bool{}
	for _, blob := range d.prior.Stage.Blobs {
		owned[blob] = true
	}
	out := map[digest.Digest]int64{}
	touched := map[string]bool{}
	for _, c := range d.plan.Changes {
		if c.Action == NoOp {
			continue
		}
		touched[c.Key()] = true
		for _, desc := range stagedBlobs(d.prior.Stage.Objects[c.Key()]) {
			if owned[desc.Digest] {
				out[desc.Digest] = desc.Size
			}
		}
	}
	for _, c := range d.plan.Changes {
		if c.After != nil {
			delete(out, c.After.Digest)
		}
	}
	for _, s := range d.graph.Steps {
		for _, desc := range s.Implied {
			if !d.opts.Destroy && (d.chosen == nil || d.chosen[s.Key]) {
				delete(out, desc.Digest)
			}
		}
	}
	for key, o := range d.prior.Stage.Objects {
		if !touched[key] {
			for _, desc := range stagedBlobs(o) {
				delete(out, desc.Digest)
			}
		}
	}
	for held := range d.prior.Held {
		delete(out, held)
	}
	return out
}

// stagedBlobs are the blobs of a staged object: its own and the implied ones.
// An object that is not staged has none.
func stagedBlobs(o stage.Object) []ocispec.Descriptor {
	if o.Descriptor.Digest == "" {
		return nil
	}
	return append([]ocispec.Descriptor{o.Descriptor}, o.Implied...)
}
