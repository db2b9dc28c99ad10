package view

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

const (
	afterApply = "(known after apply)"
	withheld   = "(sensitive)"
	notSet     = "(not set)"
	// unplaced says why the paths of a layer are not final: its base is read in apply.
	unplaced = afterApply + " for links in the layers of its base may move them, and parents take over mode and owner"
	// maxReasons is the number of reasons that a change shows.
	maxReasons = 5
)

// number is a number without a noun.
func number(n int) Span { return Words(strconv.Itoa(n)) }

// changeRow is one object: its mark, key and place, why it changes, and what of
// it changes.
func changeRow(c planner.Change, why *causes, rows int) Row {
	row := Row{Mark: markOf(c.Action), Cells: []Text{{{Nature: NatureSubject, Text: c.Key()}}}}
	if c.Place != "" {
		row.Notes = []Text{{{Nature: NatureFaint, Text: "(" + c.Place + ")"}}}
	}
	for _, s := range []Section{
		reasonSection(why.chains(c), rows),
		fileSection(c.Files, rows),
		fieldSection(c, 2*rows),
		factSection(c),
	} {
		if len(s.Rows) > 0 {
			row.Sections = append(row.Sections, s)
		}
	}
	return row
}

// reasonSection says why an object changes. That a created object is new, the
// mark says.
func reasonSection(chains [][]Text, rows int) Section {
	s := Section{Kind: KindReasons}
	shown := len(chains)
	if limit := min(maxReasons, rows); shown > limit+1 {
		shown, s.Fold = fold(shown, limit, "more reason")
	}
	for _, chain := range chains[:shown] {
		s.Rows = append(s.Rows, Row{Cells: chain})
	}
	return s
}

// fileSection lists the entries of a layer that change.
func fileSection(files []planner.FileChange, rows int) Section {
	s := Section{Kind: KindFiles}
	var shown int
	shown, s.Fold = fold(len(files), rows, "")
	for _, f := range files[:shown] {
		s.Rows = append(s.Rows, fileRow(f))
	}
	return s
}

