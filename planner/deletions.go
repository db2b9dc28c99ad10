package planner

import (
	"slices"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec/addr"
)

// diffDeletions plans the removal of what the layout holds for the spec and the
// spec no longer describes; with Destroy, of all that it holds.
func (d *differ) diffDeletions(staged map[string]addr.ID) {
	steps := map[string]bool{}
	for _, s := range d.graph.Steps {
		steps[s.Key] = true
	}
	gone := map[string]bool{}
	for key, id := range staged {
		if d.opts.Destroy || !steps[key] {
			gone[key] = len(d.opts.Targets) == 0 || selected(d.opts.Targets, id.Address)
		}
	}
	if d.opts.Destroy {
		d.addDependents(gone)
	}
	for _, goes := range gone {
		if !goes {
			d.plan.LeftOut++
		}
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
	c := Change{Address: id.Address.String(), Kind: id.Address.Kind, Action: Delete, Before: stateBefore(was), Needs: was.Needs}
	if !id.Use.IsZero() {
		c.Use = id.Use.String()
	}
	return c
}

// addDependents adds all that was built from something in the set.
func (d *differ) addDependents(gone map[string]bool) {
	for grown := true; grown; {
		grown = false
		for key, o := range d.prior.Stage.Objects {
			if !gone[key] && slices.ContainsFunc(o.Needs, func(n string) bool { return gone[n] }) {
				gone[key], grown = true, true
			}
		}
	}
}
