package view

import (
	"path/filepath"
	"slices"

	"github.com/layform/layform/planner"
)

// PlanReport reports a plan: the drift, the changes with their reasons, the tags, the
// outputs, warnings, and two lines of summary. Objects that stay as they are are not
// listed. Lists inside a change show rows of them at most, fields twice as many;
// DefaultRows is a good number.
func PlanReport(p *planner.Plan, rows int) *Report {
	r := &Report{}
	r.add(driftSection(p.Drift, rows))
	if p.Recover {
		r.add(notes(unfinished(p)...))
	}
	if p.Options.TakeOverSpec != "" {
		r.add(notes(Words("What the spec named "), Name(p.Options.TakeOverSpec), Words(" has in the layout is taken over.")))
	}
	if p.TakenOver != "" {
		from := filepath.Join(PlanLayout(p), filepath.FromSlash(p.TakenOver))
		r.add(notes(Words("What this spec has in the layout was put there from another place, "), Name(from), Words(", and is taken over.")))
	}
	if p.Empty() {
		r.add(warningSection(p.Warnings))
		r.add(notes(noChanges(p)...))
		return r
	}
	r.add(changeSection(p, rows))
	r.add(tagSection(p))
	r.add(archiveSection(p.Archives))
	r.add(outputSection(p.Outputs))
	r.add(warningSection(p.Warnings))
	r.add(summarySection(p))
	return r
}

// unfinished says what an earlier apply has left to do.
func unfinished(p *planner.Plan) Text {
	text := Text{Words("An earlier apply left work behind; the next one finishes it.")}
	if s := p.Summary; p.Empty() && s.DeleteBlobs > 0 {
		text = append(text, Words(" It deletes "), Count(s.DeleteBlobs, "blob"), Words(" ("), Size(s.DeleteBytes), Words(")."))
	}
	return text
}

// noChanges says why there is nothing to do.
func noChanges(p *planner.Plan) Text {
	layout := Name(PlanLayout(p))
	if len(p.Options.Targets) > 0 {
		return Text{Words("No changes to what --target selects in "), layout, Words("; "), Count(p.LeftOut, "other object"), Words(" left out.")}
	}
	switch {
	case p.Options.Destroy:
		return Text{Words("No changes. The layout "), layout, Words(" holds nothing of this spec.")}
	case p.Layout.Index == "": // it is empty, or does not exist
		return Text{Words("No changes. The spec describes nothing that goes into the layout "), layout, Words(".")}
	}
	return Text{Words("No changes. The layout "), layout, Words(" holds what the spec describes.")}
}

// add appends a section that says anything.
func (r *Report) add(s Section) {
	if len(s.Title) > 0 || len(s.Rows) > 0 || len(s.Closing) > 0 {
		r.Sections = append(r.Sections, s)
	}
}

// notes is a section of one sentence.
func notes(sentence ...Span) Section {
	return Section{Kind: KindNotes, Rows: []Row{{Cells: []Text{sentence}}}}
}

// LayoutPath is the way to a layout from the working directory: path is as the
// spec in the directory dir writes it.
func LayoutPath(dir, path string) string {
	if dir == "" || dir == "." || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}

// PlanLayout is the way to a plan's layout from the directory in which it was made.
func PlanLayout(p *planner.Plan) string { return LayoutPath(p.Spec.Dir, p.Layout.Path) }

// driftSection lists the drift: changes by others since the last apply.
func driftSection(drift []planner.Drift, rows int) Section {
	if len(drift) == 0 {
		return Section{}
	}
	s := Section{Kind: KindDrift, Title: Text{Words("Changed in the layout by somebody else since the last apply:")}}
	var shown int
	shown, s.Fold = fold(len(drift), rows, "")
	for _, d := range drift[:shown] {
		s.Rows = append(s.Rows, Row{Mark: MarkDrifted, Cells: []Text{driftText(d)}})
	}
	return s
}

// entryEdited is the text about a tag whose entry others edited.
const entryEdited = "its entry in index.json was edited"

func driftText(d planner.Drift) Text {
	was, is := Digest(d.Was), Digest(d.Is)
	switch d.Kind {
	case planner.DriftMissing:
		return Text{Name(d.Key), Words(": blob "), was, Words(" is missing")}
	case planner.DriftTorn:
		return Text{Name(d.Key), Words(": blob "), was, Words(" is not what its name says")}
	case planner.DriftTagEdited, planner.DriftTagGone:
		return entryDriftText(d)
	case planner.DriftTagMoved:
		return Text{Words("tag "), refName(d.Ref), Words(" was moved: "), was, Words(" → "), is}
	case planner.DriftNoLayout:
		return Text{Words("the file oci-layout is gone; apply puts it back")}
	case planner.DriftArchiveGone:
		return Text{Words("archive "), Name(d.Path), Words(" is gone; it was "), was}
	case planner.DriftArchiveChanged:
		return Text{Words("archive "), Name(d.Path), Words(" was changed: "), was, Words(" → "), is}
	}
	return Text{Name(string(d.Kind)), Words(": "), Name(d.Key)}
}

