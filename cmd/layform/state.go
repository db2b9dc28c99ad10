package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec/addr"
)

// stateCmd is the group of commands about the staging state: what the layout holds for
// the spec. None of them changes a blob or an entry of index.json.
type stateCmd struct {
	List stateListCmd `cmd:"" help:"List the objects that the layout holds for the spec."`
	Show stateShowCmd `cmd:"" help:"Show what is recorded of one object."`
	Mv   stateMvCmd   `cmd:"" name:"mv" help:"Give an object another address, as when its block was renamed: nothing is built again."`
	Rm   stateRmCmd   `cmd:"" name:"rm" help:"Forget objects: what they are stays in the layout, and is not the spec's any more."`
}

// stateListCmd lists the objects.
type stateListCmd struct {
	specFlags
	valueFlags
	Address []string `arg:"" optional:"" name:"address" help:"Only these objects; an address without a key means all of its block."`
}

// Help gives examples.
func (c *stateListCmd) Help() string {
	return `For example:
  layform state list
  layform state list layer.app`
}

// Run prints one key in a line.
func (c *stateListCmd) Run(ctx context.Context, a *app) error {
	state, err := a.state(ctx, c.specFlags, c.valueFlags, false)
	if err != nil {
		return err
	}
	if len(c.Address) > 0 {
		if err := keepSelected(state, c.Address); err != nil {
			return err
		}
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeState, State: state})
	}
	var keys strings.Builder
	for _, o := range state.Objects {
		keys.WriteString(o.Key + "\n")
	}
	return writeTo(a.stdout, keys.String())
}

// stateShowCmd shows one object.
type stateShowCmd struct {
	Address string `arg:"" name:"address" help:"The object, such as layer.app or layer.app[\"arm64\"]."`
	specFlags
	valueFlags
}

// Help gives examples.
func (c *stateShowCmd) Help() string {
	return `For example:
  layform state show layer.app
  layform state show 'layer.app["arm64"]'`
}

// Run shows digest, size and values.
func (c *stateShowCmd) Run(ctx context.Context, a *app) error {
	state, err := a.state(ctx, c.specFlags, c.valueFlags, false)
	if err != nil {
		return err
	}
	if err := keepSelected(state, []string{c.Address}); err != nil {
		return err
	}
	state.Tags, state.Outputs, state.Archive = nil, nil, nil
	if a.json {
		return a.print(view.Document{Type: view.TypeState, State: state})
	}
	return a.show(view.StateReport(state, view.DefaultRows))
}

// keepSelected leaves those objects of a state that addresses select.
func keepSelected(state *view.State, addresses []string) error {
	ids := map[string]addr.ID{}
	for _, o := range state.Objects {
		id, err := addr.ParseID(o.Key)
		if err != nil {
			return err
		}
		ids[o.Key] = id
	}
	keys, err := selectKeys(ids, addresses)
	if err != nil {
		return err
	}
	state.Objects = slices.DeleteFunc(state.Objects, func(o view.Object) bool { return !slices.Contains(keys, o.Key) })
	return nil
}

// selectKeys are the keys of the objects that addresses select; one that selects none is
// an error.
func selectKeys(ids map[string]addr.ID, addresses []string) ([]string, error) {
	var keys []string
	for _, text := range addresses {
		pattern, err := addr.Parse(text)
		if err != nil {
			return nil, &failure{message: err.Error()}
		}
		found := false
		for _, key := range slices.Sorted(maps.Keys(ids)) {
			if pattern.Selects(ids[key].Address) {
				keys, found = append(keys, key), true
			}
		}
		if !found {
			return nil, &failure{message: fmt.Sprintf("the layout holds no %s for the spec", text), hint: "layform state list names what it holds"}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// stateEditFlags are those of commands that change the staging state.
type stateEditFlags struct {
	specFlags
	valueFlags
	DryRun      bool          `name:"dry-run" help:"Tell what would change, and write nothing."`
	LockTimeout time.Duration `name:"lock-timeout" default:"0s" placeholder:"DURATION" help:"Wait this long for another run to finish, such as 30s."`
}

// edit changes the staging state of the spec under the lock of the layout. change gives a
// line for each thing that it does. Nothing else in the layout is written.
func (f *stateEditFlags) edit(ctx context.Context, a *app, operation string, change func(*stage.Stage, map[string]addr.ID) ([]string, error)) (err error) {
	sp, err := a.loadPlace(f.specFlags, f.valueFlags)
	if err != nil {
		return err
	}
	store, err := openExisting(view.LayoutPath(f.dir(), sp.LayoutPath), layout.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if !f.DryRun {
		unlock, err := store.Lock(ctx, layout.Holder{Operation: operation}, f.LockTimeout)
		if err != nil {
			return err
		}
		defer unlock()
	}
	claim, err := stage.Claimed(ctx, store, sp.Name, "")
	if err != nil {
		return err
	}
	st := claim.Stage
	if err := st.CheckPlace(store, sp.Dir, sp.File); err != nil {
		return err
	}
	if claim.Interrupted {
		return &failure{message: "an earlier apply left work behind", hint: "layform apply finishes it; then change the staging state"}
	}
	ids, err := planner.IDsOf(st, nil)
	if err != nil {
		return err
	}
	lines, err := change(st, ids)
	if err != nil {
		return err
	}
	if !f.DryRun {
		if err := saveState(ctx, store, st); err != nil {
			return err
		}
	} else {
		lines = append(lines, "Nothing was written.")
	}
	if a.json {
		state, err := a.state(ctx, f.specFlags, f.valueFlags, false)
		if err != nil {
			return err
		}
		return a.print(view.Document{Type: view.TypeState, State: state})
	}
	return writeTo(a.stdout, strings.Join(lines, "\n")+"\n")
}

// saveState writes a staging state, or removes one that keeps nothing.
func saveState(ctx context.Context, store *layout.Store, st *stage.Stage) error {
	if st.Nothing() {
		return stage.Remove(ctx, store, st.Spec)
	}
	return stage.Save(ctx, store, st)
}
