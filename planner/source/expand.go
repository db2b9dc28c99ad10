package source

import (
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// Expands reports whether the layer l has an opaque whiteout that becomes explicit ones.
func Expands(l *spec.Layer) bool {
	return slices.ContainsFunc(l.Tree, func(n spec.FileOp) bool { return n.Expand })
}

// Lower is the names that lie below a layer in the directories that it makes opaque.
type Lower struct {
	// names are those in each directory, by its path, and directories the paths of
	// directories.
	names       map[string]map[string]bool
	directories map[string]bool
}

// FindLower finds what the opaque whiteouts of a tree that are to be explicit hide of
// below, before it is hidden.
func FindLower(t *Tree, l *spec.Layer, below *layer.Overlay) *Lower {
	found := &Lower{names: map[string]map[string]bool{}, directories: map[string]bool{}}
	var within []string
	for i := range t.Entries {
		if e := &t.Entries[i]; expanded(e, l) {
			if dir, err := below.Resolve(path.Dir(e.Path)); err == nil {
				within = append(within, dir)
			}
		}
	}
	if len(within) == 0 {
		return found
	}
	for f := range below.Files() {
		if slices.ContainsFunc(within, func(dir string) bool { return dir == "." || strings.HasPrefix(f.Path, dir+"/") }) {
			found.add(f.Path, f.Type == layer.Directory)
		}
	}
	return found
}

// add notes a path and the directories that it lies in.
func (w *Lower) add(p string, isDir bool) {
	if isDir {
		w.directories[p] = true
	}
	for p != "." {
		dir, name := path.Dir(p), path.Base(p)
		if w.names[dir] == nil {
			w.names[dir] = map[string]bool{}
		}
		if w.names[dir][name] {
			return
		}
		w.names[dir][name] = true
		w.directories[dir] = true
		p = dir
	}
}

// expanded reports whether an entry is an opaque whiteout that is to be explicit.
func expanded(e *Entry, l *spec.Layer) bool {
	return e.Op >= 0 && int(e.Op) < len(l.Tree) && l.Tree[e.Op].Expand && path.Base(e.Path) == imagespec.OpaqueName
}

// Expand is the tree, which was placed on what lies below it, with a whiteout for each
// name that its opaque whiteouts hide and that the layer does not replace itself, where
// they are to be explicit. The files that are left are the same. t stays as it is. It
// answers false where a whiteout cannot have the name that it needs.
func Expand(t *Tree, l *spec.Layer, lower *Lower) (*Tree, bool) {
	x := &expansion{lower: lower, own: map[string]layer.Type{}}
	for i := range t.Entries {
		x.own[t.Entries[i].Path] = t.Entries[i].Type
	}
	for i := range t.Entries {
		if e := &t.Entries[i]; expanded(e, l) {
			x.hide(e, path.Dir(e.Path))
		} else {
			x.out = append(x.out, *e)
		}
	}
	if x.unnamed {
		return t, false
	}
	slices.SortStableFunc(x.out, func(a, b Entry) int { return layer.Compare(a.Path, b.Path) })
	x.out = slices.CompactFunc(x.out, func(a, b Entry) bool { return a.Path == b.Path }) // of directories in each other
	return &Tree{Entries: linksLast(x.out)}, true
}

// expansion makes the opaque whiteouts of one tree explicit.
type expansion struct {
	lower *Lower
	own   map[string]layer.Type
	out   []Entry
	// unnamed is set once a whiteout has no name.
	unnamed bool
}

// hide adds the whiteouts of what lies below in a directory.
func (x *expansion) hide(opaque *Entry, dir string) {
	for _, name := range slices.Sorted(maps.Keys(x.lower.names[dir])) {
		p := path.Join(dir, name)
		switch is, ok := x.own[p]; {
		case !ok:
			e := *opaque
			e.Path, ok = imagespec.WhiteoutPath(p)
			x.unnamed = x.unnamed || !ok || imagespec.TooLong(e.Path) || !utf8.ValidString(e.Path)
			x.out = append(x.out, e)
		case is == layer.Directory && x.lower.directories[p]:
			x.hide(opaque, p)
		}
	}
}
