package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// check finds out whether the plan is stale, without writing anything.
func (r *run) check(ctx context.Context) error {
	if r.plan.Spec.Encoding != layer.Encoding {
		return fmt.Errorf("the plan was made for layers encoded by %s and this layform writes %s; run plan again", r.plan.Spec.Encoding, layer.Encoding)
	}
	if err := r.checkLayout(ctx); err != nil {
		return err
	}
	if err := r.load(); err != nil {
		return err
	}
	var err error
	if r.root, err = os.OpenRoot(r.spec.Dir); err != nil {
		return err
	}
	look := r.checkSources
	if r.opts.Saved {
		look = r.derive
	}
	if err := look(ctx); err != nil {
		r.root.Close()
		return err
	}
	return nil
}

// checkLayout holds the layout and the staging state against the plan, and
// reads them.
func (r *run) checkLayout(ctx context.Context) error {
	index, err := r.store.Index(ctx)
	if err != nil {
		return err
	}
	if index.Digest() != r.plan.Layout.Index {
		return &planner.StaleError{What: "index.json of the layout", Layout: true}
	}
	st, stDigest, err := stage.Load(ctx, r.store, r.plan.Spec.Name)
	if err != nil {
		return err
	}
	if stDigest != r.plan.Layout.Stage {
		return &planner.StaleError{What: "the staging state of the spec", Layout: true}
	}
	var place *stage.PlaceError
	if err := st.CheckPlace(r.store, r.opts.Dir); err != nil && !(errors.As(err, &place) && st.Dir == r.plan.TakenOver) {
		return err
	}
	r.stage = st.Salted()
	records, err := stage.Built(r.store, r.plan.Spec.Name)
	if err != nil {
		return err
	}
	r.created = nil
	for _, rec := range records {
		if rec.Created {
			r.created = append(r.created, rec.Descriptor.Digest)
		}
	}
	return nil
}

// load evaluates the plan's spec and checks that files that functions read are
// what they were.
func (r *run) load() error {
	values := r.opts.Values
	values.Sources, values.Recorded = r.plan.Spec.Sources, r.plan.Spec.Variables
	sp, diags := spec.Load(r.opts.Dir, values)
	if diags.HasErrors() {
		return diags
	}
	if name, moved := spec.Moved(r.opts.Dir, r.plan.Spec.File, r.plan.Spec.Sources); r.opts.Saved && moved {
		return &planner.StaleError{What: "the spec file " + name}
	}
	if !r.plan.Options.Destroy {
		if moved, ok := firstMoved(r.plan.Spec.Inputs, sp.Inputs()); ok {
			return &planner.StaleError{What: moved}
		}
	}
	units, err := planner.UnitsOf(sp)
	if err != nil {
		return err
	}
	r.spec, r.units = sp, units
	return nil
}

// firstMoved names the first input that is not what the plan was made from.
func firstMoved(planned, now []spec.Input) (string, bool) {
	for _, in := range planned {
		if !slices.Contains(now, in) {
			return fmt.Sprintf("what %s reads at %s", in.Function, in.Path), true
		}
	}
	return "", false
}

// checkSources holds the sources of the layers that are going to be built against
// a plan that was made a moment ago. A layer whose content depends
// on what is built first can only be checked while it is built.
func (r *run) checkSources(ctx context.Context) error {
	r.observed = map[spec.Address]*source.Observed{}
	if r.opts.Observed != nil {
		maps.Copy(r.observed, r.opts.Observed)
		return nil
	}
	planned := map[string]planner.Change{}
	for _, c := range r.plan.Changes {
		planned[c.Key()] = c
	}
	for _, u := range r.units.All() {
		c, ok := planned[u.Key]
		if !ok || u.Address.Kind != spec.KindLayer || c.After == nil || c.After.Fingerprint == "" || !c.Write {
			continue
		}
		object, diags := r.spec.Evaluate(u.Address, func(a spec.Address) (spec.Built, bool) { return r.foreseen(a, planned) })
		if diags.HasErrors() {
			return diags
		}
		layer, ok := object.Body.(*spec.Layer)
		if !ok {
			continue
		}
		seen, err := r.observe(ctx, layer, object, source.Options{Hash: true})
		if err != nil {
			return err
		}
		filled := seen
		if seen.Tree != nil {
			filled = &source.Observed{Tree: seen.Tree.Fill(layer)}
		}
		if now, ok := filled.Fingerprint(layer); !ok || now != c.After.Fingerprint {
			return &planner.StaleError{What: "what " + u.Key + " is made of"}
		}
		r.observed[u.Address] = seen
	}
	return nil
}

// foreseen answers for spec.Evaluate from what the plan knows.
func (r *run) foreseen(a spec.Address, planned map[string]planner.Change) (spec.Built, bool) {
	key, ok := r.units.Single(a)
	if !ok {
		return spec.Built{}, false
	}
	c, ok := planned[key]
	if !ok {
		o, staged := r.stage.Objects[key]
		return builtOf(o), staged
	}
	if c.After == nil || c.After.Digest == "" {
		return spec.Built{}, false
	}
	built := spec.Built{DiffID: c.After.DiffID}
	built.Descriptor.MediaType, built.Descriptor.Digest, built.Descriptor.Size = c.After.MediaType, c.After.Digest, c.After.Size
	return built, true
}

// observe looks at what a layer is made of. Without opts.Hash, whoever writes the
// layer hashes its files. The options that are the same for all are filled in.
func (r *run) observe(ctx context.Context, l *spec.Layer, object spec.Object, opts source.Options) (*source.Observed, error) {
	opts.Epoch, opts.Parallelism = planner.Seconds(r.plan.Spec.Epoch), r.opts.Parallelism
	opts.Digests, opts.Range = r.opts.Digests, object.Range
	seen, diags := source.Observe(ctx, r.root, l, opts)
	if diags.HasErrors() {
		return nil, diags
	}
	return seen, nil
}
