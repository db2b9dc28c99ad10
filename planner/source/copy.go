package source

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// copy walks what a copy block names: nil where nothing of it is to be copied.
//
// From is a directory: its tree stands at To, and the directory itself becomes
// the entry To; the image's root directory gets an entry only from a copy that
// preserves metadata. From is a file: it becomes the file To, or goes under its
// own name into To, where To is the root or Into is set. A link that From names
// is followed inside the root; links found below it are copied as links.
func (o *observer) copy(i int, n *spec.Node) *walk {
	from, info, err := resolve(o.root, n.From)
	if err != nil {
		o.report(i, "Unusable copy source", "Nothing can be copied from %q: %s.", n.From, err)
		return nil
	}
	selection, err := spec.NewSelection(n)
	if err != nil {
		o.report(i, "Invalid pattern", "Nothing can be chosen from %q: %s.", n.From, err)
		return nil
	}
	w := &walk{o: o, node: i, n: n, from: from, selection: selection}
	if info.IsDir() {
		w.tree(info)
	} else {
		w.file(info)
	}
	kept := w.prune()
	w.checkPatterns()
	w.warnOfLoss()
	if !kept {
		return nil
	}
	return w
}

// walk reads one copied tree, several directories at once.
type walk struct {
	o         *observer
	node      int
	n         *spec.Node
	from      string
	selection *spec.Selection

	// scratch is what reading a directory needs for a moment.
	scratch sync.Pool
	// top is what From names: nil after an error.
	top *found
	// bare is set where top has no entry of its own.
	bare bool
	// to is the path of the entry of top.
	to string
	// count is the number of entries.
	count int
	// lossy is set where something has a loss.
	lossy atomic.Bool
	// unread is set where a file has to be read for its digest.
	unread atomic.Bool
}

// found is one thing that a walk came upon. There is one for each file of a
// tree, and memory that is new costs more than all else that is done with it.
type found struct {
	// name is its last component; empty for what From names.
	name string
	size int64
	// state is that of the Entry.
	state uint64
	// sum is set for files that the cache knows.
	sum *layer.Sum
	// link is the target of a symlink.
	link *string
	// kept is set by copies that preserve metadata.
	kept *kept
	// below is what a directory holds, in canonical order.
	below *listing
	mode  uint32
	// loss is what normalising loses of a source.
	loss loss
	kind kind
	// included is not set for directories that appear only for what is in them.
	included bool
}

// kind is a layer.Type in one byte.
type kind uint8

const (
	kindRegular kind = iota + 1
	kindDirectory
	kindSymlink
	kindChar
	kindBlock
	kindFifo
)

// entryType is the type of the entry.
func (k kind) entryType() layer.Type {
	return [...]layer.Type{
		kindRegular: layer.Regular, kindDirectory: layer.Directory, kindSymlink: layer.Symlink,
		kindChar: layer.Char, kindBlock: layer.Block, kindFifo: layer.Fifo,
	}[k]
}

// kept is what a copy with metadata = "preserve" takes over.
type kept struct {
	uid, gid           int
	mtime              int64
	xattrs             map[string]string
	devmajor, devminor int64
	inode              inode
}

// listing is what one directory holds, in canonical order.
type listing struct {
	found []found
	// count is the number of entries in the whole tree of the directory.
	count int
}

// file copies a source that is not a directory.
func (w *walk) file(info fs.FileInfo) {
	if !w.selection.Everything() {
		w.o.report(w.node, "Patterns without a directory", "%q is %s: include, exclude and ignore_file choose among what a directory holds. Remove them.", w.n.From, spec.FileType(info.Mode()))
		return
	}
	w.to = w.n.To
	if w.to == "" || w.n.Into {
		w.to = path.Join(w.to, path.Base(w.n.From))
	}
	files := NewFiles(w.o.root)
	defer func() { _ = files.Close() }()
	dir, err := files.directory(path.Dir(w.from))
	if err != nil {
		w.problem("", err)
		return
	}
	w.begin(dir, path.Base(w.from), info)
}

// begin sets what From names, which is name in dir.
func (w *walk) begin(dir *os.Root, name string, info fs.FileInfo) {
	f := found{included: len(w.n.Include) == 0}
	if !w.o.checkPath(w.node, w.to) {
		return
	}
	if err := w.look(&f, dir, name, w.from, info); err != nil {
		w.problem("", err)
		return
	}
	w.top = &f
}

// tree walks a directory.
func (w *walk) tree(info fs.FileInfo) {
	dir, err := openDir(w.o.root, w.from)
	if err != nil {
		w.problem("", bare(err))
		return
	}
	w.to = entryPath(w.n.To)
	w.bare = w.n.To == "" && w.n.Metadata != spec.Preserve
	if w.begin(dir, ".", info); w.top == nil {
		_ = dir.Close()
		return
	}
	top, err := w.directory(dir)
	if err != nil {
		w.problem("", bare(err))
		return
	}
	w.top.below = &listing{}
	w.descend(top, w.top.below)
}

// prune drops the directories that nothing needs, and reports whether anything
// is left.
func (w *walk) prune() bool {
	if w.top == nil {
		return false
	}
	w.count = 0
	if w.top.below != nil {
		w.count = w.top.below.prune()
		if !w.top.included && w.count == 0 {
			return false
		}
	}
	if !w.bare {
		w.count++
	}
	return true
}

// prune drops the directories that are not included and hold nothing that is,
// and counts the entries that stay.
func (l *listing) prune() int {
	l.count = 0
	l.found = slices.DeleteFunc(l.found, func(f found) bool {
		below := 0
		if f.below != nil {
			below = f.below.prune()
		}
		if below == 0 && !f.included {
			return true
		}
		l.count += below + 1
		return false
	})
	return l.count
}

// describe sets all of an entry but its paths and its content.
func (w *walk) describe(e *Entry, f *found) {
	e.Node = w.node
	e.Type, e.Mode, e.Mtime, e.Size = f.kind.entryType(), f.mode, w.o.opts.Epoch, f.size
	if f.link != nil {
		e.Linkname = *f.link
	}
	if k := f.kept; k != nil {
		e.UID, e.GID, e.Mtime, e.Xattrs = k.uid, k.gid, k.mtime, k.xattrs
		e.Devmajor, e.Devminor = k.devmajor, k.devminor
	}
	if f.kind == kindRegular {
		e.State = f.state
	}
	w.o.explicit(w.node, w.n, e) // reports what is wrong
}

// problem reports what is wrong at a path below From.
func (w *walk) problem(rel string, err error) {
	w.o.report(w.node, "Cannot copy", "%q cannot be copied: %s.", path.Join(w.from, rel), err)
}

// join joins clean relative paths, either of which may be empty.
func join(dir, name string) string {
	switch {
	case dir == "":
		return name
	case name == "":
		return dir
	}
	return dir + "/" + name
}
