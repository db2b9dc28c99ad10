package planner

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// layerContents are the entries of one layer of a manifest.
type layerContents struct {
	object *spec.Object
	// entries are those of a tree that was observed; toc is what is known of any
	// other layer. Either may be nil.
	entries []source.Entry
	toc     *layer.TOC
}

// reset is an entry that changes or removes the directory that the layers below it leave
// at its path: was, of the layer from.
type reset struct {
	entry *source.Entry
	was   layer.Entry
	from  *spec.Object
}

// replaces reports whether the entry takes the place of what is below, with all that is in it.
func (r *reset) replaces() bool { return r.entry.Type != layer.Directory }

// partsOfLayer is how many layers of the overlay each layer becomes.
const partsOfLayer = 2

// each passes all entries of a layer to visit.
func (l *layerContents) each(visit func(*layer.Entry) error) error {
	for i := range l.entries {
		if err := visit(&l.entries[i].Entry); err != nil {
			return err
		}
	}
	if l.toc == nil {
		return nil
	}
	for i := range l.toc.Entries {
		if err := visit(&l.toc.Entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// resets is the warning about the entries of a layer that reset what the layers below
// leave, empty for none: directories that a block declares, or that a copy preserves,
// without saying mode and owner, and all else that replaces a directory. What a block
// sets explicitly is meant, and whatever is not declared was placed.
func (p *overlayBuilder) resets(l *layerContents) string {
	if all := resetsOf(l, &p.overlay, p.origins); len(all) > 0 {
		return resetWarning(l, all)
	}
	return ""
}

// resetsOf lists the entries of a layer that reset what the layers below leave.
func resetsOf(l *layerContents, below *layer.Overlay, from []*spec.Object) []reset {
	body, _ := l.object.Body.(*spec.Layer)
	var out []reset
	replaced := "" // the symlink that a directory of the layer has just replaced
	for i := range l.entries {
		e := &l.entries[i]
		if replaced != "" && strings.HasPrefix(e.Path, replaced+"/") || imagespec.IsWhiteout(path.Base(e.Path)) {
			continue
		}
		if e.Type != layer.Directory {
			if was, ok := directoryBelow(e, below); ok && was.Layer >= 0 {
				out = append(out, reset{e, was.Entry, from[was.Layer/partsOfLayer]})
			}
			continue
		}
		was, err := below.Lookup(e.Path, false)
		if err != nil || was.Layer < 0 {
			continue
		}
		var op spec.FileOp
		if e.Op >= 0 && body != nil {
			op = body.Tree[e.Op]
		}
		switch {
		case was.Type == layer.Symlink:
			replaced = e.Path
			if body != nil && body.OnSymlinkParent == spec.SymlinkReplace && op.Kind != spec.OpDirectory {
				continue // as the layer says
			}
		case was.Type != layer.Directory, !resetsMode(&op, e, &was.Entry) && (op.UID != nil || e.UID == was.UID) && (op.GID != nil || e.GID == was.GID):
			continue
		}
		out = append(out, reset{e, was.Entry, from[was.Layer/partsOfLayer]})
	}
	return out
}

// directoryBelow is the directory below a layer that an entry, which is none, replaces: it
// or, but for a symlink, which may be led elsewhere, a symlink that leads to one.
func directoryBelow(e *source.Entry, below *layer.Overlay) (layer.File, bool) {
	was, err := below.Lookup(e.Path, false)
	switch {
	case err != nil:
		return was, false
	case was.Type != layer.Symlink || e.Type == layer.Symlink:
		return was, was.Type == layer.Directory
	}
	target, err := below.Lookup(e.Path, true)
	return was, err == nil && target.Type == layer.Directory
}

func resetsMode(n *spec.FileOp, e *source.Entry, was *layer.Entry) bool {
	explicit := n.Mode
	if n.Kind == spec.OpCopy {
		explicit = n.DirMode
	}
	return explicit == nil && n.Metadata != spec.Preserve && e.Mode != was.Mode
}

// resetWarning says which directories a layer resets, with both places.
func resetWarning(l *layerContents, resets []reset) string {
	slices.SortStableFunc(resets, func(a, b reset) int { return cmp.Compare(resetRank(a), resetRank(b)) })
	r := resets[0]
	at := l.object.Range
	if body, ok := l.object.Body.(*spec.Layer); ok && r.entry.Op >= 0 {
		at = body.Tree[r.entry.Op].Range
	}
	what, advice := r.describe()
	more := ""
	if n := len(resets) - 1; n > 0 {
		more = fmt.Sprintf(" The same goes for %s.", countOf(n, "more path"))
	}
	return fmt.Sprintf("%s: %s makes %s %s. %s%s", location(at), l.object.Address, quotedPath(r.entry.Path), what, advice, more)
}

// describe says what the entry is in the place of what, and what to do.
func (r *reset) describe() (what, advice string) {
	from := fmt.Sprintf("%s (%s)", r.from.Address, location(r.from.Range))
	const meant = " Where it is meant, white it out in a layer between."
	switch {
	case r.replaces() && r.was.Type == layer.Symlink:
		return fmt.Sprintf("a %s where %s has a symlink to %q, a directory, which it replaces", r.entry.Type, from, r.was.Linkname),
			"Write to a path in the directory." + meant
	case r.replaces():
		return fmt.Sprintf("a %s where %s has a directory, which is lost with all that it holds", r.entry.Type, from),
			"Write to a path in the directory." + meant
	case r.was.Type == layer.Symlink:
		return fmt.Sprintf("a directory where %s has a symlink to %q, which it replaces", from, r.was.Linkname),
			"Write to the path that the symlink leads to."
	}
	return fmt.Sprintf("%04o %d:%d where %s has %04o %d:%d", r.entry.Mode, r.entry.UID, r.entry.GID, from, r.was.Mode, r.was.UID, r.was.GID),
		"Declare it with a directory block that says its mode, uid and gid."
}

// resetRank is the order of warnings: what is replaced, which breaks most, first.
func resetRank(r reset) int {
	if r.replaces() || r.was.Type == layer.Symlink {
		return 0
	}
	return 1
}

func quotedPath(p string) string {
	if p == "." {
		return `"/"`
	}
	return fmt.Sprintf("%q", "/"+p)
}
