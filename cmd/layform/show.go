package main

import (
	"context"

	"github.com/layform/layform/cmd/layform/view"
)

// showCmd shows a saved plan, or what the layout holds.
type showCmd struct {
	Plan string `arg:"" optional:"" name:"plan" help:"A plan that plan --out saved."`
	specFlags
	valueFlags
	formatFlag
	Detailed bool `name:"detailed-exitcode" help:"Exit with 2 when the saved plan has changes."`
}

// Help gives examples.
func (c *showCmd) Help() string {
	return `For example:
  layform show                 what the layout holds for the spec
  layform show image.plan      a saved plan`
}

// Run shows a plan file, or the state of the spec's layout.
func (c *showCmd) Run(ctx context.Context, a *app) error {
	if err := c.formatFlag.check(a); err != nil {
		return err
	}
	if c.Plan == "" {
		return c.showLayout(ctx, a)
	}
	if c.File != "" || len(c.Var) > 0 || len(c.VarFile) > 0 {
		return &failure{message: "a saved plan is shown as it is", hint: "leave out --file, --var and --var-file"}
	}
	p, err := readPlan(c.Plan)
	if err != nil {
		return err
	}
	if err := a.showPlan(p, c.formatFlag); err != nil {
		return err
	}
	if c.Detailed && !p.Empty() {
		a.code = exitChanges
	}
	return nil
}

func (c *showCmd) showLayout(ctx context.Context, a *app) error {
	if c.Detailed {
		return &failure{message: "--detailed-exitcode needs a saved plan", hint: "layform plan --detailed-exitcode compares the spec with the layout"}
	}
	state, err := a.state(ctx, c.specFlags, c.valueFlags, false)
	if err != nil {
		return err
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeState, State: state})
	}
	return c.draw(a, view.StateReport(state, view.DefaultRows))
}
