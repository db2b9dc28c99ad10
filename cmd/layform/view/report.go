package view

import (
	"iter"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/planner"
)

// Report is the human-readable output of a command, as data: its sections and rows in
// order, and how much is left out. It is computed from parts of a Document and is a
// plain value; it holds foreign text as it is. How it is drawn, with which widths,
// colours, escapes and units, is up to a renderer.
type Report struct {
	Sections []Section
}

// Section is a list of rows of one kind, with a title above it and lines that
// sum it up below it. Each of the three may be absent.
type Section struct {
	Kind  Kind
	Title Text
	Rows  []Row
	// Each are rows after Rows that are made as they are drawn, of which there may
	// be a hundred thousand. Columns are not aligned with those in them.
	Each iter.Seq[Row]
	// Fold counts the rows that were left out after the last one.
	Fold Fold
	// Closing are lines that sum up the rows.
	Closing []Text
}

// All are the rows of the section, Each included.
func (s *Section) All() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, row := range s.Rows {
			if !yield(row) {
				return
			}
		}
		if s.Each != nil {
			s.Each(yield)
		}
	}
}

// IsEmpty reports whether the section has no rows.
func (s *Section) IsEmpty() bool {
	for range s.All() {
		return false
	}
	return true
}

// Kind is the type of the rows of a section.
type Kind string

// The kinds of sections, and what the cells of their rows are.
const (
	// KindNotes: one sentence.
	KindNotes Kind = "notes"
	// KindWarnings: one sentence.
	KindWarnings Kind = "warnings"
	// KindDrift: one sentence.
	KindDrift Kind = "drift"
	// KindChanges: the key of an object; its place is a note. The sections of a
	// row are reasons, files, fields and facts.
	KindChanges Kind = "changes"
	// KindReasons: a chain, from the cause to where it comes from.
	KindReasons Kind = "reasons"
	// KindFiles: the path of an entry.
	KindFiles Kind = "files"
	// KindFields: the path of a value.
	KindFields Kind = "fields"
	// KindFacts: the name of a fact.
	KindFacts Kind = "facts"
	// KindTags: a ref name; the notes are the object and what is to be said of it.
	KindTags Kind = "tags"
	// KindOutputs: the name of an output value that changes.
	KindOutputs Kind = "outputs"
	// KindValues: the names of output values.
	KindValues Kind = "values"
	// KindObjects: key, standing, and for what is built digest, size and media type.
	KindObjects Kind = "objects"
	// KindStaged: the key of an object, whose sections are its attributes.
	KindStaged Kind = "staged"
	// KindAttributes: the path of a value and the value.
	KindAttributes Kind = "attributes"
	// KindEntries: ref name, standing and digest of an entry of index.json.
	KindEntries Kind = "entries"
	// KindTree: a descriptor; the sections of a row are its children.
	KindTree Kind = "tree"
	// KindFindings: severity, rule, and the problem; a section has the advice.
	KindFindings Kind = "findings"
	// KindAdvice: one sentence.
	KindAdvice Kind = "advice"
	// KindBlobs: digest and size.
	KindBlobs Kind = "blobs"
	// KindRepairs: remedy and problem.
	KindRepairs Kind = "repairs"
)

// Row is one line of a section, with what hangs on it.
type Row struct {
	Mark Mark
	// Cells are aligned with those of the other rows.
	Cells []Text
	// Deltas are the properties of the row's subject that change.
	Deltas []Delta
	Notes  []Text
	// Sections are the lists below the row.
	Sections []Section
}

// Mark is the change of a row's subject. Its value is the mark itself.
type Mark string

// The marks of rows.
const (
	MarkNone     Mark = ""
	MarkKept     Mark = " "
	MarkAdded    Mark = "+"
	MarkChanged  Mark = "~"
	MarkReplaced Mark = "-/+"
	MarkRemoved  Mark = "-"
	// MarkForgotten is for what stays without belonging to the spec any more.
	MarkForgotten Mark = "."
	MarkDrifted   Mark = "!"
	// MarkImported is for what becomes the spec's and stays as it is.
	MarkImported Mark = "="
)

// markOf is the mark of an action.
func markOf(a planner.Action) Mark { return Mark(a.Symbol()) }

// Delta is one value on both sides of a change.
type Delta struct {
	// Label names the value; empty where the row does.
	Label string
	// Before is nil for a new value, and After for one that goes away.
	Before, After Text
}

// Fold counts what a section leaves out; the zero value leaves out nothing.
type Fold struct {
	Count int
	// Noun names the rows, in the singular; it may be empty.
	Noun string
}

// Text is a run of spans.
type Text []Span

// Span is a piece of text of one nature.
type Span struct {
	Nature Nature
	// Text is the text of the span: words, a name, JSON, a digest.
	Text string
	// N is the number of NatureSize and NatureCount; Text is then the noun of a count.
	N int64
}

// Nature is the type of a span, by which a renderer chooses how to draw it.
type Nature uint8

// The natures of spans.
const (
	// NatureWords are words of layform's own.
	NatureWords Nature = iota
	// NatureStrong, NatureGood, NatureCaution and NatureBad are words of layform's own
	// with emphasis.
	NatureStrong
	NatureGood
	NatureCaution
	NatureBad
	// NatureFaint are words with less emphasis: places and reasons.
	NatureFaint
	// NatureName is a foreign name: of a file, an object, a ref, a media type.
	NatureName
	// NatureSubject is the name that a row is about.
	NatureSubject
	// NatureValue is canonical JSON, which may be cut; NatureWholeValue may not.
	NatureValue
	NatureWholeValue
	// NatureDigest is a digest, which may be shortened; NatureWholeDigest may not.
	NatureDigest
	NatureWholeDigest
	// NatureSize is a number of bytes.
	NatureSize
	// NatureCount is a number of things.
	NatureCount
)

// Words are words of layform's own.
func Words(s string) Span { return Span{Text: s} }

// Name is a name that comes from a spec, a layout or a plan.
func Name(s string) Span { return Span{Nature: NatureName, Text: s} }

// Value is a value in canonical JSON.
func Value(json string) Span { return Span{Nature: NatureValue, Text: json} }

// Digest is a digest that may be shortened.
func Digest(d digest.Digest) Span { return Span{Nature: NatureDigest, Text: string(d)} }

// Size is a number of bytes.
func Size(n int64) Span { return Span{Nature: NatureSize, N: n} }

// Count is a number of things, with the noun for one of them.
func Count(n int, noun string) Span { return Span{Nature: NatureCount, Text: noun, N: int64(n)} }

// DefaultRows is the number of rows that one list inside a report shows, such as
// the files of a layer, before it folds.
const DefaultRows = 20

// fold says how many rows of n a list shows that may have limit of them, and
// counts the rest.
func fold(n, limit int, noun string) (int, Fold) {
	if n <= limit {
		return n, Fold{}
	}
	return limit, Fold{Count: n - limit, Noun: noun}
}
