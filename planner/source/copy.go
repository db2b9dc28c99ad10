package source

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// copy gives the entries of a copy block.
//
// From is a directory: its tree stands at To, and the directory itself becomes
// the entry To; the image's root directory gets an entry only from a copy that
// preserves metadata. From is a file: it becomes the file To, or goes under its
// own name into To, where To is the root or Into is set. A link that From names
// is followed inside the root; links found below it are copied as links.
func (o *observer) copy(i int, n *spec.Node) []Entry {
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
	w := &walk{o: o, node: i, n: n, from: from, matched: make([]bool, len(n.Include))}
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
	return w.finish()
}

// walk reads one copied tree, several directories at once.
type walk struct {
	o    *observer
	node int
	n    *spec.Node
	from string

	mu      sync.Mutex
	found   [][]found // by directory
	matched []bool    // by include pattern
}

// found is an entry with what the walk knows beyond it.
type found struct {
	Entry
	// rel is the path below From.
	rel string
	// included is not set for directories that appear only for what is in them.
	included bool
	inode    inode
}

// file copies a source that is not a directory.
func (w *walk) file(info fs.FileInfo) {
	if len(w.n.Include)+len(w.n.Exclude) > 0 {
		w.o.report(w.node, "Patterns without a directory", "%q is a %s: include and exclude choose among what a directory holds. Remove them.", w.n.From, describe(info.Mode()))
		w.matched = nil
		return
	}
	to := w.n.To
	if to == "" || w.n.Into {
		to = path.Join(to, path.Base(w.n.From))
	}
	files := NewFiles(w.o.root)
	defer func() { _ = files.Close() }()
	dir, err := files.directory(path.Dir(w.from))
	if err != nil {
		w.problem("", err)
		return
	}
	if f, ok := w.entry(dir, info, "", to); ok {
		f.included = true
		w.found = append(w.found, []found{f})
	}
}

// tree walks a directory.
func (w *walk) tree(info fs.FileInfo) {
	dir, err := w.o.root.OpenRoot(w.from)
	if err != nil {
		w.problem("", bare(err))
		return
	}
	if w.n.To != "" || w.n.Metadata == spec.Preserve {
		if f, ok := w.entry(dir, info, "", entryPath(w.n.To)); ok {
			f.included = len(w.n.Include) == 0
			w.found = append(w.found, []found{f})
		}
	}
	var g errgroup.Group
	g.SetLimit(w.o.opts.Parallelism)
	w.directory(&g, dir, "")
	_ = g.Wait() // the walk reports through the observer and returns no errors
}

// directory reads one directory and, in parallel where there is room, those
// below it. It closes dir.
func (w *walk) directory(g *errgroup.Group, dir *os.Root, rel string) {
	subs, here := w.list(dir, rel)
	w.mu.Lock()
	w.found = append(w.found, here)
	w.mu.Unlock()
	for k, name := range subs {
		sub, err := dir.OpenRoot(name)
		if k == len(subs)-1 {
			_ = dir.Close() // a deep chain of directories must not hold them all open
		}
		if err != nil {
			w.problem(path.Join(rel, name), bare(err))
			continue
		}
		below := join(rel, name)
		if !g.TryGo(func() error { w.directory(g, sub, below); return nil }) {
			w.directory(g, sub, below)
		}
	}
	if len(subs) == 0 {
		_ = dir.Close()
	}
}

// list gives the entries of one directory and the names of the directories to
// descend into.
func (w *walk) list(dir *os.Root, rel string) (subs []string, here []found) {
	if w.o.ctx.Err() != nil {
		return nil, nil
	}
	names, err := readNames(dir)
	if err != nil {
		w.problem(rel, err)
		return nil, nil
	}
	here = make([]found, 0, len(names))
	for _, name := range names {
		below := join(rel, name)
		if w.excluded(below) {
			continue
		}
		info, err := dir.Lstat(name)
		if err != nil {
			w.problem(below, bare(err))
			continue
		}
		included := w.included(below)
		if info.IsDir() && (included || w.reaches(below)) {
			subs = append(subs, name)
		} else if !included {
			continue
		}
		f, ok := w.entry(dir, info, below, join(w.n.To, below))
		if !ok {
			continue
		}
		f.included = included
		here = append(here, f)
	}
	return subs, here
}

func readNames(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, bare(err)
	}
	names, err := f.Readdirnames(-1)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return names, err
}

func (w *walk) excluded(rel string) bool {
	for _, pattern := range w.n.Exclude {
		if doublestar.MatchUnvalidated(pattern, rel) {
			return true
		}
	}
	return false
}

func (w *walk) included(rel string) bool {
	if len(w.n.Include) == 0 {
		return true
	}
	ok := false
	for i, pattern := range w.n.Include {
		if doublestar.MatchUnvalidated(pattern, rel) {
			ok = true
			w.mu.Lock()
			w.matched[i] = true
			w.mu.Unlock()
		}
	}
	return ok
}

