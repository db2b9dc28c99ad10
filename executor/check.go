package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// check finds out whether the plan is stale, without writing anything.
func (r *applier) check(ctx context.Context) error {
	if r.plan.Spec.Encoding != layer.Encoding {
		return fmt.Errorf("the plan was made for layers encoded by %s and this layform writes %s; run plan again", r.plan.Spec.Encoding, layer.Encoding)
	}
	planned := r.opts.Planned
	if planned == nil {
		err := r.checkLayout(ctx)
		if err != nil {
			return err
		}
		if planned, err = r.derive(ctx); err != nil {
			return err
		}
	} else if in, changed := planned.Graph.InputChanged(); changed && !r.plan.Options.Destroy {
		return staleInput(in)
	}
	r.graph, r.prior = planned.Graph, planned.Prior
	var err error
	r.root, err = os.OpenRoot(r.opts.Dir)
	return err
}

// checkLayout holds the layout and the staging state against the plan, and
// reads them.
func (r *applier) checkLayout(ctx context.Context) error {
	index, err := r.store.Index(ctx)
	if err != nil {
		return err
	}
	if index.Digest() != r.plan.Layout.Index {
		return &planner.StaleError{What: "index.json of the layout", Layout: true}
	}
	r.index = index
	claim, err := stage.Claimed(ctx, r.store, r.plan.Spec.Name, r.plan.Options.TakeOverSpec)
	if err != nil {
		return err
	}
	if claim.Digest != r.plan.Layout.Stage {
		return &planner.StaleError{What: "the staging state of the spec", Layout: true}
	}
	var place *stage.PlaceError
	if err := claim.Stage.CheckPlace(r.store, r.opts.Dir, r.plan.Spec.File); err != nil && !(errors.As(err, &place) && claim.Stage.Dir == r.plan.TakenOver) {
		return err
	}
	r.stage, r.takesOver = claim.Stage.Salted(), claim.TakesOver
	r.created = nil
	for _, rec := range claim.Records {
		if rec.Created {
			r.created = append(r.created, rec.Descriptor.Digest)
		}
	}
	return nil
}

// loadSpec loads the spec of a saved plan from what the plan records, whatever its files
// hold by now, and checks that files that functions read are what they were.
func (r *applier) loadSpec(ctx context.Context) (*spec.Spec, error) {
	record := r.plan.Spec
	opts := spec.LoadOptions{
		Sources: record.Sources, Recorded: record.Variables,
		Environ: r.opts.Environ, Arguments: r.opts.Arguments, Version: r.opts.Version,
	}
	if r.opts.Bases != nil && !r.plan.Options.Destroy {
		opts.Bases = func(requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
			return r.opts.Bases.Resolve(ctx, requests)
		}
	}
	sp, diags := spec.Load(r.opts.Dir, opts)
	if diags.HasErrors() {
		return nil, diags
	}
	sp.File = record.File // recorded sources do not tell
	if !r.plan.Options.Destroy {
		now := sp.Inputs()
		for _, in := range record.Inputs {
			if !slices.Contains(now, in) {
				return nil, staleInput(in)
			}
		}
	}
	return sp, nil
}

// staleInput says that an input is not what the plan was made from.
func staleInput(in spec.Input) error {
	return &planner.StaleError{What: fmt.Sprintf("what %s reads at %s", in.Function, in.Path)}
}

// observe looks at what a layer is made of; its files are hashed as it is written.
func (r *applier) observe(ctx context.Context, l *spec.Layer, object *spec.Object) (*source.Observed, error) {
	seen, diags := source.Observe(ctx, r.root, l, source.Options{
		Epoch: planner.Seconds(r.plan.Spec.Epoch), Parallelism: r.opts.Parallelism,
		Digests: r.opts.Digests, Range: object.Range,
	})
	if diags.HasErrors() {
		return nil, diags
	}
	return seen, nil
}
