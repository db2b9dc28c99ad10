package repair

import (
	"context"
	"errors"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// Options say how far Layout may go. The zero value mends all that can be mended
// without taking anything away that might be needed.
type Options struct {
	// DryRun tells what would be done, and writes nothing.
	DryRun bool
	// Owned are blobs that can be made again, beside those that staging states own:
	// where they are torn they are removed, and nobody keeps a right to write or to
	// execute them.
	Owned []digest.Digest
	// MoveTorn moves torn blobs that cannot be made again, and an index.json that
	// cannot be understood, into the folder torn of ours. Without it they are
	// reported and left where they are.
	MoveTorn bool
}

// Layout mends a layout and what layform remembers beside it, and reports all
// problems in the order in which they were met, with those that it cannot mend. The
// store is best opened with layout.Options.Inspect. The caller holds its lock, but for
// a dry run. Nothing is written to a directory that does not look like a layout: the
// error is a *layout.NotLayoutError. When an error ends Layout early, the lines tell
// what was done before.
func Layout(ctx context.Context, store *layout.Store, opts Options) ([]Mended, error) {
	raw, err := store.Raw()
	if err != nil {
		return nil, err
	}
	rep := &report{dryRun: opts.DryRun}
	files := &fileRepair{report: rep, store: store, raw: raw, moveTorn: opts.MoveTorn, owned: map[digest.Digest]bool{}}
	for _, dgst := range opts.Owned {
		files.owned[dgst] = true
	}
	// A staging state that cannot be read makes nothing ours; it is reported below, and
	// a damaged one, which may be as large as any, is not read again for that.
	held, err := stage.OwnedContent(ctx, store)
	var damaged *stage.FileError
	errors.As(err, &damaged)
	for _, dgst := range held.Blobs {
		files.owned[dgst] = true
	}
	if err := files.run(ctx); err != nil {
		return rep.lines, raw.Explain(err)
	}
	there, err := store.BlobDigests(ctx)
	if err != nil {
		return rep.lines, rep.unreadable(".", err)
	}
	// A real run has deleted these already; a dry run takes them for deleted.
	for _, dgst := range files.gone {
		delete(there, dgst)
	}
	states := &stateRepair{report: rep, store: store, there: there, damaged: damaged, newIndex: files.newIndex}
	err = states.run(ctx)
	if err == nil && !files.noIndex {
		// Last, for a staging state that is pending is settled by the index.json that is there.
		err = raw.Explain(files.twins(ctx, states.unread))
	}
	return rep.lines, err
}

// unreadable reports, and returns nil for, an error of a dry run that a real run may
// not meet, for it would have mended a mode before.
func (r *report) unreadable(object string, err error) error {
	if !r.dryRun || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	r.left(object, "not all can be read: "+err.Error(), "repair without a dry run, or as another user")
	return nil
}