// reaches reports whether an include pattern may match something below rel.
func (w *walk) reaches(rel string) bool {
	if len(w.n.Include) == 0 {
		return true
	}
	for _, pattern := range w.n.Include {
		base, _ := doublestar.SplitPattern(pattern)
		if base == "." || strings.HasPrefix(rel+"/", base+"/") || strings.HasPrefix(base+"/", rel+"/") {
			return true
		}
	}
	return false
}

// entry makes the entry of one thing in dir that info describes.
func (w *walk) entry(dir *os.Root, info fs.FileInfo, rel, to string) (found, bool) {
	f := found{rel: rel, Entry: Entry{Node: w.node, Range: w.n.Range}}
	if !w.o.checkPath(w.node, to) {
		return f, false
	}
	f.Path = to
	f.Mtime = w.o.opts.Epoch
	if err := w.classify(&f, dir, info); err != nil {
		w.problem(rel, err)
		return f, false
	}
	if w.n.Metadata == spec.Preserve {
		name := path.Base(path.Join(w.from, rel))
		if info.IsDir() && rel == "" {
			name = "."
		}
		if err := preserve(&f, dir, name, info); err != nil {
			w.problem(rel, err)
			return f, false
		}
	}
	return f, w.o.explicit(w.node, w.n, &f.Entry)
}

// classify sets the type and the normalised mode, and what belongs to the type.
func (w *walk) classify(f *found, dir *os.Root, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsRegular():
		f.Type, f.Mode, f.Size = stage.Regular, 0o644, info.Size()
		if mode&0o100 != 0 {
			f.Mode = 0o755
		}
		f.File = path.Join(w.from, f.rel)
		f.Digest = w.o.remembered(f.File, info)
		return nil
	case mode.IsDir():
		f.Type, f.Mode = stage.Directory, 0o755
		return nil
	case mode&fs.ModeSymlink != 0:
		target, err := dir.Readlink(path.Base(path.Join(w.from, f.rel)))
		f.Type, f.Mode, f.Linkname = stage.Symlink, 0o777, target
		return bare(err)
	case mode&fs.ModeSocket == 0 && w.n.Metadata == spec.Preserve:
		return device(f, info)
	case mode&fs.ModeSocket != 0:
		return fmt.Errorf("is a socket, which no layer can hold: exclude it")
	}
	return fmt.Errorf("is a %s: exclude it, or set metadata = \"preserve\" to keep it", describe(mode))
}

// problem reports what is wrong at a path below From.
func (w *walk) problem(rel string, err error) {
	w.o.report(w.node, "Cannot copy", "%q: %s.", path.Join(w.from, rel), err)
}

// finish drops directories that nothing needs, and ties the hard links of a
// copy that preserves them.
func (w *walk) finish() []Entry {
	lists := w.found
	w.found = nil
	if len(w.n.Include) > 0 || w.n.Metadata == spec.Preserve {
		all := slices.Concat(lists...)
		if len(w.n.Include) > 0 {
			all = pruned(all)
		}
		if w.n.Metadata == spec.Preserve {
			linkInodes(all)
		}
		lists = [][]found{all}
	}
	count := 0
	for _, list := range lists {
		count += len(list)
	}
	entries := make([]Entry, 0, count)
	for i, list := range lists {
		for k := range list {
			entries = append(entries, list[k].Entry)
		}
		lists[i] = nil // large trees need the room
	}
	return entries
}

// pruned drops the directories that are not included and hold nothing that is.
func pruned(all []found) []found {
	needed := map[string]bool{}
	for i := range all {
		for rel := all[i].rel; all[i].included && rel != "" && !needed[rel]; {
			needed[rel] = true
			if rel = path.Dir(rel); rel == "." {
				rel = ""
			}
		}
	}
	return slices.DeleteFunc(all, func(f found) bool {
		return !f.included && !needed[f.rel] && (f.rel != "" || len(needed) == 0)
	})
}

// linkInodes makes hard links of the names that share an inode: the first in
// canonical order is the file, the others link to it.
func linkInodes(all []found) {
	first := map[inode]int{}
	var shared []int
	for i := range all {
		if all[i].Type == stage.Regular && all[i].inode.links > 1 {
			shared = append(shared, i)
		}
	}
	slices.SortFunc(shared, func(a, b int) int { return Compare(all[a].Path, all[b].Path) })
	for _, i := range shared {
		f := &all[i]
		at, ok := first[f.inode]
		if !ok {
			first[f.inode] = i
			continue
		}
		f.Type, f.Linkname = stage.Hardlink, all[at].Path
		f.File, f.Size, f.Xattrs = "", 0, nil
	}
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
