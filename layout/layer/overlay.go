package layer

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layform/layform/layout/imagespec"
)

// File is one path of an image: its entry, and the layer that it comes from.
type File struct {
	// Layer is the index of the layer, bottom first.
	Layer int
	// Entry is the entry of the layer. Its Path is where the file lies in the
	// image, which differs from that in the layer where the entry was placed
	// through a symbolic link; so is the Linkname of a hard link.
	Entry
	// ContentLayer and Content are the layer and the entry that hold the content
	// of a regular file or of a hard link; Content is nil where there is none.
	ContentLayer int
	Content      *Entry
}

// Overlay is the tree of files that the layers of an image make up together, as
// programs that unpack images make it. An entry whose parent is a symbolic link
// below is placed through the link, which has the root of the image as its root;
// a directory over a directory changes its metadata, and anything else replaces
// what was there, a link to a directory included. Whiteouts hide what lower layers
// have, whatever their order in their own layer. The zero value has no files.
type Overlay struct {
	root   *treeNode
	layers int
	// implied counts the directories that no entry was needed for, and steps the
	// work of finding places: both have bounds, for layers may be made to exceed
	// all measure.
	implied, steps int
	// parent is the directory that was found last, for the path in the layer.
	parentPath string
	parent     *treeNode
}

// treeNode is a path of an overlay.
type treeNode struct {
	name     string
	parent   *treeNode // nil for the root
	children map[string]*treeNode
	// entry is nil for a directory that has no entry of its own.
	entry *Entry
	layer int
	// target holds the content of a hard link, as it was when the link was made.
	target      *Entry
	targetLayer int
	linkname    string
	// length is that of the path.
	length int
}

// The bounds of an overlay: of the directories without entries, and of the steps
// for each layer, beside those for each of its entries.
const (
	maxImplied    = 1 << 18
	freeSteps     = 1 << 24
	stepsPerEntry = 256
	// maxLinks bounds the links that one path leads through.
	maxLinks = 40
)

var (
	errManyLinks  = errors.New("leads through too many symlinks")
	errLongLink   = errors.New("leads through a link that is longer than Linux allows")
	errLongPath   = errors.New("it comes to lie at a path that is longer than Linux allows")
	errManySteps  = errors.New("the paths of the layer lead through more directories and links than can be followed")
	errManyParent = fmt.Errorf("the image has more than %d directories without entries of their own", maxImplied)
)

// isDir reports whether a node is a directory, or the link target of none.
func (n *treeNode) isDir() bool { return n.entry == nil || n.entry.Type == Directory }

// path is the place of a node in the image.
func (n *treeNode) path() string {
	if n.parent == nil {
		return "."
	}
	var names []string
	for ; n.parent != nil; n = n.parent {
		names = append(names, n.name)
	}
	slices.Reverse(names)
	return strings.Join(names, "/")
}

// put gives a directory a child, in place of the one that it has.
func (n *treeNode) put(c *treeNode) error {
	if c.length = n.length + 1 + len(c.name); c.length > imagespec.MaxPath {
		return errLongPath
	}
	if n.children == nil {
		n.children = map[string]*treeNode{}
	}
	c.parent = n
	n.children[c.name] = c
	return nil
}

// Add lays a layer over those that were added before. toc stays as it is, and is
// kept. An error says that no program can unpack the layer there; the overlay is of
// no use then.
func (o *Overlay) Add(toc *TOC) error {
	if o.root == nil {
		o.root = &treeNode{layer: -1}
	}
	o.steps, o.parent = freeSteps+stepsPerEntry*len(toc.Entries), nil
	for i := range toc.Entries {
		if err := o.add(&toc.Entries[i]); err != nil {
			return fmt.Errorf("%q: %w", shortened(toc.Entries[i].Path), err)
		}
	}
	o.layers++
	return nil
}

// add places one entry.
func (o *Overlay) add(e *Entry) error {
	if e.Path == "." {
		if e.Type != Directory {
			return fmt.Errorf("the root of a layer cannot be a %s", e.Type)
		}
		o.root.entry, o.root.layer = e, o.layers
		return nil
	}
	dir, base := path.Split(e.Path)
	if imagespec.IsWhiteout(base) {
		return o.whiteout(path.Clean(dir), base)
	}
	parent, err := o.makeDir(path.Clean(dir))
	if err != nil {
		return err
	}
	n := &treeNode{name: base, entry: e, layer: o.layers}
	if e.Type == Hardlink {
		target := o.find(e.Linkname)
		if target == nil || target.isDir() {
			// Programs that unpack it fail, or link to nothing: there is no content.
			n.linkname = e.Linkname
		} else {
			n.target, n.targetLayer, n.linkname = target.entry, target.layer, target.path()
			if target.entry.Type == Hardlink {
				n.target, n.targetLayer = target.target, target.targetLayer
			}
		}
	}
	if was := parent.children[base]; was != nil {
		if was.isDir() && e.Type == Directory {
			was.entry, was.layer = e, o.layers
			return nil
		}
		o.parent = nil // the directory that was found last may be gone
	}
	if e.Type == Symlink {
		o.parent = nil
	}
	return parent.put(n)
}

// whiteout hides what lower layers have.
func (o *Overlay) whiteout(dir, base string) error {
	hidden, err := imagespec.Hidden(base)
	if err != nil {
		return nil // it names nothing that a layer can hold
	}
	parent, err := o.walk(dir, false)
	if err != nil || parent == nil {
		return err
	}
	o.parent = nil
	if hidden == "" {
		return o.dropBelow(parent)
	}
	n := parent.children[hidden]
	if n == nil {
		return nil
	}
	if err := o.dropBelow(n); err != nil {
		return err
	}
	switch {
	case n.layer == o.layers:
	case len(n.children) == 0:
		delete(parent.children, hidden)
	default:
		n.entry, n.layer = nil, o.layers // this layer has something below it
	}
	return nil
}

