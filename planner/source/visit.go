package source

import (
	"maps"
	"slices"
	"strings"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

// block is the result of one block of a layer: a copy, or one entry.
type block struct {
	copied *copyResult
	entry  *Entry
}

// contribution is the part of one block in a path: its entry, or a file that a copy
// found. It is empty for a parent that no block declares.
type contribution struct {
	entry  *Entry
	copied *copyResult
	found  *walk.Found
}

// opIndex is the index of the block in the layer's tree.
func (g contribution) opIndex() int {
	if g.copied != nil {
		return g.copied.index
	}
	return int(g.entry.Op)
}

// node is a path at which blocks of a layer may meet: the path of a block, or a
// parent of one. A subtree that comes from a single copy is not split into nodes.
type node struct {
	contributions []contribution
	trees         []tree
	below         map[string]*node
}

// tree is a directory's content that one copy found.
type tree struct {
	copied *copyResult
	found  []walk.Found
}

// child is the node of a name below.
func (n *node) child(name string) *node {
	if n.below == nil {
		n.below = map[string]*node{}
	}
	if n.below[name] == nil {
		n.below[name] = &node{}
	}
	return n.below[name]
}

// at is the node of a path below.
func (n *node) at(path string) *node {
	if path != "." {
		for name := range strings.SplitSeq(path, "/") {
			n = n.child(name)
		}
	}
	return n
}

// add adds the file that a copy found at the node's path.
func (n *node) add(c *copyResult, f *walk.Found) {
	if f != c.tree.Top || !c.noTopEntry {
		n.contributions = append(n.contributions, contribution{copied: c, found: f})
	}
	if f.Below != nil {
		n.trees = append(n.trees, tree{c, f.Below.Found})
	}
}

// visitor merges the blocks of a layer.
type visitor struct {
	o     *observer
	yield func(path []byte, g contribution, e *Entry)
	// entry is the entry that yield is called with.
	entry Entry
}

// visit calls yield for the entries of a layer in canonical order, each path
// once, with the parents that no block declares; hard links stand where their paths
// do. The path and the entry, which has neither Path nor File and of what a walk
// found no Digest, are good until yield returns. Contradictions are reported.
func (o *observer) visit(blocks []block, yield func(path []byte, g contribution, e *Entry)) {
	root := &node{}
	for _, b := range blocks {
		if b.copied != nil {
			root.at(b.copied.to).add(b.copied, b.copied.tree.Top)
		} else {
			n := root.at(b.entry.Path)
			n.contributions = append(n.contributions, contribution{entry: b.entry})
		}
	}
	v := &visitor{o: o, yield: yield}
	v.visitNode(root, nil, nil)
}

// visitNode visits a path, which is empty for the root, and all below it. over is the
// entry that it lies in where that is no directory.
func (v *visitor) visitNode(n *node, path []byte, over *Entry) {
	name := path
	if len(path) == 0 {
		name = []byte(".")
	}
	switch {
	case len(n.contributions) > 0:
		g := v.merge(n.contributions, name)
		v.emit(name, g, over)
		if over = nil; v.entry.Type != layer.Directory && len(path) > 0 {
			e := v.withPaths(name, g)
			over = &e
		}
	case len(path) > 0:
		v.entry = v.o.impliedParent()
		v.yield(path, contribution{}, &v.entry)
	}
	v.visitChildren(n, childPrefix(path), over)
}

// childPrefix is the path of a directory as the prefix of its children's paths.
func childPrefix(path []byte) []byte {
	if len(path) == 0 {
		return path
	}
	return append(path, '/')
}

// visitChildren visits the children of a node, and the files that a single copy found there.
func (v *visitor) visitChildren(n *node, path []byte, over *Entry) {
	var rest tree
	if len(n.trees) == 1 {
		rest = n.trees[0]
	} else {
		for _, t := range n.trees {
			for i := range t.found {
				n.child(t.found[i].Name).add(t.copied, &t.found[i])
			}
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(n.below), layer.Compare) {
		at := 0
		for at < len(rest.found) && layer.Compare(rest.found[at].Name, name) < 0 {
			at++
		}
		v.visitTree(tree{rest.copied, rest.found[:at]}, path, over)
		rest.found = rest.found[at:]
		child := n.below[name]
		if len(rest.found) > 0 && rest.found[0].Name == name {
			child.add(rest.copied, &rest.found[0])
			rest.found = rest.found[1:]
		}
		v.visitNode(child, append(path, name...), over)
	}
	v.visitTree(rest, path, over)
}

// visitTree visits the files that a copy found in a directory, and the trees below.
func (v *visitor) visitTree(t tree, dir []byte, over *Entry) {
	for i := range t.found {
		f := &t.found[i]
		path, g := append(dir, f.Name...), contribution{copied: t.copied, found: f}
		dir = path[:len(dir)] // with the room that it has now
		v.describe(g)
		v.emit(path, g, over)
		if f.Below != nil {
			v.visitTree(tree{t.copied, f.Below.Found}, childPrefix(path), nil)
		}
	}
}

// emit calls yield for v.entry.
func (v *visitor) emit(path []byte, g contribution, over *Entry) {
	if over != nil {
		v.o.report(int(v.entry.Op), "Parent is not a directory", "%q lies below %q, which is %s.", "/"+string(path), "/"+over.Path, v.o.origin(over))
	}
	v.yield(path, g, &v.entry)
}

// describe sets v.entry to the entry of a contribution.
func (v *visitor) describe(g contribution) {
	if g.entry != nil {
		v.entry = *g.entry
		v.entry.Path, v.entry.File = "", ""
		return
	}
	v.entry = Entry{}
	g.copied.describe(&v.entry, g.found)
}

// withPaths is v.entry, the contribution g, with its Path and File.
func (v *visitor) withPaths(path []byte, g contribution) Entry {
	e := v.entry
	e.Path, e.File = string(path), string(g.appendFile(nil, path))
	return e
}

// merge sets v.entry to the one entry of a path, and returns its contribution, or reports why
// there cannot be one. A directory block wins over copies of the directory; copies must
// agree.
func (v *visitor) merge(all []contribution, path []byte) contribution {
	if len(all) == 1 {
		v.describe(all[0])
		return all[0]
	}
	slices.SortStableFunc(all, func(a, b contribution) int { return a.opIndex() - b.opIndex() })
	entries := make([]Entry, len(all))
	for i, g := range all {
		v.describe(g)
		entries[i] = v.withPaths(path, g)
	}
	at := v.o.chooseEntry(entries)
	v.entry = entries[at]
	v.entry.Path, v.entry.File = "", ""
	return all[at]
}

// chooseEntry picks the one entry of a path among those that blocks give, or reports
// why there cannot be one.
func (o *observer) chooseEntry(all []Entry) int {
	at := 0
	for i := 1; i < len(all); i++ {
		chosen, e := &all[at], &all[i]
		if chosen.Type != layer.Directory || e.Type != layer.Directory {
			o.reportConflict("Two entries for one path", chosen, e, "A layer holds one entry for a path: remove or exclude one of them.")
			return at
		}
		if o.isDirectoryBlock(e) {
			if o.isDirectoryBlock(chosen) {
				o.reportConflict("Two entries for one path", chosen, e, "Remove one of them.")
				return at
			}
			at = i
		}
	}
	if o.isDirectoryBlock(&all[at]) {
		return at
	}
	for i := 1; i < len(all); i++ {
		if len(differingProperties(&all[0].Entry, &all[i].Entry)) > 0 {
			o.reportConflict("Two copies disagree on a directory", &all[0], &all[i],
				"Their mode, owner, time or xattrs differ: declare it with a directory block, which wins.")
			break
		}
	}
	return at
}

// isDirectoryBlock reports whether a directory block declares e.
func (o *observer) isDirectoryBlock(e *Entry) bool {
	return o.layer.Tree[e.Op].Kind == spec.OpDirectory
}

func (o *observer) reportConflict(summary string, a, b *Entry, advice string) {
	o.report(int(b.Op), summary, "%s is %s, and %s as well. %s", quotePath(b.Path), o.origin(b), o.origin(a), advice)
}
