package view

import "github.com/opencontainers/go-digest"

// Import is the result of import.
type Import struct {
	Layout string `json:"layout"`
	// File is the spec file that was written, or would be, and Text what is in it.
	File string `json:"file"`
	Text string `json:"text"`
	// DryRun is set when nothing was written.
	DryRun bool `json:"dry_run,omitempty"`
	// Mends is set when the layout was begun by another tool, and the spec finishes or
	// mends it: nothing of the layout is taken over before the plan is applied.
	Mends bool `json:"mends,omitempty"`
	// Objects are the objects that the spec describes, in its order.
	Objects []Imported `json:"objects"`
	// Left are the entries of index.json that it does not describe.
	Left []LeftOut `json:"left,omitempty"`
}

// Imported is an object of the spec with what it was in the layout.
type Imported struct {
	Address string `json:"address"`
	// Origin is what the object is named after.
	Origin    string        `json:"origin,omitempty"`
	MediaType string        `json:"media_type"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	// Stored is why a config is described as a blob of the layout, as it is.
	Stored string `json:"stored,omitempty"`
}

// LeftOut is an entry of index.json that stays nobody's.
type LeftOut struct {
	Ref    string        `json:"ref,omitempty"`
	Digest digest.Digest `json:"digest"`
	Reason string        `json:"reason"`
}

// ImportReport reports an import: the objects with what they are named after, what was
// left out and why, and what to do next.
func ImportReport(im *Import) *Report {
	r := &Report{}
	s := Section{Kind: KindEntries, Title: Text{Words("Imported from "), Name(im.Layout), Words(":")}}
	if im.Mends {
		s.Title = Text{Words("Found staged in "), Name(im.Layout), Words(":")}
	}
	for _, o := range im.Objects {
		row := Row{Mark: MarkImported, Cells: []Text{{{Nature: NatureSubject, Text: o.Address}}, {Digest(o.Digest)}, {Size(o.Size)}}}
		if o.Digest == "" {
			row.Mark, row.Cells[1], row.Cells[2] = MarkAdded, Text{Words("not made yet")}, nil
		}
		if o.Origin != "" {
			row.Notes = append(row.Notes, Text{Words("("), Name(o.Origin), Words(")")})
		}
		if o.Stored != "" {
			row.Notes = append(row.Notes, Text{Words("as it is, by its digest: "), Name(o.Stored)})
		}
		s.Rows = append(s.Rows, row)
	}
	if len(s.Rows) == 0 {
		s = notes(Words("Nothing is staged in "), Name(im.Layout), Words(": add layers, a config and a manifest to the spec."))
	}
	r.add(s)
	left := Section{Kind: KindEntries, Title: Text{Words("Left as it is, and not described:")}}
	for _, o := range im.Left {
		left.Rows = append(left.Rows, Row{Mark: MarkKept, Cells: []Text{{refName(o.Ref)}, {Digest(o.Digest)}}, Notes: []Text{{Name(o.Reason)}}})
	}
	if len(left.Rows) > 0 {
		r.add(left)
	}
	if im.Mends {
		r.add(Section{Kind: KindNotes, Closing: []Text{
			{Words("Wrote "), Name(im.File), Words(", which finishes and mends the image. layform apply carries out this plan:")},
		}})
		return r
	}
	r.add(Section{Kind: KindNotes, Closing: []Text{
		{Words("Wrote "), Name(im.File), Words(". No blob and no entry of index.json was changed, and layform plan has nothing to do.")},
	}})
	return r
}
