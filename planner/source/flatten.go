package source

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout/layer"
)

// spare is the room that entries leaves for parents that nobody declared.
const spare = 16

// entries turns what the walk found into entries, in canonical order, and ties
// the hard links of a copy that preserves them.
func (w *walk) entries() []Entry {
	fl := &flattener{w: w, entries: make([]Entry, w.count, w.count+spare)}
	at := 0
	if !w.bare {
		fl.entry(0, w.top, w.to, w.from)
		at = 1
	}
	if w.top.below != nil {
		to, from := w.n.To, w.from
		if from == "." {
			from = ""
		}
		fl.group.SetLimit(w.o.opts.Parallelism - 1)
		fl.listing(at, w.top.below, to, from)
		_ = fl.group.Wait() // problems are reported through the observer
	}
	fl.linkInodes()
	return fl.entries
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

// flattener fills a list of entries, several directories at once.
type flattener struct {
	w       *walk
	entries []Entry
	group   errgroup.Group

	mu     sync.Mutex
	shared []sharedInode
}

// sharedInode is an entry whose file has several names.
type sharedInode struct {
	entry int
	inode inode
}

// apart is the number of entries from which a directory is worth a goroutine.
const apart = 256

// listing fills in the tree of a directory, whose path is to in the layer and
// from on disk, beginning at a place in the list.
func (fl *flattener) listing(at int, l *listing, to, from string) {
	paths := namesIn(l, to, from)
	for i := range l.found {
		f := &l.found[i]
		p, file := paths.next(f.name)
		fl.entry(at, f, p, file)
		at++
		if f.below == nil {
			continue
		}
		below, start := f.below, at
		at += below.count
		if below.count < apart || !fl.group.TryGo(func() error { fl.listing(start, below, p, file); return nil }) {
			fl.listing(start, below, p, file)
		}
	}
}

// entry fills in one entry.
func (fl *flattener) entry(at int, f *found, to, file string) {
	e := &fl.entries[at]
	e.Path = to
	fl.w.describe(e, f)
	if f.kind != kindRegular {
		return
	}
	e.File, e.State = file, f.state
	if f.sum != nil {
		e.Digest = f.sum.Digest()
	}
	if f.kept != nil && f.kept.inode.links > 1 {
		fl.mu.Lock()
		fl.shared = append(fl.shared, sharedInode{at, f.kept.inode})
		fl.mu.Unlock()
	}
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
	w.o.explicit(w.node, w.n, e) // reports what is wrong
}

// linkInodes makes hard links of the names that share an inode: the first in
// canonical order is the file, the others link to it.
func (fl *flattener) linkInodes() {
	slices.SortFunc(fl.shared, func(a, b sharedInode) int { return a.entry - b.entry })
	first := map[inode]int{}
	for _, s := range fl.shared {
		at, ok := first[s.inode]
		if !ok {
			first[s.inode] = s.entry
			continue
		}
		e := &fl.entries[s.entry]
		e.Type, e.Linkname = layer.Hardlink, fl.entries[at].Path
		e.File, e.Size, e.Digest, e.Xattrs = "", 0, "", nil
	}
}

// pathRun gives the paths of what a directory holds, in the layer and on disk,
// as parts of one or two long strings: one allocation serves the directory.
type pathRun struct {
	to, from string
	// prefix is the length of the directory's path, with its slash, in each.
	toPrefix, fromPrefix int
	// same is set where one path is the end of the other; only the longer one's
	// string is there then.
	same bool
}

func namesIn(l *listing, to, from string) pathRun {
	r := pathRun{toPrefix: prefixLength(to), fromPrefix: prefixLength(from)}
	switch {
	case endsWith(to, from):
		r.to, r.same = concat(l, to), true
	case endsWith(from, to):
		r.from, r.same = concat(l, from), true
	default:
		r.to, r.from = concat(l, to), concat(l, from)
	}
	return r
}

// endsWith reports whether a path has another one as its last components.
func endsWith(p, end string) bool {
	return p == end || end == "" || strings.HasSuffix(p, end) && p[len(p)-len(end)-1] == '/'
}

func prefixLength(dir string) int {
	if dir == "" {
		return 0
	}
	return len(dir) + 1
}

// concat joins all names of l to dir, and all that in a row.
func concat(l *listing, dir string) string {
	size := 0
	for i := range l.found {
		size += prefixLength(dir) + len(l.found[i].name)
	}
	var b strings.Builder
	b.Grow(size)
	for i := range l.found {
		if dir != "" {
			b.WriteString(dir)
			b.WriteByte('/')
		}
		b.WriteString(l.found[i].name)
	}
	return b.String()
}

// next gives the two paths of the next name.
func (r *pathRun) next(name string) (to, from string) {
	long, short := r.toPrefix+len(name), r.fromPrefix+len(name)
	switch {
	case !r.same:
		to, r.to = r.to[:long], r.to[long:]
		from, r.from = r.from[:short], r.from[short:]
	case r.to != "":
		to, r.to = r.to[:long], r.to[long:]
		from = to[long-short:]
	default:
		from, r.from = r.from[:short], r.from[short:]
		to = from[short-long:]
	}
	return to, from
}
