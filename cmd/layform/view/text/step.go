package text

import (
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
)

// Step is one line about an object that an apply has finished, without a line
// feed, or "" for events that no line is written for.
func Step(e executor.Event, style Style) string {
	if e.Kind != executor.EventDone {
		return ""
	}
	key := style.paint(bold, printable.Line(e.Key))
	switch {
	case e.Action == planner.Delete:
		return key + ": removed"
	case e.Reused:
		return fmt.Sprintf("%s: %s stands there already", key, short(string(e.Digest)))
	}
	return fmt.Sprintf("%s: built %s in %s (%s)", key, short(string(e.Digest)), took(e.Elapsed), bytesText(e.Size))
}

// took is a duration as people read it.
func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// Contents lists the files of an image, one a line: type and mode, owner, size,
// time, path. An image may have millions of them, so that they are drawn as they
// are listed, which happens twice, without a report, and never broken.
func Contents(w io.Writer, files iter.Seq[view.File], style Style) error {
	out := newWriter(w, style)
	owner, size := 0, 0
	for f := range files {
		owner = max(owner, len(fmt.Sprintf("%d:%d", f.UID, f.GID)))
		size = max(size, len(fmt.Sprint(f.Size)))
	}
	for f := range files {
		name := "/" + string(f.Path)
		if f.Path == "." {
			name = "/"
		}
		text := printable.Line(name)
		switch f.Type {
		case layer.Symlink:
			text += " -> " + printable.Line(string(f.Target))
		case layer.Hardlink:
			text += " = " + printable.Line("/"+string(f.Target))
		}
		out.verbatim(fmt.Sprintf("%s%s  %-*s  %*d  %s  %s", typeMark(f.Type), f.Mode, owner, fmt.Sprintf("%d:%d", f.UID, f.GID), size, f.Size, f.Mtime, text))
	}
	return out.close()
}

// typeMark is the mark of a type, as ls has it.
func typeMark(t layer.Type) string {
	switch t {
	case layer.Directory:
		return "d"
	case layer.Symlink:
		return "l"
	case layer.Hardlink:
		return "h"
	case layer.Char:
		return "c"
	case layer.Block:
		return "b"
	case layer.Fifo:
		return "p"
	}
	return "-"
}
