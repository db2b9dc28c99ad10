package view

import (
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/planner"
)

// Archive is a tar of the layout that an apply wrote.
type Archive struct {
	// Path is the way to it from the working directory.
	Path     string        `json:"path"`
	Standing Standing      `json:"standing"`
	Digest   digest.Digest `json:"digest"`
	Size     int64         `json:"size"`
}

// archiveSection lists the archives that a plan writes or removes.
func archiveSection(archives []planner.ArchiveChange) Section {
	s := Section{Kind: KindTags}
	for _, a := range archives {
		if a.Action == planner.NoOp {
			continue
		}
		before, after := Text{Digest(a.Before)}, Text{Digest(a.After)}
		if a.After == "" {
			after = Text{Words(afterApply)}
		}
		delta := Delta{Before: before, After: after}
		switch {
		case a.Action == planner.Delete:
			delta = Delta{Before: before}
		case a.Action == planner.Create:
			delta = Delta{After: after}
		}
		row := Row{Mark: markOf(a.Action), Cells: []Text{{Name(a.Path)}}, Deltas: []Delta{delta}}
		switch {
		case a.Stays:
			row.Notes = append(row.Notes, Text{{Nature: NatureCaution, Text: "(is not what apply wrote; forgotten, and left alone)"}})
		case a.Adopted:
			row.Notes = append(row.Notes, Text{{Nature: NatureCaution, Text: "(stands there already; replaced)"}})
		}
		s.Rows = append(s.Rows, row)
	}
	if len(s.Rows) > 0 {
		s.Title = Text{Words("Archive of the layout:")}
	}
	return s
}

// archiveStanding says how the archive is that the last apply wrote.
func archiveStanding(a *Archive) Section {
	if a == nil {
		return Section{}
	}
	return Section{Kind: KindEntries, Title: Text{Words("Archive of the layout:")}, Rows: []Row{
		{Cells: []Text{{Name(a.Path)}, {standing(a.Standing)}, {Digest(a.Digest)}, {Size(a.Size)}}},
	}}
}
