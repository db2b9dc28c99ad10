package layer

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/layform/layform/layout/imagespec"
)

// Overlay is the tree of files that the layers of an image make up together, as
// programs that unpack images make it. An entry whose parent is a symbolic link
// below is placed through the link, which has the root of the image as its root;
// a directory over a directory changes its metadata, and anything else replaces
// what was there, a link to a directory included. Whiteouts hide what lower layers
// have, whatever their order in their own layer. The zero value has no files.
type Overlay struct {
	// OmitDigests leaves the digests of files out, which are a third of the memory.
	// It is set before the first layer is added.
	OmitDigests bool

	tree   tree
	layers int32
	// implied counts the directories that no entry was needed for, and steps the
	// work of finding places: both have bounds, for layers may be made to exceed
	// all measure.
	implied, steps int
	// parent is the directory that was found last, for the path in the layer, if any.
	parentPath string
	parent     nodeID
	hasParent  bool
}

// The bounds of an overlay: of the directories without entries, of the steps
// for each layer, beside those for each of its entries, and of the memory.
const (
	maxImplied    = 1 << 18
	freeSteps     = 1 << 24
	stepsPerEntry = 256
	// MaxOverlay is the most memory in bytes that an Overlay takes, about: some
	// 50 for each file and directory beside its name, and 32 for each digest.
	MaxOverlay = 64 << 20
)

var (
	errManyLinks  = errors.New("leads through too many symlinks")
	errLongLink   = errors.New("leads through a link that is longer than Linux allows")
	errLongPath   = errors.New("it comes to lie at a path that is longer than Linux allows")
	errManySteps  = errors.New("the paths of the layer lead through more directories and links than can be followed")
	errManyParent = fmt.Errorf("the image has more than %d directories without entries of their own", maxImplied)
)