// filePath is the entry's path as it is in the image, a directory's with a slash.
func filePath(f planner.FileChange) string {
	path := "/" + strings.TrimPrefix(string(f.Path), "/")
	if f.Path == "." {
		path = "/"
	}
	if p := properties(f); p.Type == layer.Directory && !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path
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

// fileRow is one entry of a layer: the properties that change, or what a new or
// deleted entry is.
func fileRow(f planner.FileChange) Row {
	row := Row{Mark: markOf(f.Action), Cells: []Text{{Name(filePath(f))}}}
	if f.Action != planner.Update || f.Before == nil || f.After == nil {
		row.Deltas, row.Notes = wholeFile(f)
		return row
	}
	for _, what := range f.What {
		d := Delta{Label: string(what), Before: property(f.Before, what), After: property(f.After, what)}
		if what == layer.PropertyContent && f.Unknown {
			d.After = Text{Words(afterApply)}
		}
		row.Deltas = append(row.Deltas, d)
	}
	return row
}

// wholeFile describes a new or deleted entry: in notes, the mode and the owner where
// they are not those that most entries have.
func wholeFile(f planner.FileChange) (deltas []Delta, notes []Text) {
	p := properties(f)
	is := Text{Name(string(p.Type))}
	switch {
	case p.Type == layer.Directory:
		is = nil
	case p.Type == layer.Regular && f.Unknown:
		is = Text{Words(afterApply)}
	case p.Type == layer.Regular:
		is = Text{Size(p.Size)}
	case p.Target != "":
		is = append(is, Words(" → "), Name(string(p.Target)))
	}
	switch {
	case is == nil:
	case f.Action == planner.Delete:
		deltas = []Delta{{Before: is}}
	default:
		deltas = []Delta{{After: is}}
	}
	if !plainMode(p) {
		notes = append(notes, append(Text{Words("mode ")}, property(&p, layer.PropertyMode)...))
	}
	if p.UID != 0 || p.GID != 0 {
		notes = append(notes, append(Text{Words("owner ")}, property(&p, layer.PropertyOwner)...))
	}
	if p.Type == layer.Char || p.Type == layer.Block {
		notes = append(notes, property(&p, layer.PropertyDevice))
	}
	return deltas, notes
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

// property is one property of an entry.
func property(p *layer.Properties, what layer.Property) Text {
	switch what {
	case layer.PropertyType:
		return Text{Name(string(p.Type))}
	case layer.PropertyContent:
		return Text{Size(p.Size)}
	case layer.PropertyMode:
		return Text{Words(p.Mode.String())}
	case layer.PropertyOwner:
		return Text{Words(fmt.Sprintf("%d:%d", p.UID, p.GID))}
	case layer.PropertyMtime:
		return Text{Words(p.Mtime.String())}
	case layer.PropertyTarget:
		return Text{Name(string(p.Target))}
	case layer.PropertyXattrs:
		return Text{Name(strings.Join(slices.Sorted(maps.Keys(p.Xattrs)), " "))}
	case layer.PropertyDevice:
		return Text{Words(fmt.Sprintf("%d,%d", p.Devmajor, p.Devminor))}
	}
	return nil
}

// fieldSection lists the values that change.
func fieldSection(c planner.Change, rows int) Section {
	s := Section{Kind: KindFields}
	if c.Action == planner.Delete {
		return s
	}
	var shown int
	shown, s.Fold = fold(len(c.Fields), rows, "more value")
	for _, f := range c.Fields[:shown] {
		s.Rows = append(s.Rows, fieldRow(fieldAction(f), f))
	}
	if shown == len(c.Fields) && showsInherited(c) {
		mark := planner.Create
		if c.Before != nil {
			mark = planner.Update
		}
		for _, f := range c.After.Inherited {
			s.Rows = append(s.Rows, Row{
				Mark: markOf(mark), Cells: []Text{{Name(f.Path)}}, Deltas: []Delta{{After: fieldText(f.Path, f.Value)}},
				Notes: []Text{{{Nature: NatureFaint, Text: "(inherited)"}}},
			})
		}
	}
	return s
}

// showsInherited reports whether the values that a config inherits are news: where
// the config is new, or its base another image.
func showsInherited(c planner.Change) bool {
	return c.After != nil && (c.Before == nil || slices.ContainsFunc(c.Reasons, func(r planner.Reason) bool {
		return strings.HasPrefix(r.Cause, string(spec.KindBase)+".")
	}))
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

// fieldRow is one value that is created, changed or deleted.
func fieldRow(a planner.Action, f planner.FieldChange) Row {
	before, after := fieldText(f.Path, f.Before), fieldText(f.Path, f.After)
	if f.Unknown {
		after = Text{Words(afterApply)}
	}
	d := Delta{Before: before, After: after}
	switch {
	case f.Sensitive:
		d = Delta{After: Text{Words(withheld)}}
	case a == planner.Create:
		d.Before = nil
	case a == planner.Delete:
		d.After = nil
	}
	return Row{Mark: markOf(a), Cells: []Text{{Name(f.Path)}}, Deltas: []Delta{d}}
}

// fieldText is a value in canonical JSON. The address of an object is no string
// to the reader of a spec: it has no quotes.
func fieldText(path string, json spec.JSON) Text {
	if json == "" {
		return Text{Words(notSet)}
	}
	if refers(path) {
		if address, ok := jsonString(string(json)); ok {
			return Text{Name(address)}
		}
	}
	return Text{Value(string(json))}
}

// refers reports whether a value is the address of an object.
func refers(path string) bool {
	return path == "base" || path == "config" || path == "subject" ||
		strings.HasPrefix(path, "layers[") || strings.HasPrefix(path, "manifests[")
}

// factSection says which blob is the object before and after.
func factSection(c planner.Change) Section {
	s := Section{Kind: KindFacts}
	add := func(name string, d Delta, notes ...Text) {
		s.Rows = append(s.Rows, Row{Cells: []Text{{Words(name)}}, Deltas: []Delta{d}, Notes: notes})
	}
	if c.After != nil && c.After.Unplaced {
		add("paths", Delta{After: Text{Words(unplaced)}})
	}
	if c.After != nil && c.After.Content > 0 && (c.Before == nil || c.Before.Content != c.After.Content) {
		d := Delta{After: contentText(c.After)}
		if c.Before != nil && c.Before.Content > 0 && sameSource(c.Before.Fields, c.After.Fields) {
			d.Before = Text{Size(c.Before.Content)}
		}
		add("content", d)
	}
	switch {
	case c.Before == nil && c.After == nil:
	case c.After == nil:
		add("digest", Delta{Before: stateText(c.Before)})
	case c.Before == nil || c.Before.Digest == "":
		add("digest", Delta{After: stateText(c.After)})
	case c.Before.Digest == c.After.Digest:
		add("digest", Delta{After: append(stateText(c.After), Words(" (the same bytes again)"))})
	default:
		add("digest", Delta{Before: stateText(c.Before), After: stateText(c.After)})
	}
	return s
}

// contentText describes the change of a layer's content.
func contentText(s *planner.State) Text {
	var files Text
	if s.FileBytes > 0 {
		files = Text{Words(" ("), Size(s.FileBytes), Words(" in files)")}
	}
	text := func(words string) Text { return Text{Size(s.Content), Words(words)} }
	switch s.Form {
	case planner.FormTree:
		return append(text(" as a tar before compression"), files...)
	case planner.FormTar:
		return append(text(" as a tar, not compressed"), files...)
	case planner.FormFile:
		return text(", the file as it is")
	case planner.FormPlain:
		return text(", the tar before compression")
	case planner.FormConverted:
		return text(", the archive before it is converted")
	}
	return Text{Size(s.Content)}
}

// sameSource reports whether a layer is made of the same sort of thing before and
// after, so that the lengths can be compared.
func sameSource(before, after []spec.Field) bool {
	sort := func(fields []spec.Field) (s string) {
		for _, f := range fields {
			if f.Path == "archive" || f.Path == "blob" {
				s += f.Path
			}
		}
		return s
	}
	return sort(before) == sort(after)
}

func stateText(s *planner.State) Text {
	if s.Digest == "" {
		return Text{Words(afterApply)}
	}
	if s.Size == 0 {
		return Text{Digest(s.Digest)}
	}
	return Text{Digest(s.Digest), Words(" ("), Size(s.Size), Words(")")}
}
