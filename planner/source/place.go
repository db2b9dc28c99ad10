package source

import (
	"maps"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// Place places the tree of the layer l over the layers below, which already lack what l whites
// out. Directories without a mode or owner of their own take over those of the
// directory below; symlinks in their place are followed, replaced or an error, as l says.
// The result is t itself where nothing differs; t is not changed.
func Place(t *Tree, l *spec.Layer, below *layer.Overlay, opts Options) (*Tree, hcl.Diagnostics) {
	p := &placer{
		o:     &observer{layer: l, opts: opts, counts: map[int]int{}},
		below: below, moved: map[string]string{},
	}
	for i := range t.Entries {
		p.placeEntry(t, i)
	}
	if p.out == nil || p.o.diags.HasErrors() {
		return t, p.o.diags
	}
	placed := &Tree{Entries: p.out}
	if len(p.moved) > 0 {
		placed.Entries = p.merged()
		p.o.checkWhiteouts(placed.Entries)
		p.o.shareMetadata(placed.Entries)
		placed.Entries = linksLast(placed.Entries)
	}
	return placed, p.o.diags
}

// placer places the entries of one tree.
type placer struct {
	o     *observer
	below *layer.Overlay
	// moved are the directories that come to lie at another path.
	moved map[string]string
	// out are the entries so far; nil as long as all are as they were.
	out []Entry
}

// placeEntry places the entry i of a tree.
func (p *placer) placeEntry(t *Tree, i int) {
	e := t.Entries[i]
	at := p.placedPath(e.Path)
	keep := true
	if e.Type == layer.Directory {
		at, keep = p.placeDirectory(&e, at)
	}
	if e.Type == layer.Hardlink {
		e.Linkname = p.placedPath(e.Linkname)
	}
	if at != e.Path && e.Type == layer.Directory {
		p.moved[e.Path] = at
	}
	e.Path = at
	if p.out == nil && keep && sameEntry(&e, &t.Entries[i]) {
		return
	}
	if p.out == nil {
		p.out = slices.Clone(t.Entries[:i])
		if p.out == nil {
			p.out = []Entry{}
		}
	}
	if keep {
		p.out = append(p.out, e)
	}
}

// sameEntry reports whether placing an entry changed nothing.
func sameEntry(a, b *Entry) bool {
	return a.Path == b.Path && a.Linkname == b.Linkname && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && len(a.Xattrs) == len(b.Xattrs)
}

// placedPath is the path at which an entry comes to lie, for its parent may have moved.
func (p *placer) placedPath(name string) string {
	if len(p.moved) == 0 || name == "." {
		return name
	}
	if to, ok := p.moved[path.Dir(name)]; ok {
		return path.Join(to, path.Base(name))
	}
	return name
}

// placeDirectory places a directory. It reports false for one that is somewhere else.
func (p *placer) placeDirectory(e *Entry, at string) (string, bool) {
	was, err := p.below.Lookup(at, false)
	if err != nil || was.Layer < 0 {
		return at, true
	}
	n := p.op(e)
	undeclared := n == nil || n.Kind == spec.OpCopy && n.Metadata != spec.Preserve
	switch {
	case !undeclared:
	case was.Type == layer.Directory:
		takeOver(e, &was.Entry, n)
	case was.Type == layer.Symlink && (n == nil || n.DirMode == nil):
		return p.placeOnLink(e, at, &was.Entry)
	}
	return at, true
}

// op is the block that an entry comes from; nil for a parent that no block declares.
func (p *placer) op(e *Entry) *spec.FileOp {
	if e.Op < 0 || int(e.Op) >= len(p.o.layer.Tree) {
		return nil
	}
	return &p.o.layer.Tree[e.Op]
}

// takeOver gives a directory what the one below has and its block does not say.
func takeOver(e *Entry, was *layer.Entry, n *spec.FileOp) {
	if n == nil || n.DirMode == nil {
		e.Mode = was.Mode
	}
	if n == nil || n.UID == nil {
		e.UID = was.UID
	}
	if n == nil || n.GID == nil {
		e.GID = was.GID
	}
	if len(e.Xattrs) == 0 {
		e.Xattrs = maps.Clone(was.Xattrs)
	}
}

// placeOnLink places a directory in whose place a symbolic link lies below.
func (p *placer) placeOnLink(e *Entry, at string, was *layer.Entry) (string, bool) {
	switch p.o.layer.OnSymlinkParent {
	case spec.SymlinkReplace:
		return at, true
	case spec.SymlinkError:
		p.o.report(int(e.Op), "Parent is a symlink", "%s is a directory here, and below this layer a symlink to %q. "+
			"Write to the path that it leads to, or set on_symlink_parent to follow or replace it.", quotePath(at), was.Linkname)
		return at, true
	}
	to, err := p.below.Resolve(at)
	if err != nil {
		p.o.report(int(e.Op), "Parent is a symlink", "%s is a directory here, and below this layer a symlink to %q, which cannot be followed: %s. "+
			"Set on_symlink_parent to replace it.", quotePath(at), was.Linkname, err)
		return at, true
	}
	return to, false
}

// merged are the entries in canonical order once some have moved: each path once, with
// the parents that are missing.
func (p *placer) merged() []Entry {
	all := map[string]int{}
	var out []Entry
	add := func(e Entry) {
		i, ok := all[e.Path]
		switch {
		case !ok:
			all[e.Path] = len(out)
			out = append(out, e)
		case out[i].Type != layer.Directory || e.Type != layer.Directory:
			p.o.reportConflict("Two entries for one path", &out[i], &e, "One of them comes to lie there through a symlink below the layer: remove or exclude it.")
		case p.op(&out[i]) == nil:
			out[i] = e
		}
	}
	for i := range p.out {
		add(p.out[i])
	}
	for i := range p.out {
		for dir := path.Dir(p.out[i].Path); dir != "."; dir = path.Dir(dir) {
			if _, ok := all[dir]; ok {
				break
			}
			e := p.o.impliedParent()
			e.Path = dir
			if was, err := p.below.Lookup(dir, false); err == nil && was.Layer >= 0 && was.Type == layer.Directory {
				takeOver(&e, &was.Entry, nil)
			}
			add(e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return layer.Compare(a.Path, b.Path) })
	return out
}

// Whiteouts lists the whiteouts of a tree that hide nothing of what lies below it.
func Whiteouts(t *Tree, l *spec.Layer, below *layer.Overlay, opts Options) hcl.Diagnostics {
	o := &observer{layer: l, opts: opts, counts: map[int]int{}}
	for i := range t.Entries {
		e := &t.Entries[i]
		dir, base := path.Split(e.Path)
		if !imagespec.IsWhiteout(base) {
			continue
		}
		hidden, err := imagespec.Hidden(base)
		if err != nil {
			continue
		}
		if _, err := below.Lookup(path.Join(path.Clean(dir), hidden), false); err != nil {
			o.warn(int(e.Op), "Nothing to white out", "There is no %s in the layers below: the whiteout hides nothing.", quotePath(path.Join(path.Clean(dir), hidden)))
		}
	}
	return o.diags
}
