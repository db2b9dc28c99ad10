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

// stacked is one layer of a manifest with what it holds.
type stacked struct {
	object spec.Object
	// entries are those of a tree that was observed; toc is what is known of any
	// other layer. Either may be nil.
	entries []source.Entry
	toc     *layer.TOC
}

// standing is a directory or symlink that layers leave at a path.
type standing struct {
	*layer.Entry
	from *spec.Object
}

// reset is a directory entry that changes what stands in the layers below it.
type reset struct {
	entry *source.Entry
	was   standing
}

// resetWarnings compares the directories of each layer with those of the layers
// below it in one manifest, bottom first, and gives a warning for each layer that
// resets some: a parent that nobody declared, or a directory that came along with
// a copy, has the mode and owner of all such directories, and takes the place of
// what the unpacked image would have there otherwise. What a block sets
// explicitly is meant.
func resetWarnings(layers []stacked) []string {
	stands := map[string]standing{}
	var warnings []string
	for i := range layers {
		l := &layers[i]
		if resets := resetsOf(l, stands); len(resets) > 0 {
			warnings = append(warnings, resetWarning(l, resets))
		}
		for j := range l.entries {
			lay(stands, &l.entries[j].Entry, &l.object)
		}
		if l.toc != nil {
			for j := range l.toc.Entries {
				lay(stands, &l.toc.Entries[j], &l.object)
			}
		}
	}
	return warnings
}

// lay puts an entry over what stands below it. Files matter only in that they
// take the place of something.
func lay(stands map[string]standing, e *layer.Entry, from *spec.Object) {
	dir, base := path.Split(e.Path)
	switch {
	case base == imagespec.OpaqueName:
		clearBelow(stands, path.Clean(dir))
	case imagespec.IsWhiteout(base):
		hidden := dir + strings.TrimPrefix(base, imagespec.WhiteoutPrefix)
		delete(stands, hidden)
		clearBelow(stands, hidden)
	case e.Type == layer.Directory, e.Type == layer.Symlink:
		stands[e.Path] = standing{e, from}
	default:
		delete(stands, e.Path)
	}
}

// clearBelow drops what stands below a directory.
func clearBelow(stands map[string]standing, dir string) {
	for p := range stands {
		if dir == "." && p != "." || strings.HasPrefix(p, dir+"/") {
			delete(stands, p)
		}
	}
}

// resetsOf lists the directories of a layer that reset what stands below it. One
// that the layer itself whites out first is no longer there to be reset.
func resetsOf(l *stacked, stands map[string]standing) []reset {
	hidden := map[string]bool{}
	for i := range l.entries {
		dir, base := path.Split(l.entries[i].Path)
		if base == imagespec.OpaqueName {
			hidden[path.Clean(dir)+"/"] = true
		} else if imagespec.IsWhiteout(base) {
			hidden[dir+strings.TrimPrefix(base, imagespec.WhiteoutPrefix)] = true
		}
	}
	body, _ := l.object.Body.(*spec.Layer)
	var out []reset
	for i := range l.entries {
		e := &l.entries[i]
		was, ok := stands[e.Path]
		if e.Type != layer.Directory || !ok || isHidden(hidden, e.Path) {
			continue
		}
		var node spec.Node
		if e.Node >= 0 && body != nil {
			node = body.Tree[e.Node]
		}
		if was.Type == layer.Symlink || resetsMode(&node, e, was.Entry) || node.UID == nil && e.UID != was.UID || node.GID == nil && e.GID != was.GID {
			out = append(out, reset{e, was})
		}
	}
	return out
}

func resetsMode(n *spec.Node, e *source.Entry, was *layer.Entry) bool {
	explicit := n.Mode
	if n.Kind == spec.NodeCopy {
		explicit = n.DirMode
	}
	return explicit == nil && n.Metadata != spec.Preserve && e.Mode != was.Mode
}

// isHidden reports whether a whiteout of the same layer hides a path below it.
func isHidden(hidden map[string]bool, p string) bool {
	if len(hidden) == 0 {
		return false
	}
	for at := p; ; at = path.Dir(at) {
		if hidden[at] || at != p && hidden[at+"/"] {
			return true
		}
		if at == "." {
			return false
		}
	}
}

// resetWarning says which directories a layer resets, with both places.
func resetWarning(l *stacked, resets []reset) string {
	slices.SortStableFunc(resets, func(a, b reset) int { return cmp.Compare(weight(a), weight(b)) })
	r := resets[0]
	at := l.object.Range
	if body, ok := l.object.Body.(*spec.Layer); ok && r.entry.Node >= 0 {
		at = body.Tree[r.entry.Node].Range
	}
	what := fmt.Sprintf("%04o %d:%d where %s (%s) has %04o %d:%d", r.entry.Mode, r.entry.UID, r.entry.GID,
		r.was.from.Address, place(r.was.from.Range), r.was.Mode, r.was.UID, r.was.GID)
	advice := "Declare it with a directory block that says its mode, uid and gid."
	if r.was.Type == layer.Symlink {
		what = fmt.Sprintf("a directory where %s (%s) has a symlink to %q, which it replaces", r.was.from.Address, place(r.was.from.Range), r.was.Linkname)
		advice = "Write to the path that the symlink leads to."
	}
	more := ""
	if n := len(resets) - 1; n > 0 {
		more = fmt.Sprintf(" The same goes for %s.", countOf(n, "more path"))
	}
	return fmt.Sprintf("%s: %s makes %s %s. %s%s", place(at), l.object.Address, quoted(r.entry.Path), what, advice, more)
}

// weight puts what breaks most first: symlinks that are replaced.
func weight(r reset) int {
	if r.was.Type == layer.Symlink {
		return 0
	}
	return 1
}

func quoted(p string) string {
	if p == "." {
		return `"/"`
	}
	return fmt.Sprintf("%q", "/"+p)
}
