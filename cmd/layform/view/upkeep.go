package view

import (
	"io"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/printable"
)

// GC writes what a garbage collection deleted or would delete.
func GC(w io.Writer, r *layout.GCResult, dryRun bool, style Style) error {
	pg := newPage(w, style)
	for _, b := range r.Blobs {
		pg.line("- %s  %s", printable.Line(string(b.Digest)), Bytes(b.Size))
	}
	for _, d := range r.Missing {
		pg.line("%s %s is referred to and not in the layout", pg.style.paint(yellow, "note:"), printable.Line(string(d)))
	}
	for _, f := range r.Foreign {
		pg.line("%s %s is no blob, and stays", pg.style.paint(yellow, "note:"), printable.Line(f))
	}
	verb := "Deleted"
	if dryRun {
		verb = "Would delete"
	}
	pg.line("%s %s (%s); kept %s (%s) in use and %s (%s) too young.", verb,
		count(len(r.Blobs), "blob"), Bytes(r.Bytes), count(r.Live, "blob"), Bytes(r.LiveBytes), count(len(r.Young), "blob"), Bytes(r.YoungBytes))
	return pg.close()
}

// Repair writes what was mended.
func Repair(w io.Writer, dir string, lines []layout.Mended, dryRun bool, style Style) error {
	pg := newPage(w, style)
	for _, l := range lines {
		code := green
		if l.Remedy == layout.Left {
			code = red
		}
		text := printable.Line(l.Object) + ": " + printable.Line(l.Problem)
		if l.Note != "" {
			text += "; " + printable.Line(l.Note)
		}
		pg.line("%s  %s", pg.style.paint(code, pad(string(l.Remedy), 8)), text)
	}
	switch {
	case len(lines) == 0:
		pg.line("%s needs no repair.", printable.Line(dir))
	case dryRun:
		pg.line("Nothing was written: this was a dry run.")
	}
	return pg.close()
}
