package source

import (
	"path"
	"slices"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// checkWhiteouts reports whiteouts of paths that have entries in the same layer:
// readers disagree on which of the two wins. The entries are in canonical order
// and complete.
func (o *observer) checkWhiteouts(all []Entry) {
	if !slices.ContainsFunc(o.layer.Tree, func(n spec.FileOp) bool { return n.Kind == spec.OpWhiteout }) {
		return
	}
	for i := range all {
		w := &all[i]
		dir, base := path.Split(w.Path)
		if !imagespec.IsWhiteout(base) {
			continue
		}
		hidden, err := imagespec.Hidden(base)
		if err != nil || hidden == "" {
			continue
		}
		at, found := slices.BinarySearchFunc(all, dir+hidden, func(e Entry, p string) int { return layer.Compare(e.Path, p) })
		if !found {
			continue
		}
		// A parent that no block declares is there for the entry behind it.
		for all[at].Op < 0 && at+1 < len(all) {
			at++
		}
		o.report(int(w.Op), "Whiteout of the layer's own path", "%s is whited out, and there is %s at %s as well. "+
			"A whiteout hides lower layers alone, and what a layer has at a path replaces what they have: remove the whiteout. "+
			"To hide what lower layers have in a directory, set opaque = true.",
			quotePath(dir+hidden), o.origin(&all[at]), quotePath(all[at].Path))
	}
}
