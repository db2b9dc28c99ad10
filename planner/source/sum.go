package source

import (
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// made is what one block of a layer gives: the walk of a copy, or one entry.
type made struct {
	walk  *walk
	entry *Entry
}

// fingerprint is what Tree.Fingerprint gives for the layer of these blocks, from
// what the walks found: no entry is made for that. It answers false where nobody
// knows a fingerprint to compare it with, and where it takes more to tell it:
// while content is unknown, for hard links, and where blocks contradict each other.
func (o *observer) fingerprint(blocks []made) (digest.Digest, bool) {
	if o.opts.Known == "" || o.diags.HasErrors() {
		return "", false
	}
	root := &node{}
	for _, b := range blocks {
		if !b.plain() || !root.add(b) {
			return "", false
		}
	}
	s := &summer{o: o, records: newRecords()}
	if !s.node(root, nil) {
		return "", false
	}
	return s.fingerprint(), true
}

// plain reports whether the files of a block need not be read, and its entries
// depend on nothing else.
func (b made) plain() bool {
	if w := b.walk; w != nil {
		_, err := encodeCapabilities(w.n.Capabilities)
		return w.n.Metadata != spec.Preserve && !w.unread.Load() && (w.n.Capabilities == "" || err == nil)
	}
	return b.entry.Type != layer.Hardlink && !b.entry.Unknown
}

// path is where the block's tree begins.
func (b made) path() string {
	if b.walk != nil {
		return b.walk.to
	}
	return b.entry.Path
}

// node is a path that blocks name, or that lies above one: what blocks give for
// it, what their walks found there, and the paths below it. What one walk alone
// found has no nodes.
type node struct {
	entry *Entry
	finds []find
	below map[string]*node
}

// find is what a walk found at a path.
type find struct {
	walk *walk
	*found
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

// add puts what a block gives in its place. A path has one entry that is no copy.
func (n *node) add(b made) bool {
	if path := b.path(); path != "." {
		for name := range strings.SplitSeq(path, "/") {
			n = n.child(name)
		}
	}
	if b.walk != nil {
		n.finds = append(n.finds, find{b.walk, b.walk.top})
		return true
	}
	free := n.entry == nil
	n.entry = b.entry
	return free
}

// summer covers entries in canonical order.
type summer struct {
	o *observer
	*records
	// e is the entry that is being covered.
	e Entry
}

// node covers a path, which is empty for the root, and the tree below it.
func (s *summer) node(n *node, path []byte) bool {
	given := len(n.finds)
	directories := !slices.ContainsFunc(n.finds, func(f find) bool { return f.kind != kindDirectory })
	if n.entry != nil {
		given++
		directories = directories && n.entry.Type == layer.Directory
	}
	if !directories && (given > 1 || len(n.below) > 0) {
		return false
	}
	known := true
	switch {
	case n.entry != nil:
		known = s.entry(&n.entry.Entry)
	case len(path) == 0: // a copy gives no entry of the root
	case given == 0:
		s.e = s.o.parent(string(path))
		known = s.entry(&s.e.Entry)
	case agree(n.finds):
		s.found(n.finds[0].walk, n.finds[0].found, path)
	default:
		return false
	}
	return known && s.below(n, inside(path))
}

// agree reports whether copies give the same entry of a directory.
func agree(all []find) bool {
	var first Entry
	for i, f := range all {
		var e Entry
		f.walk.describe(&e, f.found)
		if i == 0 {
			first = e
		} else if !sameDirectory(&first, &e) {
			return false
		}
	}
	return true
}

// below covers what lies in a node: its nodes, and what a walk found there.
func (s *summer) below(n *node, path []byte) bool {
	var walk *walk
	var rest []found
	for _, f := range n.finds {
		switch {
		case f.below == nil:
		case len(n.finds) == 1:
			walk, rest = f.walk, f.below.found
		default:
			for i := range f.below.found {
				child := n.child(f.below.found[i].name)
				child.finds = append(child.finds, find{f.walk, &f.below.found[i]})
			}
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(n.below), layer.Compare) {
		at := 0
		for at < len(rest) && layer.Compare(rest[at].name, name) < 0 {
			at++
		}
		s.listing(walk, rest[:at], path)
		rest = rest[at:]
		child := n.below[name]
		if len(rest) > 0 && rest[0].name == name {
			child.finds = append(child.finds, find{walk, &rest[0]})
			rest = rest[1:]
		}
		if !s.node(child, append(path, name...)) {
			return false
		}
	}
	s.listing(walk, rest, path)
	return true
}

// inside is the path of a directory as the beginning of what lies in it.
func inside(path []byte) []byte {
	if len(path) == 0 {
		return path
	}
	return append(path, '/')
}

// listing covers what a walk found in a directory, and the trees below.
func (s *summer) listing(w *walk, all []found, dir []byte) {
	for i := range all {
		f := &all[i]
		path := append(dir, f.name...)
		s.found(w, f, path)
		if f.below != nil {
			s.listing(w, f.below.found, inside(path))
		}
	}
}

// found covers one thing that a walk found. Those that are files have their sums.
func (s *summer) found(w *walk, f *found, path []byte) {
	s.e = Entry{}
	w.describe(&s.e, f)
	cover(s.records, path, &s.e.Entry, f.sum)
}
