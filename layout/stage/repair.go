package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
)

// Repair mends what layform remembers beside a layout, and reports what it
// cannot mend: staging states left pending, claims to blobs that are gone,
// tables of contents that are damaged or have no blob, a damaged stat cache.
// It comes after the Repair of the layout itself, whose result is before: a dry
// run takes that for done. The caller holds the lock, except for a dry
// run, which writes nothing. When an error ends Repair early, the lines tell what
// was done before.
func Repair(ctx context.Context, store *layout.Store, opts layout.RepairOptions, before layout.Repaired) ([]layout.Mended, error) {
	there, err := store.Present(ctx)
	if err != nil {
		return nil, err
	}
	r := &repair{store: store, dryRun: opts.DryRun, there: there}
	if opts.DryRun {
		r.assume(before)
	}
	for _, step := range []func(context.Context) error{r.stages, r.tocs, r.cache} {
		err := step(ctx)
		if opts.DryRun && errors.Is(err, fs.ErrPermission) {
			// A mode that a real run would have mended may be the reason.
			r.lines = append(r.lines, layout.NewMended(".layform", "not all can be read: "+err.Error(), layout.Left, "repair without a dry run, or as another user"))
			continue
		}
		if err != nil {
			return r.lines, err
		}
	}
	return r.lines, nil
}

// assume takes for done what the Repair of the layout would do.
func (r *repair) assume(before layout.Repaired) {
	r.newIndex = before.NewIndex
	for _, dgst := range before.Gone {
		delete(r.there, dgst)
	}
}

// repair is one run of Repair.
type repair struct {
	store  *layout.Store
	dryRun bool
	// there are the blobs of the layout.
	there map[digest.Digest]bool
	// newIndex is set when a dry run takes index.json for rebuilt.
	newIndex bool
	lines    []layout.Mended
}

// mend does something about a problem, unless this is a dry run, and reports it.
func (r *repair) mend(file, problem string, remedy layout.Remedy, note string, do func() error) error {
	if !r.dryRun && do != nil {
		if err := do(); err != nil {
			return err
		}
	}
	r.lines = append(r.lines, layout.NewMended(".layform/"+file, problem, remedy, note))
	return nil
}

// stages settles the staging states and corrects them.
func (r *repair) stages(ctx context.Context) error {
	names, err := specs(r.store)
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

func (r *repair) stage(ctx context.Context, name string) error {
	file := stateFile(name, ".json")
	was, dgst, err := read(r.store, name)
	var bad *FileError
	if errors.As(err, &bad) {
		return r.mend(file, bad.Problem, layout.Left, "it stays as it is", nil)
	}
	if err != nil || dgst == "" {
		return err
	}
	st, swapped, err := r.settle(ctx, was)
	if err != nil {
		return r.mend(file, "it is pending, and index.json, which would tell whether the swap happened, cannot be read: "+err.Error(), layout.Left, "mend index.json first", nil)
	}
	next := *st
	next.Blobs = slices.DeleteFunc(slices.Clone(st.Blobs), func(d digest.Digest) bool { return !r.there[d] })
	gone := len(st.Blobs) - len(next.Blobs)
	if was.State == Pending {
		note := "to the state before the swap, which did not happen"
		if swapped {
			note = "to the state after the swap, which did happen"
		}
		note += "; the next apply removes what is no longer needed"
		// With the journal there, the next apply knows that it has to finish.
		err := r.mend(file, "it is pending: an apply was interrupted", layout.Written, note, func() error { return r.keepJournal(name) })
		if err != nil {
			return err
		}
	}
	if gone > 0 {
		if err := r.mend(file, fmt.Sprintf("it claims %d blobs that are gone", gone), layout.Written, "it does not claim them any more", nil); err != nil {
			return err
		}
	}
	if (was.State == Pending || gone > 0) && !r.dryRun {
		if err := Save(ctx, r.store, &next); err != nil {
			return err
		}
	}
	return r.objects(file, &next)
}

// settle settles a staging state. No swap wrote an index.json that was rebuilt.
func (r *repair) settle(ctx context.Context, st *Stage) (settled *Stage, swapped bool, err error) {
	if r.newIndex && st.State == Pending {
		return st.beforeSwap(), false, nil
	}
	return settle(ctx, r.store, st)
}

// keepJournal makes sure that the spec has a journal.
func (r *repair) keepJournal(name string) error {
	j, err := OpenJournal(r.store, name)
	if err != nil {
		return err
	}
	return j.Close()
}

// objects reports staged objects whose blobs are gone. They stay: the next plan
// compares with them, and says why they are built again.
func (r *repair) objects(file string, st *Stage) error {
	for _, key := range slices.Sorted(maps.Keys(st.Objects)) {
		if dgst := st.Objects[key].Descriptor.Digest; !r.there[dgst] {
			if err := r.mend(file, fmt.Sprintf("the blob %s of %s is gone", dgst, key), layout.Left, "the next apply builds it again", nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// tocs removes the tables of contents that are of no use.
func (r *repair) tocs(ctx context.Context) error {
	names, err := r.store.ListState("toc")
	if err != nil {
		return err
	}
	for _, name := range names {
		file, problem := "toc/"+name, ""
		dgst, ok := tocDigest(name)
		switch {
		case !ok:
			problem = "its name is not that of a table of contents"
		case !r.there[dgst]:
			problem = "the layer is gone"
		default:
			_, err := LoadTOC(ctx, r.store, dgst)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if ctx.Err() != nil || r.dryRun && errors.Is(err, fs.ErrPermission) {
				return err
			}
			problem = err.Error()
			var bad *FileError
			if errors.As(err, &bad) {
				problem = strings.TrimSuffix(bad.Problem, tocAdvice)
			}
		}
		if err := r.mend(file, problem, layout.Removed, "it is made again when it is needed", func() error { return r.store.RemoveState(file) }); err != nil {
			return err
		}
	}
	return nil
}

// cache removes a stat cache that cannot be read.
func (r *repair) cache(context.Context) error {
	_, err := (&Cache{store: r.store}).read()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if r.dryRun && errors.Is(err, fs.ErrPermission) {
		return err
	}
	return r.mend(cacheFile, err.Error(), layout.Removed, "it is made again, at the price of reading the sources once", func() error {
		return r.store.RemoveState(cacheFile)
	})
}

// PruneTOCs removes and lists the tables of contents of layers that are not among
// there, the blobs of the layout, as after a GC. The caller holds the lock of the
// layout.
func PruneTOCs(ctx context.Context, store *layout.Store, there map[digest.Digest]bool) (removed []digest.Digest, err error) {
	all, err := DigestsOfTOCs(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, dgst := range all {
		if there[dgst] {
			continue
		}
		if err := RemoveTOC(ctx, store, dgst); err != nil {
			return removed, err
		}
		removed = append(removed, dgst)
	}
	return removed, nil
}
