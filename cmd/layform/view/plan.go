package view

import (
	"io"
	"path/filepath"

	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
)

// Plan writes a plan for people: what somebody else changed in the layout, what
// will change and why, the tags, the outputs, warnings, and two lines that sum
// it up. Objects that stay as they are are not listed.
func Plan(w io.Writer, p *planner.Plan, style Style) error {
	pg := newPage(w, style)
	pg.drift(p)
	if p.Recover {
		pg.line("An earlier apply left work behind; the next one finishes it.")
		pg.line("")
	}
	if p.TakenOver != "" {
		pg.line("What this spec has in the layout was put there from another directory, %s, and is taken over.", printable.Line(filepath.Join(PlanLayout(p), filepath.FromSlash(p.TakenOver))))
		pg.line("")
	}
	if p.Empty() {
		pg.warnings(p.Warnings)
		if p.Options.Destroy {
			pg.line("No changes. The layout %s holds nothing of this spec.", printable.Line(PlanLayout(p)))
		} else {
			pg.line("No changes. The layout %s holds what the spec describes.", printable.Line(PlanLayout(p)))
		}
		return pg.close()
	}
	pg.changes(p)
	pg.tags(p)
	pg.outputs(p)
	pg.warnings(p.Warnings)
	pg.summary(p.Summary)
	return pg.close()
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

// drift lists what somebody else changed since the last apply.
func (p *page) drift(plan *planner.Plan) {
	if len(plan.Drift) == 0 {
		return
	}
	p.line("Changed in the layout by somebody else since the last apply:")
	p.line("")
	for i, d := range plan.Drift {
		if i == p.style.maxLines() {
			p.line("    … and %d more; --json lists all", len(plan.Drift)-i)
			break
		}
		p.line("  %s %s", p.style.paint(yellow, "!"), driftText(d))
	}
	p.line("")
}

// entryEdited says that somebody changed what the entry of a tag says.
const entryEdited = "its entry in index.json was edited"

func driftText(d planner.Drift) string {
	key, ref := printable.Line(d.Key), refName(d.Ref)
	switch d.Kind {
	case planner.DriftMissing:
		return key + ": blob " + Short(d.Was) + " is missing"
	case planner.DriftTorn:
		return key + ": blob " + Short(d.Was) + " is not what its name says"
	case planner.DriftTagMoved:
		return "tag " + ref + " was moved: " + Short(d.Was) + " → " + Short(d.Is)
	case planner.DriftTagEdited:
		return "tag " + ref + " still leads to " + Short(d.Is) + ", but " + entryEdited
	case planner.DriftTagGone:
		return "tag " + ref + " is gone; it led to " + Short(d.Was)
	case planner.DriftNoLayout:
		return "the file oci-layout is gone; apply puts it back"
	}
	return printable.Line(string(d.Kind)) + ": " + key
}

// changes lists the objects that change, in the order in which they are built.
func (p *page) changes(plan *planner.Plan) {
	why := newCauses(plan.Changes)
	listed := false
	for _, c := range plan.Changes {
		if c.Action == planner.NoOp {
			continue
		}
		if !listed {
			p.line("layform will make these changes in %s:", printable.Line(PlanLayout(plan)))
			p.line("")
			listed = true
		}
		p.change(c, why)
		p.line("")
	}
}

// tags lists the entries of index.json that change.
func (p *page) tags(plan *planner.Plan) {
	width, any := 0, false
	for _, t := range plan.Tags {
		if t.Action != planner.NoOp || t.Adopted {
			any = true
			width = max(width, len([]rune(refName(t.Ref))))
		}
	}
	if !any {
		return
	}
	p.line("Entries of index.json:")
	p.line("")
	for _, t := range plan.Tags {
		if t.Action == planner.NoOp && !t.Adopted {
			continue
		}
		text := pad(refName(t.Ref), width) + "  " + tagMove(t)
		if t.Address != "" {
			text += "  " + printable.Line(t.Address)
		}
		if t.Adopted {
			text += "  " + p.style.paint(yellow, adopted(plan.Options.Adopt))
		}
		p.line("  %s %s", p.style.symbol(t.Action), text)
	}
	p.line("")
}

func refName(ref string) string {
	if ref == "" {
		return "(no ref name)"
	}
	return printable.Line(ref)
}

func tagMove(t planner.TagChange) string {
	after := Short(t.After)
	if t.After == "" {
		after = afterApply
	}
	switch {
	case t.Action == planner.Delete:
		return Short(t.Before)
	case t.Action == planner.Create || t.Before == "":
		return after
	case t.Before == t.After:
		return after
	}
	return Short(t.Before) + " → " + after
}

// outputs lists the output values that change.
func (p *page) outputs(plan *planner.Plan) {
	any := false
	for _, o := range plan.Outputs {
		if o.Action == planner.NoOp {
			continue
		}
		if !any {
			p.line("Outputs:")
			p.line("")
			any = true
		}
		f := planner.FieldChange{
			Path: o.Name, Before: o.Before, After: o.After,
			Unknown: o.Unknown, Sensitive: o.Sensitive,
		}
		p.line("  %s", p.field(f, o.Action, 0))
	}
	if any {
		p.line("")
	}
}

func (p *page) warnings(warnings []string) {
	for _, text := range warnings {
		p.line("%s %s", p.style.paint(yellow, "Warning:"), printable.Line(text))
	}
	if len(warnings) > 0 {
		p.line("")
	}
}

func (p *page) summary(s planner.Summary) {
	p.line("%s %d to add, %d to change, %d to destroy.",
		p.style.paint(bold, "Plan:"), s.Add, s.Change, s.Destroy)
	p.line("Writes %s (%s of content before compression), deletes %s (%s).",
		count(s.WriteBlobs, "blob"), Bytes(s.WriteContent),
		count(s.DeleteBlobs, "blob"), Bytes(s.DeleteBytes))
}

// adopted says what becomes of an entry that stands there without being ours.
func adopted(asked bool) string {
	if asked {
		return "(stands there already; taken over)"
	}
	return "(stands there already; refused unless it leads to the same digest, or with --adopt)"
}
