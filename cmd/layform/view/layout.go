package view

import (
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/validate"
)

// LayoutReport reports what a layout holds, from index.json down to the layers.
func LayoutReport(l *Layout) *Report {
	entries := Words("1 entry")
	if len(l.Entries) != 1 {
		entries = Span{Nature: NatureWords, Text: number(len(l.Entries)).Text + " entries"}
	}
	s := Section{Kind: KindTree, Title: Text{Words("Layout "), Name(l.Path), Words(", "), entries, Words(" in index.json:")}}
	s.Each = func(yield func(Row) bool) {
		for _, n := range l.Entries {
			if !yield(nodeRow(n)) {
				return
			}
		}
	}
	r := &Report{}
	r.add(s)
	return r
}

// nodeRow is one descriptor and what hangs on it.
func nodeRow(n Node) Row {
	name := Words(string(n.Role))
	if n.Role == RoleEntry {
		if name = (Span{Nature: NatureSubject, Text: n.Ref}); n.Ref == "" {
			name = Span{Nature: NatureStrong, Text: refName("").Text}
		}
	}
	d := n.Descriptor
	row := Row{Cells: []Text{{name}, {{Nature: NatureWholeDigest, Text: string(d.Digest)}}, {Size(d.Size)}, {Name(d.MediaType)}}}
	if d.Platform != nil {
		row.Cells = append(row.Cells, Text{Name(imagespec.PlatformText(*d.Platform))})
	}
	if d.ArtifactType != "" {
		row.Cells = append(row.Cells, Text{Name(d.ArtifactType)})
	}
	if n.Missing {
		row.Notes = []Text{{{Nature: NatureBad, Text: "(blob is missing)"}}}
	}
	if n.Problem != "" {
		row.Notes = append(row.Notes, Text{{Nature: NatureBad, Text: "(its blob " + n.Problem + ")"}})
	}
	if len(n.Children) > 0 {
		children := Section{Kind: KindTree}
		for _, child := range n.Children {
			children.Rows = append(children.Rows, nodeRow(child))
		}
		row.Sections = []Section{children}
	}
	return row
}

// FindingsReport reports what is wrong with the layout at path, and counts it.
func FindingsReport(path string, findings []validate.Finding) *Report {
	s := Section{Kind: KindFindings}
	s.Each = func(yield func(Row) bool) {
		for _, f := range findings {
			if !yield(findingRow(f)) {
				return
			}
		}
	}
	musts := 0
	for _, f := range findings {
		if f.Severity == validate.Must {
			musts++
		}
	}
	switch {
	case len(findings) == 0:
		s.Closing = []Text{{Name(path), Words(" is a valid layout.")}}
	case musts == 0:
		s.Closing = []Text{{Name(path), Words(" is a valid layout, with "), Count(len(findings), "remark"), Words(".")}}
	default:
		s.Closing = []Text{{Name(path), Words(" is not a valid layout: "), Count(len(findings), "finding"), Words(".")}}
	}
	return &Report{Sections: []Section{s}}
}

// findingRow is one finding and what to do about it.
func findingRow(f validate.Finding) Row {
	severity := Span{Nature: NatureCaution, Text: string(f.Severity)}
	if f.Severity == validate.Must {
		severity.Nature = NatureBad
	}
	object := Text{Name(f.Object)}
	if f.Place != "" {
		object = append(object, Words(" "), Name(f.Place))
	}
	row := Row{Cells: []Text{{severity}, {Words(string(f.Rule))}, append(object, Words(": "), Name(f.Problem))}}
	if f.Advice != "" {
		row.Sections = []Section{{Kind: KindAdvice, Rows: []Row{{Cells: []Text{{{Nature: NatureFaint, Text: f.Advice}}}}}}}
	}
	return row
}
