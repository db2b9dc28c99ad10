package planner

import (
	"maps"
	"slices"

	"github.com/layform/layform/spec"
)

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
