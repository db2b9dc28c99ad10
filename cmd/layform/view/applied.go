package view

import "github.com/layform/layform/planner"

// DoneReport reports the end of an apply or, when destroy is set, of a destroy:
// what was done, the blobs and bytes that it took, and the outputs.
func DoneReport(d *Done, destroy bool) *Report {
	good := func(text string) Span { return Span{Nature: NatureGood, Text: text} }
	head := Text{good("Apply complete!"), Words(" Objects: ")}
	if d.Imported > 0 {
		head = append(head, number(d.Imported), Words(" imported, "))
	}
	head = append(head, number(d.Added), Words(" added, "), number(d.Changed), Words(" changed, "), number(d.Destroyed), Words(" destroyed."))
	if destroy {
		head = Text{good("Destroy complete!"), Words(" Objects: "), number(d.Destroyed), Words(" destroyed.")}
	}
	r := &Report{}
	closing := []Text{head}
	if n := d.Entries; n != (planner.Counts{}) {
		closing = append(closing, Text{
			Words("Entries of index.json: "), number(n.Add), Words(" added, "),
			number(n.Change), Words(" changed, "), number(n.Destroy), Words(" removed."),
		})
	}
	r.add(Section{Kind: KindNotes, Closing: append(closing, Text{
		Words("Wrote "), Count(d.WrittenBlobs, "blob"), Words(" ("), Size(d.WrittenBytes), Words("), deleted "),
		Count(d.DeletedBlobs, "blob"), Words(" ("), Size(d.DeletedBytes), Words(")."),
	})})
	if a := d.Archive; a != nil {
		r.add(Section{Kind: KindNotes, Closing: []Text{{
			Words("Wrote the archive "), Name(a.Path), Words(" ("), Size(a.Size), Words("), "), Digest(a.Digest), Words("."),
		}}})
	}
	if d.Unswept {
		r.add(Section{Kind: KindNotes, Closing: []Text{{
			Words("Another tool wrote index.json meanwhile: what was replaced stays until the next apply."),
		}}})
	}
	if d.KeptBlobs > 0 {
		r.add(Section{Kind: KindNotes, Closing: []Text{{
			Words("Kept "), Count(d.KeptBlobs, "blob"),
			Words(" that would go: a document of the layout is lost or damaged and may need them. An apply deletes them once it is mended."),
		}}})
	}
	if !destroy {
		r.add(valueSection(d.Outputs, Text{Words("Outputs:")}))
	}
	return r
}

// OutputsReport reports output values, one a row.
func OutputsReport(outputs []Output) *Report {
	r := &Report{}
	r.add(valueSection(outputs, nil))
	return r
}

// valueSection lists output values. There is no title where there are none.
func valueSection(outputs []Output, title Text) Section {
	s := Section{Kind: KindValues}
	for _, o := range outputs {
		value := Text{{Nature: NatureWholeValue, Text: string(o.Value)}}
		switch {
		case o.Sensitive:
			value = Text{Words(withheld)}
		case len(o.Value) == 0:
			value = Text{Words("(not known)")}
		}
		s.Rows = append(s.Rows, Row{Cells: []Text{{Name(o.Name)}, value}})
	}
	if len(s.Rows) > 0 {
		s.Title = title
	}
	return s
}
