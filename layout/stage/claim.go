package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
)

// Claim is all that a spec has in a layout.
type Claim struct {
	// Stage is its staging state, as Load gives it, and Digest that of the file.
	Stage  *Stage
	Digest digest.Digest
	// TakesOver is set when Stage is still that of the spec Stage.From.
	TakesOver bool
	// Records are those of its journal: what an apply that did not end has built.
	Records []Record
	// Interrupted is set when an apply began and did not end: its journal is still
	// there, its staging state is Pending, or that of the spec that it takes over is
	// still there. The next apply has something to finish then, even where nothing
	// else changes.
	Interrupted bool
}

// Claimed reads what the spec name has in the layout or, where from is not empty, what
// it takes over from the spec of that name. Nothing is written: the staging state says
// From, and becomes that of name when it is saved as Pending and the swap happens.
// Until then all is the other spec's. Nothing is taken over by a spec that has
// anything of its own.
func Claimed(ctx context.Context, store *layout.Store, name, from string) (*Claim, error) {
	own, err := claimed(ctx, store, name)
	if err != nil || from == "" || own.Stage.From == from {
		return own, err // a swap took over already what is from's
	}
	c, err := claimed(ctx, store, from)
	if err != nil {
		return nil, err
	}
	if c.Digest == "" {
		names, err := Names(store)
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("no spec named %q has anything in the layout %s that could be taken over; those that have are named %q", from, store.Dir(), names)
	}
	if !own.Stage.Nothing() {
		return nil, fmt.Errorf("the spec named %q has objects of its own in the layout %s, so that it cannot take over those of the spec named %q: destroy one of the two first", name, store.Dir(), from)
	}
	st := *c.Stage
	st.Spec, st.From = name, from
	c.Stage, c.TakesOver = &st, true
	c.Records = append(c.Records, own.Records...)
	c.Interrupted = c.Interrupted || own.Interrupted
	return c, nil
}

// claimed is what the spec name has itself.
func claimed(ctx context.Context, store *layout.Store, name string) (*Claim, error) {
	st, dgst, err := Read(store, name)
	if err != nil {
		return nil, err
	}
	c := &Claim{Digest: dgst, Interrupted: st.State == Pending}
	if c.Stage, _, err = st.Settle(ctx, store); err != nil {
		return nil, err
	}
	c.Interrupted = c.Interrupted || c.Stage.From != ""
	if c.Records, err = Journalled(store, name); err != nil {
		return nil, err
	}
	if _, err = store.ReadState(stateFile(name, ".journal"), limit); errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	c.Interrupted = true
	return c, err
}

// Withdraw removes the pending staging state of a take-over by the spec name that did
// not happen; it is no error when there is none. The caller holds the lock of the layout.
func Withdraw(ctx context.Context, store *layout.Store, name string) error {
	st, _, err := Read(store, name)
	if err != nil || st.State != Pending || st.From == "" || st.Was != nil {
		return err
	}
	if _, swapped, err := st.Settle(ctx, store); err != nil || swapped {
		return err
	}
	return Remove(ctx, store, name)
}
