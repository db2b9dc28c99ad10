package source

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// entryPath is a spec path as an entry spells it.
func entryPath(to string) string {
	if to == "" {
		return "."
	}
	return to
}

// whiteoutPath is the path of the marker that a whiteout block stands for.
func whiteoutPath(n *spec.Node) (string, bool) {
	if n.Opaque {
		return imagespec.OpaquePath(n.To), true
	}
	return imagespec.WhiteoutPath(n.To)
}

// checkPath reports paths that no layer may hold.
func (o *observer) checkPath(node int, p string) bool {
	base := path.Base(p)
	switch {
	case !utf8.ValidString(p):
		o.report(node, "Invalid file name", "The name %q is not valid UTF-8. Rename the file, or exclude it.", p)
	case imagespec.IsWhiteout(base):
		o.report(node, "Reserved file name", "The name of %q begins with %q, which marks deletions in layers. Rename the file, or exclude it.", "/"+p, imagespec.WhiteoutPrefix)
	case imagespec.TooLong(p):
		o.report(node, "Path too long", "%q is longer than Linux allows: %d bytes for a name, %d for a path.", "/"+p, imagespec.MaxName, imagespec.MaxPath)
	default:
		return true
	}
	return false
}

// assemble sorts entries, settles paths that occur more than once, adds the
// parents that nobody declared, and ties hard links to their targets. It takes
// over the list.
func (o *observer) assemble(all []Entry) []Entry {
	checked := len(all)
	if len(o.layer.Tree) == 1 && o.layer.Tree[0].Kind == spec.NodeCopy {
		// One copy is in order and complete, but for the parents of its first entry.
		checked = min(1, len(all))
	} else if !ascending(all) {
		all = o.settleAll(inOrder(all))
		checked = len(all)
	}
	all = o.addParents(all, checked)
	o.checkWhiteouts(all)
	if slices.ContainsFunc(o.layer.Tree, mayLink) {
		o.tie(all)
	}
	if o.diags.HasErrors() {
		return nil
	}
	if slices.ContainsFunc(o.layer.Tree, mayLink) {
		all = linksLast(all)
	}
	return all
}

// mayLink reports whether a block can give hard links.
func mayLink(n spec.Node) bool {
	return n.Kind == spec.NodeHardlink || n.Kind == spec.NodeCopy && n.Metadata == spec.Preserve
}

// ascending reports whether entries stand in canonical order, each path once.
func ascending(all []Entry) bool {
	for i := 1; i < len(all); i++ {
		if layer.Compare(all[i-1].Path, all[i].Path) >= 0 {
			return false
		}
	}
	return true
}

// inOrder gives pointers to entries in canonical order; those of one path stay
// in the order of the spec. Copies are in order already, so that the list is
// made of few runs, which are merged.
func inOrder(all []Entry) []*Entry {
	out, merged := make([]*Entry, len(all)), make([]*Entry, len(all))
	var runs []int // where each begins, and the end of all
	for i := range all {
		out[i] = &all[i]
		if i == 0 || layer.Compare(all[i-1].Path, all[i].Path) > 0 {
			runs = append(runs, i)
		}
	}
	for runs = append(runs, len(all)); len(runs) > 2; {
		next := runs[:1]
		for i := 0; i+1 < len(runs); i += 2 {
			end := runs[min(i+2, len(runs)-1)]
			mergeRuns(merged[runs[i]:end], out[runs[i]:runs[i+1]], out[runs[i+1]:end])
			next = append(next, end)
		}
		runs, out, merged = next, merged, out
	}
	return out
}

// mergeRuns fills dst from two sorted lists, from a first where they are equal.
func mergeRuns(dst, a, b []*Entry) {
	for i := range dst {
		if len(b) == 0 || len(a) > 0 && layer.Compare(a[0].Path, b[0].Path) <= 0 {
			dst[i], a = a[0], a[1:]
		} else {
			dst[i], b = b[0], b[1:]
		}
	}
}

// settleAll settles paths that occur more than once.
func (o *observer) settleAll(sorted []*Entry) []Entry {
	entries := make([]Entry, 0, len(sorted)+spare)
	for start := 0; start < len(sorted); {
		end := start + 1
		for end < len(sorted) && sorted[end].Path == sorted[start].Path {
			end++
		}
		entries = append(entries, *o.settle(sorted[start:end]))
		start = end
	}
	return entries
}

// settle picks the one entry of a path, or reports why there cannot be one. A
// directory block wins over copies of the directory; copies must agree.
func (o *observer) settle(same []*Entry) *Entry {
	chosen := same[0]
	for _, e := range same[1:] {
		if chosen.Type != layer.Directory || e.Type != layer.Directory {
			o.conflict("Two entries for one path", chosen, e, "A layer holds one entry for a path: remove or exclude one of them.")
			return chosen
		}
		if o.declared(e) {
			if o.declared(chosen) {
				o.conflict("Two entries for one path", chosen, e, "Remove one of them.")
				return chosen
			}
			chosen = e
		}
	}
	if o.declared(chosen) {
		return chosen
	}
	for _, e := range same[1:] {
		if !sameDirectory(chosen, e) {
			o.conflict("Two copies disagree on a directory", chosen, e,
				"Their mode, owner, time or xattrs differ: declare it with a directory block, which wins.")
			return chosen
		}
	}
	return chosen
}

