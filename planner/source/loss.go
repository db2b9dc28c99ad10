package source

import (
	"fmt"
	"path"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

// warnOfLosses adds one warning about all metadata that a copy loses.
func (w *copyResult) warnOfLosses() {
	if w.tree == nil || w.op.Metadata == spec.Preserve || !w.tree.Lossy {
		return
	}
	c := &lossCount{w: w}
	if !w.noTopEntry {
		c.add(w.tree.Top, w.from)
	}
	if w.tree.Top.Below != nil {
		c.listing(w.tree.Top.Below, w.from)
	}
	if c.count > 0 {
		w.o.warnOfLoss(w.index, c.count, c.first, c.text)
	}
}

// lossCount counts losses in canonical order.
type lossCount struct {
	w           *copyResult
	count       int
	first, text string
}

func (c *lossCount) listing(l *walk.Listing, dir string) {
	if dir == "." {
		dir = ""
	}
	for i := range l.Found {
		f := &l.Found[i]
		c.add(f, path.Join(dir, f.Name))
		if f.Below != nil {
			c.listing(f.Below, path.Join(dir, f.Name))
		}
	}
}

// add counts an entry, unless the block says which mode it has.
func (c *lossCount) add(f *walk.Found, path string) {
	explicit := c.w.op.Mode
	if f.Type() == layer.Directory {
		explicit = c.w.op.DirMode
	}
	if f.Loss == 0 || explicit != nil || f.Loss.Capability() && c.w.op.Capabilities != "" {
		return
	}
	if c.count++; c.count == 1 {
		c.first, c.text = path, lossText(f.Loss, f.Mode)
	}
}

func (o *observer) warnOfLoss(op, count int, first, text string) {
	advice := "Say what they should have with mode, dir_mode or capabilities, keep it with metadata = \"preserve\", or exclude them."
	if o.layer.Tree[op].Kind == spec.OpFile {
		advice = "Say what it should have with mode or capabilities."
	}
	if count == 1 {
		o.warn(op, "Other rights than the source", "Normalising changes the rights of %q: %s. %s", first, text, advice)
		return
	}
	o.warn(op, "Other rights than the source", "Normalising changes the rights of %d files or directories, first of %q: %s. %s", count, first, text, advice)
}

// lossText describes the metadata that is lost.
func lossText(l walk.Loss, normalised uint32) string {
	if l.Capability() {
		return "its capabilities are dropped"
	}
	return fmt.Sprintf("%04o becomes %04o", l.Mode(), normalised)
}
