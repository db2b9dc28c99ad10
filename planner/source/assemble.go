package source

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// maxPath and maxName are the limits of Linux, which unpacks the layer.
const (
	maxPath = 4096
	maxName = 255
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
		return path.Join(n.To, opaqueName), true
	}
	dir, base := path.Split(n.To)
	return dir + whiteoutPrefix + base, base != ""
}

// checkPath reports paths that no layer may hold.
func (o *observer) checkPath(node int, p string) bool {
	base := path.Base(p)
	switch {
	case !utf8.ValidString(p):
		o.report(node, "Invalid file name", "The name %q is not valid UTF-8. Rename the file, or exclude it.", p)
	case strings.HasPrefix(base, whiteoutPrefix):
		o.report(node, "Reserved file name", "The name of %q begins with %q, which marks deletions in layers. Rename the file, or exclude it.", "/"+p, whiteoutPrefix)
	case len(p) > maxPath || len(base) > maxName:
		o.report(node, "Path too long", "%q is longer than Linux allows: %d bytes for a name, %d for a path.", "/"+p, maxName, maxPath)
	default:
		return true
	}
	return false
}

// assemble sorts entries, settles paths that occur more than once, adds the
// parents that nobody declared, and ties hard links to their targets.
func (o *observer) assemble(all []Entry) []Entry {
	sorted := inOrder(all)
	entries := make([]Entry, 0, len(all)+16)
	var parents []int // indexes in entries of the directories that the last entry lies in
	for start := 0; start < len(sorted); {
		end := start + 1
		for end < len(sorted) && sorted[end].Path == sorted[start].Path {
			end++
		}
		e := o.settle(sorted[start:end])
		start = end
		entries, parents = o.addParents(entries, parents, e)
		entries = append(entries, *e)
	}
	o.tie(entries)
	if o.diags.HasErrors() {
		return nil
	}
	return linksLast(entries)
}

// inOrder gives pointers to entries in canonical order; those of one path stay
// in the order of the spec.
func inOrder(all []Entry) []*Entry {
	out := make([]*Entry, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	slices.SortFunc(out, func(a, b *Entry) int {
		if c := Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return a.Node - b.Node
	})
	return out
}

// settle picks the one entry of a path, or reports why there cannot be one. A
// directory block wins over copies of the directory; copies must agree.
func (o *observer) settle(same []*Entry) *Entry {
	chosen := same[0]
	for _, e := range same[1:] {
		if chosen.Type != stage.Directory || e.Type != stage.Directory {
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
	return fmt.Sprintf("%s (%s at %s)", text, o.layer.Tree[e.Node].Kind, place(e.Range))
}

func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

func quotePath(p string) string {
	if p == "." {
		return `"/"`
	}
	return fmt.Sprintf("%q", "/"+p)
}

// addParents appends the directories above e that nobody declared, and reports
// an e that lies below something else than a directory. Parents are the indexes
// of the directories that the entry before e lies in, and itself: in canonical
// order nothing else can be a parent of e that is there already. The result is
// the same for the entry after e.
func (o *observer) addParents(entries []Entry, parents []int, e *Entry) ([]Entry, []int) {
	for len(parents) > 0 && !isBelow(e.Path, entries[parents[len(parents)-1]].Path) {
		parents = parents[:len(parents)-1]
	}
	above := ""
	if len(parents) > 0 {
		top := &entries[parents[len(parents)-1]]
		if top.Type != stage.Directory {
			o.report(e.Node, "Parent is not a directory", "%q lies below %q, which is %s.", "/"+e.Path, "/"+top.Path, o.origin(top))
		}
		above = top.Path + "/"
	}
	for i := len(above); i < len(e.Path); i++ {
		if e.Path[i] != '/' {
			continue
		}
		parents = append(parents, len(entries))
		entries = append(entries, Entry{Node: -1, Entry: stage.Entry{
			Path: e.Path[:i], Type: stage.Directory, Mode: 0o755, Mtime: o.opts.Epoch,
		}})
	}
	if e.Path != "." {
		parents = append(parents, len(entries))
	}
	return entries, parents
}

// isBelow reports whether a path lies below another one.
func isBelow(p, dir string) bool {
	return len(p) > len(dir) && p[len(dir)] == '/' && strings.HasPrefix(p, dir)
}

// tie gives hard links the metadata of their targets, for both are one inode.
func (o *observer) tie(entries []Entry) {
	known := make(map[string]int)
	hasLinks := false
	for i := range entries {
		hasLinks = hasLinks || entries[i].Type == stage.Hardlink
	}
	if !hasLinks {
		return
	}
	for i := range entries {
		known[entries[i].Path] = i
	}
	for i := range entries {
		e := &entries[i]
		if e.Type != stage.Hardlink {
			continue
		}
		at, ok := known[e.Linkname]
		switch {
		case !ok:
			o.report(e.Node, "No such hard link target", "The layer has no entry %q for %q to share. A hard link needs its target in the same layer.", "/"+e.Linkname, "/"+e.Path)
			continue
		case entries[at].Type == stage.Directory:
			o.report(e.Node, "Invalid hard link target", "%q is a directory, which cannot be hard-linked.", "/"+e.Linkname)
			continue
		case entries[at].Type == stage.Hardlink:
			o.report(e.Node, "Invalid hard link target", "%q is itself a hard link: name its target %q instead.", "/"+e.Linkname, "/"+entries[at].Linkname)
			continue
		}
		target := &entries[at]
		e.Mode, e.UID, e.GID, e.Mtime = target.Mode, target.UID, target.GID, target.Mtime
	}
}