// declared reports whether a directory block declares e.
func (o *observer) declared(e *Entry) bool {
	return e.Node >= 0 && o.layer.Tree[e.Node].Kind == spec.NodeDirectory
}

func sameDirectory(a, b *Entry) bool {
	return len(properties(&a.Entry, &b.Entry)) == 0
}

func (o *observer) conflict(summary string, a, b *Entry, advice string) {
	o.report(b.Node, summary, "%s is %s, and %s as well. %s", quotePath(b.Path), o.origin(b), o.origin(a), advice)
}

// origin says where an entry comes from: "a file from bin/x (copy at a.hcl:3)".
func (o *observer) origin(e *Entry) string {
	text := "a " + string(e.Type)
	if e.File != "" {
		text += " from " + e.File
	}
	if e.Node < 0 {
		return text
	}
	return fmt.Sprintf("%s (%s at %s)", text, o.layer.Tree[e.Node].Kind, place(o.layer.Tree[e.Node].Range))
}

func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

func quotePath(p string) string {
	if p == "." {
		return `"/"`
	}
	return fmt.Sprintf("%q", "/"+p)
}

// addParents adds the directories above the first n entries that nobody
// declared, and reports entries that lie below something else than a directory.
func (o *observer) addParents(all []Entry, n int) []Entry {
	type missing struct {
		at   int
		path string
	}
	var add []missing
	// open are the entries that the one before lies in, and itself, by path: in
	// canonical order nothing else can be a parent of an entry. What is missing
	// is no entry yet.
	var open []openEntry
	for i := range n {
		e := &all[i]
		for len(open) > 0 && !isBelow(e.Path, open[len(open)-1].path) {
			open = open[:len(open)-1]
		}
		start := 0
		if len(open) > 0 {
			top := open[len(open)-1]
			if top.entry != nil && top.entry.Type != layer.Directory {
				o.report(e.Node, "Parent is not a directory", "%q lies below %q, which is %s.", "/"+e.Path, "/"+top.path, o.origin(top.entry))
			}
			start = len(top.path) + 1
		}
		for k := start; k < len(e.Path); k++ {
			if e.Path[k] == '/' {
				open = append(open, openEntry{path: e.Path[:k]})
				add = append(add, missing{i, e.Path[:k]})
			}
		}
		if e.Path != "." {
			open = append(open, openEntry{e.Path, e})
		}
	}
	end := len(all)
	all = slices.Grow(all, len(add))[:len(all)+len(add)]
	for k, m := range slices.Backward(add) {
		copy(all[m.at+k+1:], all[m.at:end])
		all[m.at+k] = o.parent(m.path)
		end = m.at
	}
	return all
}

// parent is the entry of a directory that nobody declared.
func (o *observer) parent(path string) Entry {
	return Entry{Node: -1, Entry: layer.Entry{Path: path, Type: layer.Directory, Mode: 0o755, Mtime: o.opts.Epoch}}
}

// openEntry is an entry that later ones may lie in; nil where it is missing.
type openEntry struct {
	path  string
	entry *Entry
}

// isBelow reports whether a path lies below another one.
func isBelow(p, dir string) bool {
	return len(p) > len(dir) && p[len(dir)] == '/' && strings.HasPrefix(p, dir)
}

// tie gives hard links the metadata of their targets, for both are one inode.
func (o *observer) tie(entries []Entry) {
	if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Type == layer.Hardlink }) {
		return
	}
	known := make(map[string]int, len(entries))
	for i := range entries {
		known[entries[i].Path] = i
	}
	for i := range entries {
		e := &entries[i]
		if e.Type != layer.Hardlink {
			continue
		}
		at, ok := known[e.Linkname]
		switch {
		case !ok:
			hint := "A hard link needs its target in the same layer."
			if at := slices.IndexFunc(entries, func(other Entry) bool { return composedTwin(other.Path, e.Linkname) }); at >= 0 {
				hint = fmt.Sprintf("It has %+q, which is written with combining characters, while text in a spec is composed: rename the file.", "/"+entries[at].Path)
			}
			o.report(e.Node, "No such hard link target", "The layer has no entry %q for %q to share. %s", "/"+e.Linkname, "/"+e.Path, hint)
			continue
		case entries[at].Type == layer.Directory:
			o.report(e.Node, "Invalid hard link target", "%q is a directory, which cannot be hard-linked.", "/"+e.Linkname)
			continue
		case entries[at].Type == layer.Hardlink:
			o.report(e.Node, "Invalid hard link target", "%q is itself a hard link: name its target %q instead.", "/"+e.Linkname, "/"+entries[at].Linkname)
			continue
		}
		target := &entries[at]
		e.Mode, e.UID, e.GID, e.Mtime = target.Mode, target.UID, target.GID, target.Mtime
	}
}
