package executor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
)

// Archive is a tar of the layout that an apply wrote.
type Archive struct {
	// Path is as the plan has it.
	Path   string        `json:"path"`
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
}

// archives writes and removes the tars of the layout that the plan lists, after the
// swap, and records that. A run that ends before that leaves the layout as it should
// be, and the tar to the next one.
func (r *applier) archives(ctx context.Context) error {
	todo := false
	for _, c := range r.plan.Archives {
		todo = todo || c.Action != planner.NoOp
	}
	if !todo {
		return nil
	}
	st, _, err := stage.Load(ctx, r.store, r.plan.Spec.Name)
	if err != nil {
		return err
	}
	for _, c := range r.plan.Archives {
		file := filepath.FromSlash(c.Path)
		if !filepath.IsAbs(file) {
			file = filepath.Join(r.opts.Dir, file)
		}
		switch c.Action {
		case planner.NoOp:
			continue
		case planner.Delete:
			st.Archive = nil
			err = r.removeArchive(ctx, file, c)
		default:
			err = r.writeArchive(ctx, st, file, c)
		}
		if err != nil {
			return fmt.Errorf("the layout is as planned, but not its archive %s: %w. Run plan and apply again", c.Path, err)
		}
	}
	if st.Nothing() {
		return stage.Remove(ctx, r.store, st.Spec)
	}
	return stage.Save(ctx, r.store, st)
}

// writeArchive writes the tar.
func (r *applier) writeArchive(ctx context.Context, st *stage.Stage, file string, c planner.ArchiveChange) error {
	index, err := r.store.Index(ctx)
	if err != nil {
		return err
	}
	if c.Action == planner.Create {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, errors.New("there is a file of that name now, which was not there when the plan was made"))
		}
	}
	root, name, err := archive.OpenParent(file)
	if err != nil {
		return err
	}
	sum, err := archive.Export(ctx, r.store.Reader, root, name, archive.WriteOptions{})
	if err := errors.Join(err, root.Close()); err != nil {
		return err
	}
	place, err := stage.ArchivePlace(r.store, file)
	if err != nil {
		return err
	}
	st.Archive = &stage.Archive{Path: place, Digest: sum.Digest, Size: sum.Size, Index: index.Digest()}
	r.result.Archive = &Archive{Path: c.Path, Digest: sum.Digest, Size: sum.Size}
	return nil
}

// removeArchive removes the tar, if it still is the one that an apply wrote.
func (r *applier) removeArchive(ctx context.Context, file string, c planner.ArchiveChange) error {
	if c.Stays {
		return nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	is, err := digest.FromReader(layer.ContextReader(ctx, f))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if is != c.Before {
		return errors.New("it was changed after the plan was made, and stays")
	}
	root, name, err := archive.OpenParent(file)
	if err != nil {
		return err
	}
	return errors.Join(root.Remove(name), root.Close())
}
