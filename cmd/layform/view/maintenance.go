package view

import (
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/repair"
)

// GCReport reports what a garbage collection deleted or would delete.
func GCReport(r *layout.GCResult, dryRun bool) *Report {
	s := Section{Kind: KindBlobs}
	for _, b := range r.Blobs {
		s.Rows = append(s.Rows, Row{Mark: MarkRemoved, Cells: []Text{{{Nature: NatureWholeDigest, Text: string(b.Digest)}}, {Size(b.Size)}}})
	}
	note := Span{Nature: NatureCaution, Text: "note:"}
	for _, d := range r.Missing {
		s.Closing = append(s.Closing, Text{note, Words(" "), {Nature: NatureWholeDigest, Text: string(d)}, Words(" is referred to and not in the layout")})
	}
	for _, f := range r.Foreign {
		s.Closing = append(s.Closing, Text{note, Words(" "), Name(f), Words(" is no blob, and stays")})
	}
	verb := "Deleted "
	if dryRun {
		verb = "Would delete "
	}
	s.Closing = append(s.Closing, Text{
		Words(verb), Count(len(r.Blobs), "blob"), Words(" ("), Size(r.Bytes), Words("); kept "),
		Count(r.Live, "blob"), Words(" ("), Size(r.LiveBytes), Words(") in use and "),
		Count(len(r.Young), "blob"), Words(" ("), Size(r.YoungBytes), Words(") too young."),
	})
	return &Report{Sections: []Section{s}}
}

// RepairReport reports what was mended in the layout in the directory dir.
func RepairReport(dir string, lines []repair.Mended, dryRun bool) *Report {
	s := Section{Kind: KindRepairs}
	for _, l := range lines {
		remedy := Span{Nature: NatureGood, Text: string(l.Remedy)}
		if l.Remedy == repair.Left {
			remedy.Nature = NatureBad
		}
		text := Text{Name(l.Object), Words(": "), Name(l.Problem)}
		if l.Note != "" {
			text = append(text, Words("; "), Name(l.Note))
		}
		s.Rows = append(s.Rows, Row{Cells: []Text{{remedy}, text}})
	}
	switch {
	case len(lines) == 0:
		s.Closing = []Text{{Name(dir), Words(" needs no repair.")}}
	case dryRun:
		s.Closing = []Text{{Words("Nothing was written: this was a dry run.")}}
	}
	return &Report{Sections: []Section{s}}
}
