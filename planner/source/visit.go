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
	copied *copied
	entry  *Entry
}

// given is the contribution of one block to a path: its entry, or a file that a copy
// found. It is empty for a parent that nobody declared.
type given struct {
	entry  *Entry
	copied *copied
	found  *walk.Found
}

// node is the index of the block.
func (g given) node() int {
	if g.copied != nil {
		return g.copied.op
	}
	return int(g.entry.Op)
}

// node is a path at which blocks of a layer may meet: the path of a block, or a
// parent of one. A subtree that comes from a single copy is not split into nodes.
type node struct {
	given []given
	trees []tree
	below map[string]*node
}

// tree is a directory's content that one copy found.
type tree struct {
	copied *copied
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

// add adds what a copy found at the node's path.
func (n *node) add(c *copied, f *walk.Found) {
	if f != c.tree.Top || !c.bare {
		n.given = append(n.given, given{copied: c, found: f})
	}
	if f.Below != nil {
		n.trees = append(n.trees, tree{c, f.Below.Found})
	}
}

// visitor merges the blocks of a layer.
type visitor struct {
	o     *observer
	yield func(path []byte, g given, e *Entry)
	// e is the entry that is being given.
	e Entry
}

// visit calls yield for the entries of a layer in canonical order, each path
// once, with the parents that nobody declared; hard links stand where their paths
// do. The path and the entry, which has neither Path nor File and of what a walk
// found no Digest, are good until yield returns. Contradictions are reported.
func (o *observer) visit(blocks []block, yield func(path []byte, g given, e *Entry)) {
	root := &node{}
	for _, b := range blocks {
		if b.copied != nil {
			root.at(b.copied.to).add(b.copied, b.copied.tree.Top)
		} else {
			n := root.at(b.entry.Path)
			n.given = append(n.given, given{entry: b.entry})
		}
	}
	v := &visitor{o: o, yield: yield}
	v.node(root, nil, nil)
}

// node visits a path, which is empty for the root, and all below it. over is the
// entry that it lies in where that is no directory.
func (v *visitor) node(n *node, path []byte, over *Entry) {
	name := path
	if len(path) == 0 {
		name = []byte(".")
	}
	switch {
	case len(n.given) > 0:
		g := v.settle(n.given, name)
		v.give(name, g, over)
		if over = nil; v.e.Type != layer.Directory && len(path) > 0 {
			e := v.named(name, g)
			over = &e
		}
	case len(path) > 0:
		v.e = v.o.parent()
		v.yield(path, given{}, &v.e)
	}
	v.below(n, inside(path), over)
}

// inside is the path of a directory as the beginning of what lies in it.
func inside(path []byte) []byte {
	if len(path) == 0 {
		return path
	}
	return append(path, '/')
}

// below visits what lies in a node: its nodes, and what a single copy found there.
func (v *visitor) below(n *node, path []byte, over *Entry) {
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
		v.tree(tree{rest.copied, rest.found[:at]}, path, over)
		rest.found = rest.found[at:]
		child := n.below[name]
		if len(rest.found) > 0 && rest.found[0].Name == name {
			child.add(rest.copied, &rest.found[0])
			rest.found = rest.found[1:]
		}
		v.node(child, append(path, name...), over)
	}
	v.tree(rest, path, over)
}

// tree visits what a copy found in a directory, and the trees below.
func (v *visitor) tree(t tree, dir []byte, over *Entry) {
	for i := range t.found {
		f := &t.found[i]
		path, g := append(dir, f.Name...), given{copied: t.copied, found: f}
		dir = path[:len(dir)] // with the room that it has now
		v.describe(g)
		v.give(path, g, over)
		if f.Below != nil {
			v.tree(tree{t.copied, f.Below.Found}, inside(path), nil)
		}
	}
}

// give gives the entry v.e.
func (v *visitor) give(path []byte, g given, over *Entry) {
	if over != nil {
		v.o.report(int(v.e.Op), "Parent is not a directory", "%q lies below %q, which is %s.", "/"+string(path), "/"+over.Path, v.o.origin(over))
	}
	v.yield(path, g, &v.e)
}

// describe sets v.e to what a block gives.
func (v *visitor) describe(g given) {
	if g.entry != nil {
		v.e = *g.entry
		v.e.Path, v.e.File = "", ""
		return
	}
	v.e = Entry{}
	g.copied.describe(&v.e, g.found)
}

// named is v.e, which g gives, with its Path and File.
func (v *visitor) named(path []byte, g given) Entry {
	e := v.e
	e.Path, e.File = string(path), string(g.file(nil, path))
	return e
}

// settle sets v.e to the one entry of a path, and returns its origin, or reports why
// there cannot be one. A directory block wins over copies of the directory; copies must
// agree.
func (v *visitor) settle(all []given, path []byte) given {
	if len(all) == 1 {
		v.describe(all[0])
		return all[0]
	}
	slices.SortStableFunc(all, func(a, b given) int { return a.node() - b.node() })
	entries := make([]Entry, len(all))
	for i, g := range all {
		v.describe(g)
		entries[i] = v.named(path, g)
	}
	at := v.o.choose(entries)
	v.e = entries[at]
	v.e.Path, v.e.File = "", ""
	return all[at]
}

// choose picks the one entry of a path among those that blocks give, or reports
// why there cannot be one.
func (o *observer) choose(all []Entry) int {
	at := 0
	for i := 1; i < len(all); i++ {
		chosen, e := &all[at], &all[i]
		if chosen.Type != layer.Directory || e.Type != layer.Directory {
			o.conflict("Two entries for one path", chosen, e, "A layer holds one entry for a path: remove or exclude one of them.")
			return at
		}
		if o.declared(e) {
			if o.declared(chosen) {
				o.conflict("Two entries for one path", chosen, e, "Remove one of them.")
				return at
			}
			at = i
		}
	}
	if o.declared(&all[at]) {
		return at
	}
	for i := 1; i < len(all); i++ {
		if len(properties(&all[0].Entry, &all[i].Entry)) > 0 {
			o.conflict("Two copies disagree on a directory", &all[0], &all[i],
				"Their mode, owner, time or xattrs differ: declare it with a directory block, which wins.")
			break
		}
	}
	return at
}

// declared reports whether a directory block declares e.
func (o *observer) declared(e *Entry) bool { return o.layer.Tree[e.Op].Kind == spec.OpDirectory }

func (o *observer) conflict(summary string, a, b *Entry, advice string) {
	o.report(int(b.Op), summary, "%s is %s, and %s as well. %s", quotePath(b.Path), o.origin(b), o.origin(a), advice)
}
