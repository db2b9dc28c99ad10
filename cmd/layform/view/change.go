package view

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
)

const (
	afterApply = "(known after apply)"
	withheld   = "(sensitive)"
	// longest is the number of characters of a value that are shown.
	longest = 160
)

// change writes one object: its mark, address and place, why it changes, and
// what of it changes.
func (p *page) change(c planner.Change, why *causes) {
	head := p.style.symbol(c.Action) + " " + p.style.paint(bold, printable.Line(c.Key()))
	if c.Place != "" {
		head += "  " + p.style.paint(faint, "("+printable.Line(c.Place)+")")
	}
	p.line("  %s", head)
	p.reasons(c, why)
	p.files(c)
	p.fields(c)
	p.state(c)
}

// reasons says why an object changes. That a created object is new, the mark says.
func (p *page) reasons(c planner.Change, why *causes) {
	lines := why.lines(c)
	for i, text := range lines {
		if limit := min(5, p.style.maxLines()); i == limit && len(lines) > limit+1 {
			p.line("      %s", p.style.paint(faint, fmt.Sprintf("… and for %s; --json lists all", count(len(lines)-i, "more reason"))))
			return
		}
		p.line("      %s", p.style.paint(faint, text))
	}
}

// files lists the entries of a layer that change.
func (p *page) files(c planner.Change) {
	limit := p.style.maxLines()
	width := 0
	for _, f := range c.Files[:min(limit, len(c.Files))] {
		width = max(width, len([]rune(filePath(f))))
	}
	width = min(width, 60)
	for i, f := range c.Files {
		if i == limit {
			p.line("      … and %d more; --json lists all", len(c.Files)-i)
			return
		}
		p.line("      %s", strings.TrimRight(p.style.symbol(f.Action)+" "+pad(filePath(f), width)+"  "+fileText(f), " "))
	}
}

// filePath is the entry's path as it is in the image, a directory's with a slash.
func filePath(f planner.FileChange) string {
	path := "/" + strings.TrimPrefix(f.Path, "/")
	if f.Path == "." {
		path = "/"
	}
	if p := properties(f); p.Type == layer.Directory && !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return printable.Line(path)
}

// properties are those of the entry after the change, or of a deleted one.
func properties(f planner.FileChange) layer.Properties {
	switch {
	case f.After != nil:
		return *f.After
	case f.Before != nil:
		return *f.Before
	}
	return layer.Properties{}
}

// fileText says what of an entry changes.
func fileText(f planner.FileChange) string {
	if f.Action != planner.Update || f.Before == nil || f.After == nil {
		return newFileText(f)
	}
	parts := make([]string, 0, len(f.What))
	for _, what := range f.What {
		before, after := property(f.Before, what), property(f.After, what)
		switch {
		case what == layer.PropertyContent && f.Unknown:
			parts = append(parts, "content "+before+" → "+afterApply)
		case what == layer.PropertyContent && before == after:
			parts = append(parts, "content ("+after+")")
		case before == "" && after == "":
			parts = append(parts, printable.Line(string(what)))
		default:
			parts = append(parts, printable.Line(string(what))+" "+before+" → "+after)
		}
	}
	return strings.Join(parts, ", ")
}

// property says one property in words.
func property(p *layer.Properties, what layer.Property) string {
	switch what {
	case layer.PropertyType:
		return printable.Line(string(p.Type))
	case layer.PropertyContent:
		return Bytes(max(p.Size, 0))
	case layer.PropertyMode:
		return p.Mode.String()
	case layer.PropertyOwner:
		return fmt.Sprintf("%d:%d", p.UID, p.GID)
	case layer.PropertyMtime:
		return p.Mtime.String()
	case layer.PropertyTarget:
		return printable.Line(p.Target)
	case layer.PropertyXattrs:
		return printable.Line(strings.Join(slices.Sorted(maps.Keys(p.Xattrs)), " "))
	case layer.PropertyDevice:
		return fmt.Sprintf("%d,%d", p.Devmajor, p.Devminor)
	}
	return ""
}

