package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// applyCmd makes the layout hold what the spec describes.
type applyCmd struct {
	Plan string `arg:"" optional:"" name:"plan" help:"A plan that plan --out saved, to be carried out as it is."`
	specFlags
	valueFlags
	shapeFlags
	executeFlags
	Destroy      bool `name:"destroy" help:"Remove all that the spec owns, like the command destroy."`
	AutoApprove  bool `name:"auto-approve" help:"Do not ask before acting."`
	AllowOutside bool `name:"allow-outside" help:"Let a saved plan use a spec or layout that lies neither below the directory of the plan file nor below the working directory."`
}

// Help gives examples.
func (c *applyCmd) Help() string {
	return `For example:
  layform apply                       shows the plan, asks, and does it
  layform apply --auto-approve        does not ask
  layform apply image.plan            what layform plan --out image.plan saved, and nothing else`
}

// Run applies a saved plan, or makes one, asks, and applies it.
func (c *applyCmd) Run(ctx context.Context, a *app) error {
	if c.Plan != "" {
		return c.applySaved(ctx, a)
	}
	return a.applyNew(ctx, c.specFlags, c.valueFlags, c.shapeFlags, c.executeFlags, c.Destroy, c.AutoApprove)
}

// destroyCmd removes all that the spec owns.
type destroyCmd struct {
	specFlags
	valueFlags
	Target   []string `name:"target" sep:"none" placeholder:"ADDRESS" help:"Only this object. Repeatable."`
	TakeOver takeOver `name:"take-over" help:"Remove what a spec of the same name put into the layout from another directory or file, as when the spec moved; --take-over=NAME removes what the spec of that name has there."`
	parallelFlags
	waitFlags
	AutoApprove bool `name:"auto-approve" help:"Do not ask before acting."`
}

// Help gives examples.
func (c *destroyCmd) Help() string {
	return `For example:
  layform plan --destroy                       shows what would go
  layform destroy
  layform destroy --target manifest.debug`
}

// Run is apply --destroy, which asks no registry about bases.
func (c *destroyCmd) Run(ctx context.Context, a *app) error {
	r := executeFlags{runFlags: runFlags{parallelFlags: c.parallelFlags}, waitFlags: c.waitFlags}
	return a.applyNew(ctx, c.specFlags, c.valueFlags, shapeFlags{Target: c.Target, TakeOver: c.TakeOver}, r, true, c.AutoApprove)
}

// applySaved carries out a saved plan, without asking.
func (c *applyCmd) applySaved(ctx context.Context, a *app) error {
	if err := c.executeFlags.check(); err != nil {
		return err
	}
	if err := c.refuseShape(); err != nil {
		return err
	}
	p, err := readPlan(c.Plan)
	if err != nil {
		return err
	}
	a.files = map[string]*hcl.File{}
	for _, source := range p.Spec.Sources {
		a.files[source.Name] = &hcl.File{Bytes: []byte(source.Text)}
	}
	if err := refuseVars(p, c.Var); err != nil {
		return err
	}
	if err := a.warnOfEdits(p); err != nil {
		return err
	}
	values, err := a.values(c.valueFlags)
	if err != nil {
		return err
	}
	if err := c.refuseOutside(p); err != nil {
		return err
	}
	dir := cmp.Or(p.Spec.Dir, ".")
	store, err := openLayout(dir, p.Layout.Path)
	if err != nil {
		return err
	}
	made := &planned{plan: p, store: store, dir: dir, bases: a.newBases(dir, p.Spec.File, &c.baseFlags), cache: stage.OpenCache(store)}
	defer made.close()
	if !a.json {
		if err := a.show(view.PlanReport(p, view.DefaultRows)); err != nil {
			return err
		}
	}
	store.Remember(made.cache)
	return a.execute(ctx, made, &values, c.executeFlags)
}

// warnOfEdits warns where the files of the spec are not those that a saved plan was
// made from. The plan holds their text and is carried out as it is, here as on a machine
// that has none of the files.
func (a *app) warnOfEdits(p *planner.Plan) error {
	name, changed := spec.SourcesChanged(cmp.Or(p.Spec.Dir, "."), p.Spec.File, p.Spec.Sources)
	if !changed {
		return nil
	}
	return a.warn(hcl.Diagnostics{{
		Severity: hcl.DiagWarning, Summary: "The spec changed after the plan was made",
		Detail: fmt.Sprintf("%s is not the file that the plan was made from. What the plan holds is carried out; a new plan shows what the file asks for now.", name),
	}})
}

