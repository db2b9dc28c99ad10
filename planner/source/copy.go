package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

// copyResult is the result of a copy block: a file, or a directory's tree.
type copyResult struct {
	o         *observer
	index     int
	op        *spec.FileOp
	from      string
	selection *spec.Selection

	// tree is nil after an error.
	tree *walk.Tree
	// noTopEntry is set where the top has no entry of its own.
	noTopEntry bool
	// to is the path of the entry of the top.
	to string
	// count is the number of entries.
	count int
}

// copy walks the source of a copy block: nil where nothing of it is to be copied. A link
// that From names is followed inside the root; links found below it are copied as links.
func (o *observer) copy(i int, n *spec.FileOp) *copyResult {
	// From is a directory: its tree stands at To, and the directory itself becomes the
	// entry To; the image's root directory gets an entry only from a copy that preserves
	// metadata. From is a file: it becomes the file To, or goes under its own name into
	// To, where To is the root or Into is set.
	from, info, err := resolve(o.root, n.From)
	if err != nil {
		o.report(i, "Unusable copy source", "Nothing can be copied from %q: %s.", n.From, err)
		return nil
	}
	selection, err := spec.NewSelection(n)
	if err != nil {
		o.report(i, "Invalid pattern", "Nothing can be chosen from %q: %s.", n.From, err)
		return nil
	}
	c := &copyResult{o: o, index: i, op: n, from: from, selection: selection, to: entryPath(n.To)}
	switch {
	case info.IsDir():
		c.noTopEntry = n.To == "" && n.Metadata != spec.Preserve
	case !selection.Everything():
		o.report(i, "Patterns without a directory", "%q is %s: include, exclude and ignore_file choose among what a directory holds. Remove them.", n.From, spec.FileType(info.Mode()))
		return nil
	case n.To == "" || n.Into:
		c.to = path.Join(n.To, path.Base(n.From))
	}
	if !o.checkPath(i, c.to) {
		return nil
	}
	c.readTree(info)
	kept := c.prune()
	c.checkPatterns()
	c.warnOfLosses()
	if !kept {
		return nil
	}
	return c
}

// readTree walks the tree, or the file, that From names.
func (c *copyResult) readTree(info fs.FileInfo) {
	opts := walk.Options{
		Keep:        c.op.Metadata == spec.Preserve,
		Parallelism: c.o.opts.Parallelism,
		Folder:      func(rel string) walk.Folder { return c.selection.Folder(rel) },
		Check:       c.checkName,
		Problem:     c.reportProblem,
		Directories: c.o.opts.Directories,
	}
	if c.o.opts.Hash {
		opts.Digests = c.o.opts.Digests
	}
	if c.tree = walk.Read(c.o.ctx, c.o.root, c.from, info, opts); c.tree != nil {
		c.tree.Top.Included = len(c.op.Include) == 0
	}
}

// prune drops the directories that nothing needs, and reports whether anything
// is left.
func (c *copyResult) prune() bool {
	if c.tree == nil {
		return false
	}
	if top := c.tree.Top; top.Below != nil {
		c.count = top.Below.Prune()
		if !top.Included && c.count == 0 {
			return false
		}
	}
	if !c.noTopEntry {
		c.count++
	}
	return true
}

// describe sets all of an entry but its paths and its digest.
func (c *copyResult) describe(e *Entry, f *walk.Found) {
	e.Op = int32(c.index)
	e.Type, e.Mode, e.Mtime, e.Size, e.State = f.Type(), f.Mode, c.o.opts.Epoch, f.Size, f.State
	if f.Link != nil {
		e.Linkname = *f.Link
	}
	if k := f.Kept; k != nil {
		e.UID, e.GID, e.Mtime, e.Xattrs = k.UID, k.GID, k.Mtime, k.Xattrs
		e.Devmajor, e.Devminor = k.Devmajor, k.Devminor
	}
	c.o.setExplicit(c.index, c.op, e) // reports what is wrong
}

// checkName reports names that no layer may hold.
func (c *copyResult) checkName(rel, name string) bool {
	long := len(c.op.To) + len(rel) + len(name) + 2
	if plainName(name) && long <= imagespec.MaxPath {
		return true
	}
	return c.o.checkPath(c.index, path.Join(c.op.To, rel, name))
}

// plainName reports whether a name is of ASCII, short, and no whiteout.
func plainName(name string) bool {
	if len(name) > imagespec.MaxName || imagespec.IsWhiteout(name) {
		return false
	}
	for i := range len(name) {
		if name[i] >= 0x80 {
			return false
		}
	}
	return true
}

// reportProblem reports what is wrong at a path below From.
func (c *copyResult) reportProblem(rel string, err error) {
	var unfit *walk.TypeError
	switch {
	case errors.Is(err, walk.ErrKeep):
		err = fmt.Errorf("%w; set metadata = \"normalize\"", err)
	case !errors.As(err, &unfit):
	case unfit.Mode&fs.ModeSocket != 0:
		err = errors.New("it is a socket, which no layer can hold; exclude it")
	case c.op.Metadata == spec.Preserve:
		err = fmt.Errorf("it is %s, which no layer can hold; exclude it", spec.FileType(unfit.Mode))
	default:
		err = fmt.Errorf("it is %s; exclude it, or set metadata = \"preserve\" to keep it", spec.FileType(unfit.Mode))
	}
	c.o.report(c.index, "Cannot copy", "%q cannot be copied: %s.", path.Join(c.from, rel), err)
}
