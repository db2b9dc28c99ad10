package layer

import (
	"bytes"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
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

// Files lists all that has an entry, in canonical order.
func (o *Overlay) Files() iter.Seq[File] {
	return func(yield func(File) bool) {
		o.tree.start()
		o.visit(rootNode, ".", yield)
	}
}

// visit lists a node and what lies below it.
func (o *Overlay) visit(n nodeID, at string, yield func(File) bool) bool {
	if o.tree.hasEntry(n) && !yield(o.file(n, at)) {
		return false
	}
	for _, c := range o.sorted(n) {
		if !o.visit(c, path.Join(at, string(o.tree.name(c))), yield) {
			return false
		}
	}
	return true
}

// sorted are the nodes in a directory by name.
func (o *Overlay) sorted(dir nodeID) []nodeID {
	in := slices.Collect(o.tree.children(dir))
	slices.SortFunc(in, func(a, b nodeID) int { return bytes.Compare(o.tree.name(a), o.tree.name(b)) })
	return in
}

// file is the file at a node.
func (o *Overlay) file(n nodeID, at string) File {
	layer := int(o.tree.at(n).layer)
	if !o.tree.hasEntry(n) {
		return File{Layer: layer, Entry: Entry{Path: at, Type: Directory, Mode: 0o755}}
	}
	f := File{Layer: layer, Entry: *o.tree.entry(n)}
	f.Path = at
	switch f.Type {
	case Regular:
		f.ContentLayer, f.Content = layer, o.tree.entry(n)
	case Hardlink:
		target := o.tree.target(n)
		if target == noNode {
			break
		}
		f.Linkname = o.tree.path(target)
		if o.tree.kind(target) == Hardlink {
			target = o.tree.target(target)
		}
		if target != noNode && o.tree.kind(target) == Regular {
			f.ContentLayer, f.Content = int(o.tree.at(target).layer), o.tree.entry(target)
		}
	}
	return f
}

// Lookup finds a path, through symbolic links, which are taken as a container
// takes them: the root of the image is their root. With follow unset a link in
// the last component is given itself. A directory needs no entry of its own.
func (o *Overlay) Lookup(name string, follow bool) (File, error) {
	o.tree.start()
	r := routeTo(strings.Trim(path.Clean("/"+name), "/"))
	if err := o.walk(r, follow); err != nil {
		return File{}, fmt.Errorf("%q %w", name, err)
	}
	if len(r.rest) > 0 {
		return File{}, fmt.Errorf("the image has no %q", "/"+path.Join(o.tree.path(r.at), r.rest[0]))
	}
	return o.file(r.at, o.tree.path(r.at)), nil
}