// entryDriftText says that an entry of index.json was edited or removed.
func entryDriftText(d planner.Drift) Text {
	text := Text{Words("tag "), refName(d.Ref)}
	if d.Ref == "" {
		text = Text{Words("the entry without a ref name of "), Name(d.Key)}
	}
	if d.Kind == planner.DriftTagGone {
		return append(text, Words(" is gone; it led to "), Digest(d.Was))
	}
	return append(text, Words(" still leads to "), Digest(d.Is), Words(", but "+entryEdited))
}

// changeSection lists the objects that change, in the order in which they are built.
func changeSection(p *planner.Plan, rows int) Section {
	s := Section{Kind: KindChanges}
	causes := newCauses(p.Changes)
	for _, c := range p.Changes {
		if c.Action != planner.NoOp {
			s.Rows = append(s.Rows, changeRow(c, causes, rows))
		}
	}
	if len(s.Rows) > 0 {
		s.Title = Text{Words("layform will make these changes in "), Name(PlanLayout(p)), Words(":")}
	}
	return s
}

// tagSection lists the entries of index.json that change.
func tagSection(p *planner.Plan) Section {
	s := Section{Kind: KindTags}
	for _, t := range p.Tags {
		if t.Action == planner.NoOp && !t.Adopted {
			continue
		}
		name := refName(t.Ref)
		if t.Unknown {
			name = Words(afterApply)
		}
		row := Row{Mark: markOf(t.Action), Cells: []Text{{name}}, Deltas: []Delta{tagDelta(t)}}
		if t.Action == planner.Forget {
			row.Notes = append(row.Notes, Text{Words("(not the spec's any more; what is there stays)")})
		}
		if t.Address != "" {
			row.Notes = append(row.Notes, Text{Name(t.Address)})
		}
		if t.Adopted {
			row.Notes = append(row.Notes, Text{adopted(p.Options.Adopt || t.Offered || t.Before != "" && t.Before == t.After)})
		}
		s.Rows = append(s.Rows, row)
	}
	if len(s.Rows) > 0 {
		s.Title = Text{Words("Entries of index.json:")}
	}
	return s
}

// refName is the name of an entry of index.json.
func refName(ref string) Span {
	if ref == "" {
		return Words("(no ref name)")
	}
	return Name(ref)
}

// tagDelta is where an entry leads before and after, or where it stays.
func tagDelta(t planner.TagChange) Delta {
	before, after := Text{Digest(t.Before)}, Text{Digest(t.After)}
	if t.After == "" {
		after = Text{Words(afterApply)}
	}
	switch {
	case t.Action == planner.Delete, t.Action == planner.Forget:
		return Delta{Before: before}
	case t.Action == planner.Create, t.Before == "", t.Before == t.After:
		return Delta{After: after}
	}
	return Delta{Before: before, After: after}
}

// adopted is the text about an entry of index.json that belongs to no spec.
func adopted(asked bool) Span {
	text := "(stands there already; refused unless it says the same, or with --adopt)"
	if asked {
		text = "(stands there already; taken over)"
	}
	return Span{Nature: NatureCaution, Text: text}
}

// outputSection lists the output values that change.
func outputSection(outputs []planner.OutputChange) Section {
	s := Section{Kind: KindOutputs}
	for _, o := range outputs {
		if o.Action == planner.NoOp {
			continue
		}
		s.Rows = append(s.Rows, fieldRow(o.Action, planner.FieldChange{
			Path: o.Name, Before: o.Before, After: o.After, Unknown: o.Unknown, Sensitive: o.Sensitive,
		}))
	}
	if len(s.Rows) > 0 {
		s.Title = Text{Words("Outputs:")}
	}
	return s
}

func warningSection(warnings []string) Section {
	s := Section{Kind: KindWarnings}
	for _, text := range warnings {
		s.Rows = append(s.Rows, Row{Cells: []Text{{Name(text)}}})
	}
	return s
}

// counted is the line that counts the objects of a plan. Nothing to import is not said.
func counted(c planner.Counts) Text {
	line := Text{{Nature: NatureStrong, Text: "Plan:"}, Words(" ")}
	if c.Import > 0 {
		line = append(line, number(c.Import), Words(" to import, "))
	}
	return append(line, number(c.Add), Words(" to add, "), number(c.Change), Words(" to change, "), number(c.Destroy), Words(" to destroy."))
}

func summarySection(p *planner.Plan) Section {
	s := p.Summary
	section := Section{Kind: KindNotes, Closing: []Text{
		counted(s.Counts),
		{
			Words("Writes "), Count(s.WriteBlobs, "blob"), Words(" ("), Size(s.WriteContent), Words(" of content for layers), deletes "),
			Count(s.DeleteBlobs, "blob"), Words(" ("), Size(s.DeleteBytes), Words(")."),
		},
	}}
	if n := s.Entries; n != (planner.Counts{}) {
		section.Closing = slices.Insert(section.Closing, 1, Text{
			Words("Entries of index.json: "), number(n.Add), Words(" to add, "),
			number(n.Change), Words(" to change, "), number(n.Destroy), Words(" to remove."),
		})
	}
	if len(p.Options.Targets) > 0 {
		section.Closing = append(section.Closing, Text{Words("Targets are in effect: "), Count(p.LeftOut, "other object"), Words(" left out.")})
	}
	return section
}
