package source

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bmatcuk/doublestar/v4"

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
	for _, pattern := range slices.Concat(n.Include, n.Exclude) {
		if !doublestar.ValidatePattern(pattern) {
			o.report(i, "Invalid pattern", "%q is not a valid glob pattern.", pattern)
			return nil
		}
	}
	w := newWalk(o, i, n, from)
	if info.IsDir() {
		w.tree(info)
	} else {
		w.file(info)
	}
	for p, ok := range w.matched {
		if !ok {
			o.report(i, "Pattern matches nothing", "The include pattern %q matches nothing below %q that is not excluded.", n.Include[p], n.From)
		}
	}
	if !w.prune() {
		return nil
	}
	return w
}

// walk reads one copied tree, several directories at once.
type walk struct {
	o    *observer
	node int
	n    *spec.Node
	from string
	// exclude and include are the block's patterns.
	exclude, include []pattern

	mu      sync.Mutex
	matched []bool // by include pattern
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
	// unread is set where a file has to be read for its digest.
	unread atomic.Bool
}

func newWalk(o *observer, node int, n *spec.Node, from string) *walk {
	w := &walk{o: o, node: node, n: n, from: from, matched: make([]bool, len(n.Include))}
	for _, text := range n.Exclude {
		w.exclude = append(w.exclude, newPattern(text))
	}
	for _, text := range n.Include {
		w.include = append(w.include, newPattern(text))
	}
	return w
}

// found is one thing that a walk came upon. There is one for each file of a
// tree, and memory that is new costs more than all else that is done with it.
type found struct {
	// name is its last component; empty for what From names.
	name string
	size int64
	// sum is set for files that the cache knows.
	sum *layer.Sum
	// link is the target of a symlink.
	link *string
	// kept is set by copies that preserve metadata.
	kept *kept
	// below is what a directory holds, in canonical order.
	below *listing
	mode  uint32
	kind  kind
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
	if len(w.n.Include)+len(w.n.Exclude) > 0 {
		w.o.report(w.node, "Patterns without a directory", "%q is %s: include and exclude choose among what a directory holds. Remove them.", w.n.From, spec.FileType(info.Mode()))
		w.matched = nil
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

// takes reports whether a walk takes name in the directory rel: excluded things
// it does not; of the others, included says whether the entry is wanted for
// itself, and descend whether there may be wanted ones below it.
func (w *walk) takes(rel, name string) (included, descend, ok bool) {
	for i := range w.exclude {
		if w.exclude[i].matches(rel, name) {
			return false, false, false
		}
	}
	if len(w.include) == 0 {
		return true, true, true
	}
	for i := range w.include {
		if w.include[i].matches(rel, name) {
			included = true
			w.mu.Lock()
			w.matched[i] = true
			w.mu.Unlock()
		}
	}
	return included, included || w.reaches(join(rel, name)), true
}

// reaches reports whether an include pattern may match something below rel.
func (w *walk) reaches(rel string) bool {
	for _, pattern := range w.n.Include {
		base, _ := doublestar.SplitPattern(pattern)
		if base == "." || strings.HasPrefix(rel+"/", base+"/") || strings.HasPrefix(base+"/", rel+"/") {
			return true
		}
	}
	return false
}

// pattern is one glob of a copy block.
type pattern struct {
	text string
	// plain is set for a pattern that matches itself alone.
	plain bool
}

func newPattern(text string) pattern {
	return pattern{text, !strings.ContainsAny(text, "*?[{\\")}
}

// matches reports whether the pattern matches name in the directory rel.
func (p *pattern) matches(rel, name string) bool {
	if !p.plain {
		return doublestar.MatchUnvalidated(p.text, join(rel, name))
	}
	if rel == "" {
		return p.text == name
	}
	return len(p.text) == len(rel)+1+len(name) && p.text[len(rel)] == '/' &&
		strings.HasPrefix(p.text, rel) && strings.HasSuffix(p.text, name)
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
