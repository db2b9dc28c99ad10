package main

import (
	"context"
	"errors"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// planCmd shows what would change.
type planCmd struct {
	specFlags
	valueFlags
	shapeFlags
	runFlags
	formatFlag
	Out      string `name:"out" placeholder:"FILE" help:"Save the plan, to be carried out by apply FILE."`
	Destroy  bool   `name:"destroy" help:"Plan the removal of all that the spec owns."`
	Detailed bool   `name:"detailed-exitcode" help:"Exit with 2 when there are changes."`
}

// Help gives examples.
func (c *planCmd) Help() string {
	return `For example:
  layform plan
  layform plan --var version=v1.2 --target 'layer.app["arm64"]'
  layform plan --out image.plan --detailed-exitcode      then layform apply image.plan
  layform plan --format markdown > comment.md            for a pull request`
}

// Run makes a plan, saves it when asked, and shows it.
func (c *planCmd) Run(ctx context.Context, a *app) error {
	if err := c.runFlags.check(); err != nil {
		return err
	}
	if err := c.formatFlag.check(a); err != nil {
		return err
	}
	made, err := a.plan(ctx, c.specFlags, c.valueFlags, c.shapeFlags, c.runFlags, planMode{destroy: c.Destroy})
	if err != nil {
		return err
	}
	defer made.close()
	if c.Out != "" {
		if err := refuseUsed(c.Out, made); err != nil {
			return err
		}
		if err := savePlan(c.Out, made.plan); err != nil {
			return err
		}
	}
	if err := a.showPlan(made.plan, c.formatFlag); err != nil {
		return err
	}
	if c.Out != "" && !a.json {
		if err := a.sayHowToApply(c.Out, made.plan); err != nil {
			return err
		}
	}
	if c.Detailed && !made.plan.Empty() {
		a.code = exitChanges
	}
	return nil
}

// showPlan prints a plan as the command's result.
func (a *app) showPlan(p *planner.Plan, format formatFlag) error {
	if a.json {
		return a.print(view.Document{Type: view.TypePlan, Plan: p})
	}
	return format.draw(a, view.PlanReport(p, view.DefaultRows))
}

// planned is a plan with the layout that it was made against.
type planned struct {
	plan  *planner.Plan
	store *layout.Store
	// dir is the spec's directory, and bases reads the bases of the spec.
	dir   string
	bases *bases
	// spec and result are the spec and the planner's result; nil for a plan that an
	// earlier run made.
	spec   *spec.Spec
	result *planner.Result
	// cache remembers digests of sources and blobs; nil for no memory.
	cache *stage.Cache
}

// close closes the layout and the bases.
func (p *planned) close() error {
	var err error
	if p.store != nil {
		err = p.store.Close()
	}
	return errors.Join(err, p.bases.close())
}

// saveCache writes the stat cache, and removes what runs that were killed while
// they wrote it left, in a layout that a spec owns something in. One that cannot be
// written, as in a layout that is read-only, costs time alone.
func (p *planned) saveCache(ctx context.Context) {
	if specs, err := p.store.ListState("stage"); err != nil || len(specs) == 0 {
		return
	}
	_ = p.store.RemoveTemporaries()
	if p.cache != nil {
		_ = p.cache.Save(context.WithoutCancel(ctx))
	}
}

// planMode is the purpose of a plan.
type planMode struct {
	destroy bool
	// now is set for a plan that is applied at once.
	now bool
}

// plan loads the spec, observes and compares. The caller closes the store.
func (a *app) plan(ctx context.Context, s specFlags, v valueFlags, shape shapeFlags, r runFlags, mode planMode) (*planned, error) {
	epoch, err := a.epoch()
	if err != nil {
		return nil, err
	}
	made := &planned{dir: s.dir(), bases: a.newBases(s.dir(), s.File, &r.baseFlags)}
	if err := a.compose(ctx, made, s, v, shape, r, mode, epoch); err != nil {
		return nil, errors.Join(err, made.close())
	}
	return made, nil
}

// compose makes the plan. What it opens, made closes.
func (a *app) compose(ctx context.Context, made *planned, s specFlags, v valueFlags, shape shapeFlags, r runFlags, mode planMode, epoch *int64) error {
	load := func() (*spec.Spec, error) { return a.loadBased(ctx, s, v, made.bases) }
	if mode.destroy {
		load = func() (*spec.Spec, error) { return a.load(s, v) }
		if mode.now { // a plan that is saved holds the values
			load = func() (*spec.Spec, error) { return a.loadPlace(s, v) }
		}
	}
	sp, err := load()
	if err != nil {
		return err
	}
	store, err := openLayout(s.dir(), sp.LayoutPath)
	if err != nil {
		return err
	}
	made.store, made.spec = store, sp
	opts := planner.Options{Targets: shape.Target, Replace: shape.Replace, Adopt: shape.Adopt, TakeOver: shape.TakeOver.Moved, TakeOverSpec: shape.TakeOver.Spec, Destroy: mode.destroy}
	refresh := planner.RefreshOptions{Plan: opts, Parallelism: r.Parallelism, Epoch: epoch, Lazy: mode.now, Bases: made.bases}
	if !shape.NoCache {
		made.cache = stage.OpenCache(store)
		store.Remember(made.cache)
		refresh.Digests = made.cache
	}
	if made.result, err = planner.New(ctx, sp, store, refresh); err != nil {
		return err
	}
	if !mode.now { // an apply saves it at its end
		made.saveCache(ctx)
	}
	made.plan = made.result.Plan
	return made.bases.savePins()
}
