package view

import (
	"fmt"
	"io"
	"time"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
)

// Applied writes the end of an apply or, when destroy is set, of a destroy:
// what was done, the blobs and bytes that it took, and the outputs.
func Applied(w io.Writer, d *Done, destroy bool, style Style) error {
	pg := newPage(w, style)
	if destroy {
		pg.line("%s Objects: %d destroyed.", style.paint(green, "Destroy complete!"), d.Destroyed)
	} else {
		pg.line("%s Objects: %d added, %d changed, %d destroyed.",
			style.paint(green, "Apply complete!"), d.Added, d.Changed, d.Destroyed)
	}
	pg.line("Wrote %s (%s), deleted %s (%s).",
		count(d.WrittenBlobs, "blob"), Bytes(d.WrittenBytes),
		count(d.DeletedBlobs, "blob"), Bytes(d.DeletedBytes))
	if len(d.Outputs) > 0 && !destroy {
		pg.line("")
		pg.line("Outputs:")
		pg.line("")
		pg.outputValues(d.Outputs)
	}
	return pg.close()
}

// Outputs writes output values, one a line.
func Outputs(w io.Writer, outputs []Output, style Style) error {
	pg := newPage(w, style)
	pg.outputValues(outputs)
	return pg.close()
}

func (p *page) outputValues(outputs []Output) {
	width := 0
	for _, o := range outputs {
		width = max(width, len([]rune(printable.Line(o.Name))))
	}
	for _, o := range outputs {
		text := printable.Line(string(o.Value))
		switch {
		case o.Sensitive:
			text = withheld
		case len(o.Value) == 0:
			text = "(not known)"
		}
		p.line("%s = %s", pad(printable.Line(o.Name), width), text)
	}
}

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
		return fmt.Sprintf("%s: %s stands there already", key, Short(e.Digest))
	}
	return fmt.Sprintf("%s: built %s in %s (%s)", key, Short(e.Digest), took(e.Elapsed), Bytes(e.Size))
}

// took is a duration as people read it.
func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
