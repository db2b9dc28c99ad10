package repair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// stateRepair mends the state files of package stage: staging states left pending,
// claims to blobs that are gone, tables of contents that are damaged or have no blob,
// a damaged stat cache.
type stateRepair struct {
	*report
	store *layout.Store
	// there are the blobs of the layout.
	there map[digest.Digest]bool
	// damaged is the error about a damaged staging state that was met before; nil for
	// none.
	damaged *stage.FileError
	// newIndex is set when index.json was written anew, or a dry run takes it for that.
	newIndex bool
	// unread is set when a staging state stays that cannot be read or settled.
	unread bool
}

func (r *stateRepair) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.stages, r.tables, r.cache} {
		if err := r.unreadable(layout.PrivateDir, step(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// stages settles the staging states and corrects them.
func (r *stateRepair) stages(ctx context.Context) error {
	names, err := stage.Names(r.store)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.stage(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *stateRepair) stage(ctx context.Context, name string) error {
	file := layout.PrivateDir + "/" + stage.File(name)
	if bad := r.damaged; bad != nil && bad.Path == path.Join(r.store.Dir(), file) {
		r.unread = true
		r.left(file, bad.Problem, bad.Advice)
		return nil
	}
	was, dgst, err := stage.Read(r.store, name)
	var bad *stage.FileError
	if errors.As(err, &bad) {
		r.unread = true
		r.left(file, bad.Problem, bad.Advice)
		return nil
	}
	if err != nil || dgst == "" {
		return err
	}
	st, swapped, err := r.settle(ctx, was)
	if err != nil {
		r.unread = true
		r.left(file, "it is pending, and index.json, which would tell whether the swap happened, cannot be read: "+err.Error(), "mend index.json first")
		return nil
	}
	next := *st
	next.Blobs = slices.DeleteFunc(slices.Clone(st.Blobs), func(d digest.Digest) bool { return !r.there[d] })
	gone := len(st.Blobs) - len(next.Blobs)
	if was.State == stage.Pending {
		note := "to the state before the swap, which did not happen"
		if swapped {
			note = "to the state after the swap, which did happen"
		}
		note += "; the next apply removes what is no longer needed"
		// With the journal there, the next apply knows that it has to finish.
		err := r.mend(file, "it is pending: an apply was interrupted", Written, note, func() error { return r.keepJournal(name) })
		if err != nil {
			return err
		}
	}
	if gone > 0 {
		if err := r.mend(file, fmt.Sprintf("it claims %d blobs that are gone", gone), Written, "it does not claim them any more", nil); err != nil {
			return err
		}
	}
	if (was.State == stage.Pending || gone > 0) && !r.dryRun {
		if err := stage.Save(ctx, r.store, &next); err != nil {
			return err
		}
	}
	r.objects(file, &next)
	return nil
}

// settle settles a staging state. No swap wrote an index.json that was rebuilt.
func (r *stateRepair) settle(ctx context.Context, st *stage.Stage) (settled *stage.Stage, swapped bool, err error) {
	if r.newIndex && st.State == stage.Pending {
		return st.BeforeSwap(), false, nil
	}
	return st.Settle(ctx, r.store)
}

// keepJournal makes sure that the spec has a journal.
func (r *stateRepair) keepJournal(name string) error {
	j, err := stage.OpenJournal(r.store, name)
	if err != nil {
		return err
	}
	return j.Close()
}

// objects reports staged objects whose blobs are gone. They stay: the next plan
// compares with them, and says why they are built again.
func (r *stateRepair) objects(file string, st *stage.Stage) {
	for _, key := range slices.Sorted(maps.Keys(st.Objects)) {
		if dgst := st.Objects[key].Descriptor.Digest; !r.there[dgst] {
			r.left(file, fmt.Sprintf("the blob %s of %s is gone", dgst, key), "the next apply builds it again")
		}
	}
}

// tables removes the tables of contents that are of no use.
func (r *stateRepair) tables(ctx context.Context) error {
	names, err := r.store.ListState("toc")
	if err != nil {
		return err
	}
	for _, name := range names {
		problem, err := r.table(ctx, name)
		if err != nil {
			return err
		}
		if problem == "" {
			continue
		}
		if err := r.remove("toc/"+name, problem, "it is made again when it is needed"); err != nil {
			return err
		}
	}
	return nil
}

// table says what is wrong with a file in the folder toc; empty for nothing.
func (r *stateRepair) table(ctx context.Context, name string) (problem string, err error) {
	dgst, ok := stage.TOCDigest(name)
	if !ok {
		return "its name is not that of a table of contents", nil
	}
	if !r.there[dgst] {
		return "the layer is gone", nil
	}
	_, err = stage.LoadTOC(ctx, r.store, dgst)
	var bad *stage.FileError
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return "", nil
	case ctx.Err() != nil || r.dryRun && errors.Is(err, fs.ErrPermission):
		return "", err
	case errors.As(err, &bad):
		return bad.Problem, nil
	}
	return err.Error(), nil
}

// cache removes a stat cache that cannot be read.
func (r *stateRepair) cache(context.Context) error {
	err := stage.CheckCache(r.store)
	if err == nil || r.dryRun && errors.Is(err, fs.ErrPermission) {
		return err
	}
	return r.remove(stage.CacheFile, err.Error(), "it is made again, at the price of reading the sources once")
}

// remove removes a state file.
func (r *stateRepair) remove(file, problem, note string) error {
	return r.mend(layout.PrivateDir+"/"+file, problem, Removed, note, func() error { return r.store.RemoveState(file) })
}