// newFileText says what a created or deleted entry is: all but the mode and the
// owner that most have.
func newFileText(f planner.FileChange) string {
	p := properties(f)
	var parts []string
	switch p.Type {
	case layer.Regular:
		if f.Unknown {
			parts = append(parts, afterApply)
		} else {
			parts = append(parts, Bytes(p.Size))
		}
	case layer.Directory:
	default:
		text := printable.Line(string(p.Type))
		if p.Target != "" {
			text += " → " + printable.Line(p.Target)
		}
		parts = append(parts, text)
	}
	if !plainMode(p) {
		parts = append(parts, "mode "+p.Mode.String())
	}
	if p.UID != 0 || p.GID != 0 {
		parts = append(parts, "owner "+property(&p, layer.PropertyOwner))
	}
	if p.Type == layer.Char || p.Type == layer.Block {
		parts = append(parts, property(&p, layer.PropertyDevice))
	}
	return strings.Join(parts, "  ")
}

// plainMode reports whether an entry has the mode that needs no mention. That of
// a symlink means nothing, and a hard link has its target's.
func plainMode(p layer.Properties) bool {
	switch p.Type {
	case layer.Symlink, layer.Hardlink:
		return true
	case layer.Regular:
		return p.Mode == 0o644 || p.Mode == 0o755
	case layer.Directory:
		return p.Mode == 0o755
	}
	return false
}

// fields lists the values that change.
func (p *page) fields(c planner.Change) {
	if c.Action == planner.Delete {
		return
	}
	width := 0
	for _, f := range c.Fields {
		width = max(width, len([]rune(printable.Line(f.Path))))
	}
	for i, f := range c.Fields {
		if limit := 2 * p.style.maxLines(); i == limit {
			p.line("      … and %s; --json lists all", count(len(c.Fields)-i, "more value"))
			return
		}
		p.line("      %s", p.field(f, fieldAction(f), min(width, 48)))
	}
}

func fieldAction(f planner.FieldChange) planner.Action {
	switch {
	case f.Before == "" && (f.After != "" || f.Unknown):
		return planner.Create
	case f.Before != "" && f.After == "" && !f.Unknown && !f.Sensitive:
		return planner.Delete
	}
	return planner.Update
}

// field is one value: + path = new, ~ path = old → new, - path = old.
func (p *page) field(f planner.FieldChange, a planner.Action, width int) string {
	before, after := value(f.Before), value(f.After)
	if refers(f.Path) {
		before, after = bare(before), bare(after)
	}
	if f.Unknown {
		after = afterApply
	}
	text := before + " → " + after
	switch {
	case f.Sensitive:
		text = withheld
	case a == planner.Create:
		text = after
	case a == planner.Delete:
		text = before
	}
	return p.style.symbol(a) + " " + pad(printable.Line(f.Path), width) + " = " + text
}

// refers reports whether a value is the address of an object, which is no
// string to the reader of a spec.
func refers(path string) bool {
	return path == "config" || path == "subject" ||
		strings.HasPrefix(path, "layers[") || strings.HasPrefix(path, "manifests[")
}

// bare is a JSON string without its quotes; other JSON stays as it is.
func bare(text string) string {
	var s string
	if json.Unmarshal([]byte(text), &s) != nil {
		return text
	}
	return printable.Line(s)
}

// value is canonical JSON for a terminal. Long values are cut.
func value(text string) string {
	if text == "" {
		return "(not set)"
	}
	text = printable.Line(text)
	if runes := []rune(text); len(runes) > longest {
		text = fmt.Sprintf("%s … (%d characters)", string(runes[:longest]), len(runes))
	}
	return text
}

// state says which blob stands for the object before and after.
func (p *page) state(c planner.Change) {
	if c.After != nil && c.After.Content > 0 && (c.Before == nil || c.Before.Content != c.After.Content) {
		text := Bytes(c.After.Content) + " before compression"
		if c.Before != nil && c.Before.Content > 0 {
			text = Bytes(c.Before.Content) + " → " + text
		}
		p.line("        content: %s", text)
	}
	switch {
	case c.Before == nil && c.After == nil:
	case c.After == nil:
		p.line("        digest: %s", stateText(c.Before))
	case c.Before == nil || c.Before.Digest == "":
		p.line("        digest: %s", stateText(c.After))
	case c.Before.Digest == c.After.Digest:
		p.line("        digest: %s (the same bytes again)", stateText(c.After))
	default:
		p.line("        digest: %s → %s", stateText(c.Before), stateText(c.After))
	}
}

func stateText(s *planner.State) string {
	if s.Digest == "" {
		return afterApply
	}
	if s.Size == 0 {
		return Short(s.Digest)
	}
	return Short(s.Digest) + " (" + Bytes(s.Size) + ")"
}
