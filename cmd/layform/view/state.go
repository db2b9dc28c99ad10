package view

import (
	"io"
	"strconv"

	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/spec"
)

// Status writes how the objects and tags of a spec stand in its layout: one
// line each.
func Status(w io.Writer, s *State, style Style) error {
	pg := newPage(w, style)
	pg.heading(s)
	width := 0
	for _, o := range s.Objects {
		width = max(width, len([]rune(printable.Line(o.Key))))
	}
	width = min(width, 48)
	for _, o := range s.Objects {
		text := pad(printable.Line(o.Key), width) + "  " + pg.standing(o.Standing)
		if o.Digest != "" {
			text += "  " + Short(o.Digest) + "  " + pad(Bytes(o.Size), 7) + "  " + printable.Line(o.MediaType)
		}
		pg.line("  %s", text)
	}
	if len(s.Objects) == 0 {
		pg.line("  no objects")
	}
	pg.tagList(s.Tags)
	return pg.close()
}

// Show writes what a layout holds for a spec: every object with the values
// that it was made of, tags and outputs.
func Show(w io.Writer, s *State, style Style) error {
	pg := newPage(w, style)
	pg.heading(s)
	shown := 0
	for _, o := range s.Objects {
		if o.Digest == "" {
			continue
		}
		if shown++; shown > 1 {
			pg.line("")
		}
		pg.object(o)
	}
	if shown == 0 {
		pg.line("  nothing built yet")
	}
	pg.tagList(s.Tags)
	if len(s.Outputs) > 0 {
		pg.line("")
		pg.line("Outputs:")
		pg.line("")
		pg.outputValues(s.Outputs)
	}
	return pg.close()
}

func (p *page) heading(s *State) {
	switch {
	case !s.Exists:
		p.line("Layout %s does not exist yet. Spec %s:", printable.Line(s.Layout), printable.Line(s.Spec))
	default:
		p.line("Layout %s, spec %s, serial %d:", printable.Line(s.Layout), printable.Line(s.Spec), s.Serial)
	}
	p.line("")
}

func (p *page) object(o Object) {
	p.line("  %s", p.style.paint(bold, printable.Line(o.Key)))
	width := len("media_type")
	for _, f := range o.Fields {
		width = max(width, len([]rune(printable.Line(f.Path))))
	}
	width = min(width, 48)
	set := func(name, value string) { p.line("      %s = %s", pad(name, width), value) }
	set("media_type", printable.Line(o.MediaType))
	set("digest", printable.Line(string(o.Digest)))
	set("size", strconv.FormatInt(o.Size, 10))
	if o.DiffID != "" {
		set("diff_id", printable.Line(string(o.DiffID)))
	}
	for i, f := range o.Fields {
		if limit := 2 * p.style.maxLines(); i == limit {
			p.line("      … and %s; --json lists all", count(len(o.Fields)-i, "more value"))
			break
		}
		set(printable.Line(f.Path), fieldValue(f))
	}
}

func fieldValue(f spec.Field) string {
	switch {
	case f.Sensitive:
		return withheld
	case f.Unknown:
		return afterApply
	case refers(f.Path):
		return bare(f.Value)
	}
	return value(f.Value)
}

// tagList lists entries of index.json.
func (p *page) tagList(tags []Tag) {
	if len(tags) == 0 {
		return
	}
	width := 0
	for _, t := range tags {
		width = max(width, len([]rune(refName(t.Ref))))
	}
	p.line("")
	p.line("Entries of index.json:")
	p.line("")
	for _, t := range tags {
		text := pad(refName(t.Ref), width) + "  " + p.standing(t.Standing) + "  " + Short(t.Digest)
		if t.Key != "" {
			text += "  " + printable.Line(t.Key)
		}
		if t.Is != "" {
			text += "  (leads to " + Short(t.Is) + " now)"
		}
		if t.Standing == Edited {
			text += "  (" + entryEdited + ")"
		}
		p.line("  %s", text)
	}
}

// standing is one word on how something stands, in its colour.
func (p *page) standing(s Standing) string {
	code := ""
	switch s {
	case Intact:
		code = green
	case Missing, Torn:
		code = red
	case Moved, Edited, NotBuilt:
		code = yellow
	}
	text := string(s)
	return p.style.paint(code, text) + pad("", len(Intact)+1-len(text))
}
