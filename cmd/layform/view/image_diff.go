package view

import (
	"github.com/layform/layform/planner"
)

// ImageDiff is how two images differ.
type ImageDiff struct {
	// Before and After name the images.
	Before string `json:"before"`
	After  string `json:"after"`
	// Manifest and Config are the values that differ in these documents, by member.
	Manifest []planner.FieldChange `json:"manifest,omitempty"`
	Config   []planner.FieldChange `json:"config,omitempty"`
	// Files are the files that differ, as all layers make them up together.
	Files []planner.FileChange `json:"files,omitempty"`
}

// Same reports whether nothing differs.
func (d *ImageDiff) Same() bool { return len(d.Manifest)+len(d.Config)+len(d.Files) == 0 }

// ImageDiffReport reports the differences of two images; lists show rows at most.
func ImageDiffReport(d *ImageDiff, rows int) *Report {
	r := &Report{}
	if d.Same() {
		r.add(notes(Words("No differences between "), Name(d.Before), Words(" and "), Name(d.After), Words(".")))
		return r
	}
	for _, part := range []struct {
		title  string
		fields []planner.FieldChange
	}{{"Manifest:", d.Manifest}, {"Config:", d.Config}} {
		s := Section{Kind: KindEntries, Title: Text{Words(part.title)}}
		for _, f := range part.fields {
			s.Rows = append(s.Rows, fieldRow(fieldAction(f), f))
		}
		if len(s.Rows) > 0 {
			r.add(s)
		}
	}
	if files := fileSection(d.Files, rows); len(files.Rows) > 0 {
		files.Title = Text{Words("Files:")}
		r.add(files)
	}
	return r
}
