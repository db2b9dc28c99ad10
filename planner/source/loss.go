package source

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/layform/layform/spec"
)

// loss is the mode of a source with which an entry loses something when its
// metadata is normalised: rights are widened for others, or setuid, setgid,
// sticky or capabilities dropped. It is 0 where nothing is lost.
type loss uint16

// The bits of a loss beside those of the mode: that there is one, and that there
// are capabilities.
const (
	lossFound      loss = 1 << 14
	lossCapability loss = 1 << 15
)

// lossOf compares a mode, as the system has it, with what normalising makes of it.
func lossOf(mode, normalised uint32, capable bool) loss {
	const others, special = 0o077, 0o7000
	l := loss(mode&0o7777) | lossFound
	switch {
	case capable:
		return l | lossCapability
	case normalised&^mode&others != 0, mode&special != 0:
		return l
	}
	return 0
}

// text says what is lost.
func (l loss) text(normalised uint32) string {
	if l&lossCapability != 0 {
		return "its capabilities are dropped"
	}
	return fmt.Sprintf("%04o becomes %04o", uint32(l&0o7777), normalised)
}

// systemMode is the permissions of a stat as the system has them.
func systemMode(mode fs.FileMode) uint32 {
	out := uint32(mode.Perm())
	for bit, is := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&bit != 0 {
			out |= is
		}
	}
	return out
}

// lose sets the loss of what a walk found.
func (w *walk) lose(f *found, l loss) {
	if f.loss = l; l != 0 && !w.lossy.Load() {
		w.lossy.Store(true)
	}
}

// warnOfLoss warns once of all that a copy loses.
func (w *walk) warnOfLoss() {
	if w.top == nil || w.n.Metadata == spec.Preserve || !w.lossy.Load() {
		return
	}
	c := &lossCount{w: w}
	if !w.bare {
		c.add(w.top, w.from)
	}
	if w.top.below != nil {
		c.listing(w.top.below, w.from)
	}
	if c.count > 0 {
		w.o.warnOfLoss(w.node, c.count, c.first, c.text)
	}
}

// lossCount counts losses in canonical order.
type lossCount struct {
	w           *walk
	count       int
	first, text string
}

func (c *lossCount) listing(l *listing, dir string) {
	if dir == "." {
		dir = ""
	}
	for i := range l.found {
		f := &l.found[i]
		c.add(f, join(dir, f.name))
		if f.below != nil {
			c.listing(f.below, join(dir, f.name))
		}
	}
}

// add counts an entry, unless the block says which mode it has.
func (c *lossCount) add(f *found, path string) {
	explicit := c.w.n.Mode
	if f.kind == kindDirectory {
		explicit = c.w.n.DirMode
	}
	if f.loss == 0 || explicit != nil || f.loss&lossCapability != 0 && c.w.n.Capabilities != "" {
		return
	}
	if c.count++; c.count == 1 {
		c.first, c.text = path, f.loss.text(f.mode)
	}
}

func (o *observer) warnOfLoss(node, count int, first, text string) {
	advice := "Say what they should have with mode, dir_mode or capabilities, keep it with metadata = \"preserve\", or exclude them."
	if o.layer.Tree[node].Kind == spec.NodeFile {
		advice = "Say what it should have with mode or capabilities."
	}
	if count == 1 {
		o.warn(node, "Other rights than the source", "Normalising changes the rights of %q: %s. %s", first, text, advice)
		return
	}
	o.warn(node, "Other rights than the source", "Normalising changes the rights of %d files or directories, first of %q: %s. %s", count, first, text, advice)
}

// lossIn is the loss of name in dir, which is a file with that stat and the
// normalised mode.
func lossIn(dir *os.Root, name string, info fs.FileInfo, normalised uint32) loss {
	capable := info.Mode().IsRegular() && info.Mode()&0o111 != 0 && hasCapability(dir, name)
	return lossOf(systemMode(info.Mode()), normalised, capable)
}
