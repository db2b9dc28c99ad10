package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// verifyCmd compares the layout with what the spec and its sources give.
type verifyCmd struct {
	specFlags
	valueFlags
	Rebuild     bool `name:"rebuild" help:"Build every object afresh from its sources, into a temporary directory and without any remembered state, and compare with that."`
	Parallelism int  `name:"parallelism" default:"0" placeholder:"N" help:"Build this many objects at once; 0 is the number of processors."`
	baseFlags
}

// Help is the long help text.
func (c *verifyCmd) Help() string {
	return `Every blob of the spec is hashed, and every entry of index.json compared, with what the last apply left: it fails where something is missing, torn or moved. That the layout is what the sources give now is for plan to say, which believes what was remembered of them, and for --rebuild, which believes nothing.

For example:
  layform verify               against what the last apply left
  layform verify --rebuild     against what the sources give, built afresh`
}

// Run fails when an object or tag of the spec is not in the layout as it should be.
// Without --rebuild, that is what the last apply remembered.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	if err := (&parallelFlags{Parallelism: c.Parallelism}).check(); err != nil {
		return err
	}
	compare := c.remembered
	if c.Rebuild {
		compare = c.rebuilt
	}
	state, err := compare(ctx, a)
	if err != nil {
		return err
	}
	wrong := deviations(state)
	doc := view.Document{Type: view.TypeState, State: state}
	switch {
	case a.json && wrong == 0:
		return a.print(doc)
	case !a.json:
		if err := a.show(view.StatusReport(state)); err != nil {
			return err
		}
	}
	if wrong == 0 {
		return nil
	}
	f := &failure{
		message: fmt.Sprintf("the layout does not hold what the spec gives: %d of %d objects and tags deviate", wrong, len(state.Objects)+len(state.Tags)),
		hint:    "layform plan shows what apply would mend", partial: &doc,
	}
	if c.Rebuild {
		f.hint = "layform plan shows what apply would mend; where it shows nothing, remove the layout with its folder .layform and apply again"
	}
	return f
}

// deviations counts the objects and tags that are not as they should be.
func deviations(s *view.State) int {
	n := 0
	for _, o := range s.Objects {
		if o.Standing != view.Intact {
			n++
		}
	}
	for _, t := range s.Tags {
		if t.Standing != view.Intact {
			n++
		}
	}
	if s.Archive != nil && s.Archive.Standing != view.Intact {
		n++
	}
	return n
}

// remembered compares the layout with what the last apply remembered of it.
func (c *verifyCmd) remembered(ctx context.Context, a *app) (*view.State, error) {
	return a.state(ctx, c.specFlags, c.valueFlags, true)
}

// rebuilt compares the layout with one that is built from nothing. Neither the
// staging state nor the stat cache of the layout is looked at.
func (c *verifyCmd) rebuilt(ctx context.Context, a *app) (state *view.State, err error) {
	epoch, err := a.epoch()
	if err != nil {
		return nil, err
	}
	bases := a.newBases(c.dir(), c.File, &c.baseFlags)
	defer func() { err = errors.Join(err, bases.close()) }()
	sp, err := a.loadBased(ctx, c.specFlags, c.valueFlags, bases)
	if err != nil {
		return nil, err
	}
	sp.ArchivePath = "" // what is built afresh goes nowhere else
	store, err := openLayout(c.dir(), sp.LayoutPath)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	dir, err := os.MkdirTemp("", "layform-verify-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fresh, err := layout.Open(filepath.Join(dir, "layout"), layout.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	defer fresh.Close()
	if err := c.build(ctx, sp, bases, fresh, epoch); err != nil {
		return nil, err
	}
	return c.compare(ctx, sp, store, fresh)
}

// build applies the spec to an empty layout.
func (c *verifyCmd) build(ctx context.Context, sp *spec.Spec, bases *bases, fresh *layout.Store, epoch *int64) error {
	made, err := planner.New(ctx, sp, fresh, planner.RefreshOptions{Parallelism: c.Parallelism, Epoch: epoch, Lazy: true, Bases: bases})
	if err != nil {
		return err
	}
	collectOften()
	_, err = executor.Apply(ctx, fresh, made.Plan, executor.Options{Dir: c.dir(), Parallelism: c.Parallelism, Planned: made, Bases: bases})
	return err
}

// compare looks in the layout for all that was built afresh.
func (c *verifyCmd) compare(ctx context.Context, sp *spec.Spec, store, fresh *layout.Store) (*view.State, error) {
	built, _, err := stage.Load(ctx, fresh, sp.Name)
	if err != nil {
		return nil, err
	}
	index, err := store.Index(ctx)
	if err != nil {
		return nil, err
	}
	state := &view.State{Layout: view.LayoutPath(c.dir(), sp.LayoutPath), Exists: store.Initialised(), Spec: sp.Name, Index: index.Digest(), Tags: tagsOf(built, index)}
	ids, err := planner.IDsOf(built, nil)
	if err != nil {
		return nil, err
	}
	state.Objects, err = objectsOf(ctx, store, built, ids, true)
	return state, err
}
