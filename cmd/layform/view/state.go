package view

import (
	"encoding/json"
	"strconv"

	"github.com/layform/layform/spec"
)

// StatusReport reports how the objects and tags of a spec are in its layout, one
// row each.
func StatusReport(s *State) *Report {
	objects := Section{Kind: KindObjects, Title: stateTitle(s)}
	for _, o := range s.Objects {
		row := Row{Cells: []Text{{Name(o.Key)}, {standing(o.Standing)}}}
		if o.Digest != "" {
			row.Cells = append(row.Cells, Text{Digest(o.Digest)}, Text{Size(o.Size)}, Text{Name(o.MediaType)})
		}
		objects.Rows = append(objects.Rows, row)
	}
	if len(s.Objects) == 0 {
		objects.Rows = []Row{{Cells: []Text{{Words("no objects")}}}}
	}
	r := &Report{}
	r.add(objects)
	r.add(entrySection(s.Tags))
	r.add(archiveStanding(s.Archive))
	return r
}

// StateReport reports what a layout holds for a spec: every object that is built
// with the values that it was made of, at most twice rows of them, tags and outputs.
func StateReport(s *State, rows int) *Report {
	objects := Section{Kind: KindStaged, Title: stateTitle(s)}
	for _, o := range s.Objects {
		if o.Digest != "" {
			objects.Rows = append(objects.Rows, stagedRow(o, 2*rows))
		}
	}
	if len(objects.Rows) == 0 {
		objects.Rows = []Row{{Cells: []Text{{Words("nothing built yet")}}}}
	}
	r := &Report{}
	r.add(objects)
	r.add(entrySection(s.Tags))
	r.add(archiveStanding(s.Archive))
	r.add(valueSection(s.Outputs, Text{Words("Outputs:")}))
	return r
}

// Advise ends the report with what to do next.
func (r *Report) Advise(next string) {
	r.add(Section{Kind: KindNotes, Closing: []Text{{Words(next)}}})
}

func stateTitle(s *State) Text {
	if !s.Exists {
		return Text{Words("Layout "), Name(s.Layout), Words(" does not exist yet. Spec "), Name(s.Spec), Words(":")}
	}
	return Text{
		Words("Layout "), Name(s.Layout), Words(", spec "), Name(s.Spec),
		Words(", serial " + strconv.FormatInt(s.Serial, 10) + ":"),
	}
}

// stagedRow is an object with its attributes, its values among them.
func stagedRow(o Object, rows int) Row {
	s := Section{Kind: KindAttributes}
	add := func(name string, value Span) {
		s.Rows = append(s.Rows, Row{Cells: []Text{{Name(name)}, {value}}})
	}
	add("media_type", Name(o.MediaType))
	add("digest", Span{Nature: NatureWholeDigest, Text: string(o.Digest)})
	add("size", Words(strconv.FormatInt(o.Size, 10)))
	if o.DiffID != "" {
		add("diff_id", Span{Nature: NatureWholeDigest, Text: string(o.DiffID)})
	}
	var shown int
	shown, s.Fold = fold(len(o.Fields), rows, "more value")
	for _, f := range o.Fields[:shown] {
		s.Rows = append(s.Rows, Row{Cells: []Text{{Name(f.Path)}, stagedValue(f)}})
	}
	return Row{Cells: []Text{{{Nature: NatureSubject, Text: o.Key}}}, Sections: []Section{s}}
}

func stagedValue(f spec.Field) Text {
	switch {
	case f.Sensitive:
		return Text{Words(withheld)}
	case f.Unknown:
		return Text{Words(afterApply)}
	}
	return fieldText(f.Path, f.Value)
}

// jsonString is the string that a JSON value is.
func jsonString(text string) (string, bool) {
	var s string
	err := json.Unmarshal([]byte(text), &s)
	return s, err == nil
}

// entrySection lists entries of index.json.
func entrySection(tags []Tag) Section {
	s := Section{Kind: KindEntries}
	for _, t := range tags {
		row := Row{Cells: []Text{{refName(t.Ref)}, {standing(t.Standing)}, {Digest(t.Digest)}}}
		if t.Key != "" {
			row.Notes = append(row.Notes, Text{Name(t.Key)})
		}
		if t.Is != "" {
			row.Notes = append(row.Notes, Text{Words("(leads to "), Digest(t.Is), Words(" now)")})
		}
		if t.Standing == Edited {
			row.Notes = append(row.Notes, Text{Words("(" + entryEdited + ")")})
		}
		s.Rows = append(s.Rows, row)
	}
	if len(s.Rows) > 0 {
		s.Title = Text{Words("Entries of index.json:")}
	}
	return s
}

// standing is one word on how something is in the layout.
func standing(s Standing) Span {
	nature := NatureWords
	switch s {
	case Intact:
		nature = NatureGood
	case Missing, Torn:
		nature = NatureBad
	case Moved, Edited, NotBuilt:
		nature = NatureCaution
	}
	return Span{Nature: nature, Text: string(s)}
}