// refuseShape refuses flags that shape a plan beside a plan that is made already.
func (c *applyCmd) refuseShape() error {
	given := []struct {
		flag string
		set  bool
	}{
		{"--file", c.File != ""},
		{"--target", len(c.Target) > 0},
		{"--replace", len(c.Replace) > 0},
		{"--adopt", c.Adopt},
		{"--take-over", c.TakeOver != takeOver{}},
		{"--destroy", c.Destroy},
		{"--no-stat-cache", c.NoCache},
	}
	for _, g := range given {
		if g.set {
			return &failure{
				message: g.flag + " has no meaning beside a saved plan",
				hint:    "give it to layform plan, and apply what that saves",
			}
		}
	}
	return nil
}

// refuseVars refuses --var for a variable whose value the plan holds. Sensitive
// ones are not in the plan and must be given again.
func refuseVars(p *planner.Plan, vars valueArgs) error {
	for _, arg := range vars {
		name, _, _ := strings.Cut(arg.text, "=")
		for _, v := range p.Spec.Variables {
			if v.Name == strings.TrimSpace(name) && !v.Sensitive {
				return &failure{
					message: fmt.Sprintf("--var %s: the saved plan holds the value of this variable", v.Name),
					hint:    "only sensitive variables are given again to apply PLAN; make a new plan for another value",
				}
			}
		}
	}
	return nil
}

// applyNew makes a plan, shows it, asks, and carries it out.
func (a *app) applyNew(ctx context.Context, s specFlags, v valueFlags, shape shapeFlags, r executeFlags, destroy, approved bool) error {
	if err := r.check(); err != nil {
		return err
	}
	if a.json && !approved {
		return &failure{message: "--json does not ask", hint: "add --auto-approve, or apply a saved plan"}
	}
	for {
		made, err := a.plan(ctx, s, v, shape, r.runFlags, planMode{destroy: destroy, now: true})
		if err != nil {
			return err
		}
		err = a.confirmAndExecute(ctx, made, r, approved)
		err = errors.Join(err, made.close())
		var stale *planner.StaleError
		if !approved || r.LockTimeout == 0 || !errors.As(err, &stale) || !stale.Layout {
			return err
		}
		// What another run did while this one waited for it asks for another plan.
		a.notes = nil
		if err := writeTo(a.stderr, "layform: another run changed the layout; planning again\n"); err != nil {
			return err
		}
	}
}

// confirmAndExecute shows a new plan, asks unless that is approved beforehand,
// and carries the plan out.
func (a *app) confirmAndExecute(ctx context.Context, made *planned, r executeFlags, approved bool) error {
	if !a.json {
		if err := a.show(view.PlanReport(made.plan, view.DefaultRows)); err != nil {
			return err
		}
		// What was shown is not needed again, and of large layers takes as much
		// memory as what they are built from.
		for i := range made.plan.Changes {
			made.plan.Changes[i].Files = nil
		}
	}
	if !approved && !made.plan.Empty() {
		if err := a.ask(ctx, made.plan); err != nil {
			return err
		}
	}
	return a.execute(ctx, made, nil, r)
}

// execute carries out a plan and shows what was done. values are those of variables
// that a saved plan does not keep.
func (a *app) execute(ctx context.Context, made *planned, values *spec.LoadOptions, r executeFlags) error {
	p := made.plan
	// Building layers takes memory, which is bounded: see main.
	collectOften()
	bar := a.newProgress(p)
	opts := executor.Options{
		Dir: made.dir, Parallelism: r.Parallelism, LockTimeout: r.LockTimeout,
		Planned: made.result, Bases: made.bases, Progress: bar.event,
	}
	if values != nil {
		opts.Environ, opts.Arguments, opts.Version = values.Environ, values.Arguments, values.Version
	}
	if made.cache != nil {
		opts.Digests = made.cache
	}
	result, err := executor.Apply(ctx, made.store, p, opts)
	bar.finish()
	made.saveCache(ctx)
	done := view.NewDone(result)
	if err != nil {
		return a.applyError(err, p, done)
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeApply, Plan: p, Apply: done})
	}
	if p.Empty() && !p.Recover {
		return nil
	}
	if err := writeTo(a.stdout, "\n"); err != nil {
		return err
	}
	return a.show(view.DoneReport(done, p.Options.Destroy))
}

// applyError adds to an error how far the apply got.
func (a *app) applyError(err error, p *planner.Plan, done *view.Done) error {
	f := &failure{err: err, partial: &view.Document{Type: view.TypeApply, Plan: p, Apply: done}}
	var stale *planner.StaleError
	var changed *executor.ChangedError
	var conflict *executor.ConflictError
	if done != nil && done.WrittenBlobs > 0 && !errors.As(err, &stale) && !errors.As(err, &changed) && !errors.As(err, &conflict) {
		f.hint = "index.json is written last, so the layout is valid; apply again to go on from here"
	}
	return f
}