// Add lays a layer over those that were added before. toc stays as it is, and is
// not kept. An error says that no program can unpack the layer there, or that the
// image has more files than MaxOverlay has room for; the overlay is of no use then.
func (o *Overlay) Add(toc *TOC) error {
	return o.AddLayer(func(add func(*Entry) error) error {
		for i := range toc.Entries {
			if err := add(&toc.Entries[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddLayer is Add for a layer whose entries are passed to add one after the other,
// in the order of its tar. add keeps nothing of what it is given; its errors, and
// those of each itself, are returned.
func (o *Overlay) AddLayer(each func(add func(*Entry) error) error) error {
	o.tree.start()
	o.steps, o.hasParent = freeSteps, false
	err := each(func(e *Entry) error {
		o.steps += stepsPerEntry
		if err := o.add(e); err != nil {
			return fmt.Errorf("%q: %w", shortened(e.Path), err)
		}
		return nil
	})
	o.layers++
	return err
}

// add places one entry.
func (o *Overlay) add(e *Entry) error {
	if o.tree.memory() > MaxOverlay {
		return fmt.Errorf("the image has too many files to list: the %d up to here take more than %d MiB of memory", o.tree.nodes.n, MaxOverlay>>20)
	}
	if e.Path == "." {
		if e.Type != Directory {
			return fmt.Errorf("the root of a layer cannot be a %s", e.Type)
		}
		return o.describe(rootNode, e, noNode)
	}
	dir, base := path.Split(e.Path)
	if imagespec.IsWhiteout(base) {
		return o.whiteout(path.Clean(dir), base)
	}
	parent, err := o.makeDir(path.Clean(dir))
	if err != nil {
		return err
	}
	target := noNode
	if e.Type == Hardlink {
		target = o.target(e)
	}
	if was, ok := o.tree.child(parent, base); ok {
		if o.tree.isDir(was) && e.Type == Directory {
			return o.describe(was, e, noNode)
		}
		o.hasParent = false // the directory that was found last may be gone
	}
	if e.Type == Symlink {
		o.hasParent = false
	}
	n, err := o.tree.put(parent, base)
	if err != nil {
		return err
	}
	return o.describe(n, e, target)
}

// target is the node whose content a hard link shares; noNode where programs that
// unpack it fail, or link to nothing.
func (o *Overlay) target(e *Entry) nodeID {
	target, ok := o.find(e.Linkname)
	if !ok || o.tree.isDir(target) {
		return noNode
	}
	return target
}

// describe gives a node the entry of the layer that is being added, and the node whose
// content it shares if that is a hard link.
func (o *Overlay) describe(n nodeID, e *Entry, target nodeID) error {
	kept := *e
	if o.OmitDigests {
		kept.Digest = ""
	}
	dir, name := path.Split(e.Path)
	if n == rootNode {
		name = ""
	}
	if o.tree.hasPath(o.tree.at(n).parent, path.Clean(dir)) {
		kept.Path = "" // the node knows it
	}
	return o.tree.describe(n, name, &kept, target, o.layers)
}

// whiteout hides what lower layers have.
func (o *Overlay) whiteout(dir, base string) error {
	hidden, err := imagespec.Hidden(base)
	if err != nil {
		return nil // it names nothing that a layer can hold
	}
	parent, ok, err := o.findDir(dir)
	if err != nil || !ok {
		return err
	}
	o.hasParent = false
	if hidden == "" {
		return o.dropBelow(parent)
	}
	n, ok := o.tree.child(parent, hidden)
	if !ok {
		return nil
	}
	if err := o.dropBelow(n); err != nil {
		return err
	}
	switch {
	case o.tree.at(n).layer == o.layers:
	case o.tree.isEmpty(n):
		o.tree.remove(n)
	default:
		o.tree.undescribe(n, o.layers) // this layer has something below it
	}
	return nil
}

// dropBelow removes what lower layers have below a directory.
func (o *Overlay) dropBelow(n nodeID) error {
	for c := range o.tree.children(n) {
		if o.steps--; o.steps < 0 {
			return errManySteps
		}
		if err := o.dropBelow(c); err != nil {
			return err
		}
		switch layer := o.tree.at(c).layer; {
		case layer == o.layers:
		case o.tree.isEmpty(c):
			o.tree.remove(c)
		default:
			o.tree.undescribe(c, layer) // this layer has something below it
		}
	}
	return nil
}

// makeDir finds the directory at a path of the layer, and makes what is missing.
func (o *Overlay) makeDir(dir string) (nodeID, error) {
	if o.hasParent && o.parentPath == dir {
		return o.parent, nil
	}
	r := routeTo(dir)
	for {
		if err := o.walkBounded(r); err != nil {
			return noNode, err
		}
		if !o.tree.isDir(r.at) {
			return noNode, fmt.Errorf("it lies below %q, which is a %s", "/"+shortened(o.tree.path(r.at)), o.tree.kind(r.at))
		}
		if len(r.rest) == 0 {
			break
		}
		made, err := o.imply(r.at, r.rest[0])
		if err != nil {
			return noNode, err
		}
		r.at, r.rest = made, r.rest[1:]
	}
	o.parent, o.parentPath, o.hasParent = r.at, strings.Clone(dir), true
	return r.at, nil
}

// findDir gives the directory at a path, through links; false where there is none.
func (o *Overlay) findDir(dir string) (nodeID, bool, error) {
	r := routeTo(dir)
	if err := o.walkBounded(r); err != nil {
		return noNode, false, err
	}
	return r.at, len(r.rest) == 0 && o.tree.isDir(r.at), nil
}

// find gives the node at a path, whose parents may be links; false where there is none.
func (o *Overlay) find(p string) (nodeID, bool) {
	dir, base := path.Split(p)
	parent, ok, err := o.findDir(path.Clean(dir))
	if err != nil || !ok {
		return noNode, false
	}
	return o.tree.child(parent, base)
}

// walkBounded walks a route to a directory within the steps that the layer has.
func (o *Overlay) walkBounded(r *route) error {
	if err := o.walk(r, true); err != nil {
		return err
	}
	if o.steps < 0 {
		return errManySteps
	}
	return nil
}

// imply makes a directory that has no entry.
func (o *Overlay) imply(parent nodeID, name string) (nodeID, error) {
	if o.implied++; o.implied > maxImplied {
		return noNode, errManyParent
	}
	n, err := o.tree.put(parent, name)
	if err != nil {
		return noNode, err
	}
	o.tree.imply(n, name, o.layers)
	return n, nil
}