// dropBelow removes what lower layers have below a directory.
func (o *Overlay) dropBelow(n *treeNode) error {
	for name, c := range n.children {
		if o.steps--; o.steps < 0 {
			return errManySteps
		}
		if err := o.dropBelow(c); err != nil {
			return err
		}
		switch {
		case c.layer == o.layers:
		case len(c.children) == 0:
			delete(n.children, name)
		default:
			c.entry = nil // this layer has something below it
		}
	}
	return nil
}

// makeDir finds the directory at a path of the layer, and makes what is missing.
func (o *Overlay) makeDir(dir string) (*treeNode, error) {
	if o.parent != nil && o.parentPath == dir {
		return o.parent, nil
	}
	n, err := o.walk(dir, true)
	if err != nil {
		return nil, err
	}
	o.parent, o.parentPath = n, dir
	return n, nil
}

// find gives the node at a path, whose parents may be links; nil where there is none.
func (o *Overlay) find(p string) *treeNode {
	dir, base := path.Split(p)
	parent, err := o.walk(path.Clean(dir), false)
	if err != nil || parent == nil {
		return nil
	}
	return parent.children[base]
}

// dots is the directory that an empty part of a path, "." or ".." leads to; false
// for a name. What lies above the root is the root.
func (n *treeNode) dots(part string) (*treeNode, bool) {
	switch {
	case part == "" || part == ".", part == ".." && n.parent == nil:
		return n, true
	case part == "..":
		return n.parent, true
	}
	return nil, false
}

// walk goes to a directory, through links, and makes what is missing if it may;
// otherwise it gives nil for what is missing or no directory.
func (o *Overlay) walk(dir string, create bool) (*treeNode, error) {
	at, links := o.root, 0
	rest := strings.Split(dir, "/")
	for len(rest) > 0 {
		if o.steps--; o.steps < 0 {
			return nil, errManySteps
		}
		part := rest[0]
		rest = rest[1:]
		if to, ok := at.dots(part); ok {
			at = to
			continue
		}
		next := at.children[part]
		switch {
		case next == nil && !create:
			return nil, nil
		case next == nil:
			if o.implied++; o.implied > maxImplied {
				return nil, errManyParent
			}
			next = &treeNode{name: part, layer: o.layers}
			if err := at.put(next); err != nil {
				return nil, err
			}
			at = next
		case next.isDir():
			at = next
		case next.entry.Type == Symlink:
			if links++; links > maxLinks {
				return nil, errManyLinks
			}
			if at, rest = o.follow(at, next.entry, rest); rest == nil {
				return nil, errLongLink
			}
		case !create:
			return nil, nil
		default:
			return nil, fmt.Errorf("it lies below %q, which is a %s", "/"+shortened(next.path()), next.entry.Type)
		}
	}
	return at, nil
}

// follow gives where a link in a directory leads to, and the rest of the way; nil
// for a link that is too long.
func (o *Overlay) follow(dir *treeNode, link *Entry, rest []string) (*treeNode, []string) {
	if len(link.Linkname) > imagespec.MaxPath {
		return nil, nil
	}
	if path.IsAbs(link.Linkname) {
		dir = o.root
	}
	parts := strings.Split(link.Linkname, "/")
	o.steps -= len(parts)
	return dir, append(parts, rest...)
}

// Files lists all that has an entry, in canonical order.
func (o *Overlay) Files() iter.Seq[File] {
	return func(yield func(File) bool) {
		if o.root != nil {
			o.root.visit(".", yield)
		}
	}
}

// visit lists a node and what lies below it.
func (n *treeNode) visit(at string, yield func(File) bool) bool {
	if n.entry != nil && !yield(n.file(at)) {
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		if !n.children[name].visit(path.Join(at, name), yield) {
			return false
		}
	}
	return true
}

// file is the file at a node.
func (n *treeNode) file(at string) File {
	if n.entry == nil {
		return File{Layer: n.layer, Entry: Entry{Path: at, Type: Directory, Mode: 0o755}}
	}
	f := File{Layer: n.layer, Entry: *n.entry}
	f.Path = at
	switch f.Type {
	case Regular:
		f.ContentLayer, f.Content = n.layer, n.entry
	case Hardlink:
		f.Linkname = n.linkname
		if n.target != nil && n.target.Type == Regular {
			f.ContentLayer, f.Content = n.targetLayer, n.target
		}
	}
	return f
}

// Lookup finds a path, through symbolic links, which are taken as a container
// takes them: the root of the image is their root. With follow unset a link in
// the last component is given itself. A directory needs no entry of its own.
func (o *Overlay) Lookup(name string, follow bool) (File, error) {
	if o.root == nil {
		o.root = &treeNode{layer: -1}
	}
	rest := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	at, links := o.root, 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if to, ok := at.dots(part); ok {
			at = to
			continue
		}
		next := at.children[part]
		switch {
		case next == nil:
			return File{}, fmt.Errorf("the image has no %q", path.Join("/", at.path(), part))
		case next.isDir() || next.entry.Type != Symlink || len(rest) == 0 && !follow:
			at = next
			continue
		}
		if links++; links > maxLinks {
			return File{}, fmt.Errorf("%q %w", name, errManyLinks)
		}
		if at, rest = o.follow(at, next.entry, rest); rest == nil {
			return File{}, fmt.Errorf("%q %w", name, errLongLink)
		}
	}
	return at.file(at.path()), nil
}
