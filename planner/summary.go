package planner

import (
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
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
	// Objects that are made of the same have one blob.
	written, recipes := map[digest.Digest]bool{}, map[recipe]bool{}
	for _, c := range d.plan.Changes {
		s.Count(c.Action)
		if !c.Write {
			continue
		}
		from := recipe{c.Kind, c.After.Fingerprint}
		// What is replaced may be there, and be rebuilt for nothing.
		if recipes[from] || written[c.After.Digest] || d.prior.Blobs[c.After.Digest] == layout.Intact {
			continue
		}
		recipes[from], written[c.After.Digest] = from.fingerprint != "", c.After.Digest != ""
		s.WriteBlobs++
		s.WriteContent += c.After.Content
	}
	s.WriteBlobs += len(d.plan.writtenImplied())
	for _, b := range d.plan.Sweep {
		s.DeleteBlobs++
		s.DeleteBytes += b.Size
	}
}
