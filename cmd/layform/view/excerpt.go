package view

import (
	"bytes"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// The size to which the excerpt of a diagnostic is kept: files of one long line,
// and expressions of thousands, would bury the message.
const (
	maxBefore   = 5  // lines above the place
	maxExcerpt  = 12 // lines
	maxWidth    = 200
	leftOfPlace = 60 // what is kept of a longer line on the left of the place
)

// Excerpt is the place of a diagnostic in a spec, with the lines around it.
type Excerpt struct {
	Filename string
	Line     int
	// Column is given where the line is cut, and 0 otherwise.
	Column int
	// Block is the header of the block around the place, where it is known.
	Block string
	// Missing is set when the file cannot be shown.
	Missing bool
	// Lines are the lines that are not empty; More is set when others follow.
	Lines []ExcerptLine
	More  bool
}

// ExcerptLine is one line of a file, with … where something is left out.
type ExcerptLine struct {
	Number int
	Text   string
}

// NewExcerpt finds the place of a diagnostic that has one in its file, which may
// be nil.
func NewExcerpt(d *hcl.Diagnostic, f *hcl.File) *Excerpt {
	subject := *d.Subject
	x := &Excerpt{Filename: subject.Filename, Line: subject.Start.Line}
	if f == nil || f.Bytes == nil || subject.Start.Byte > len(f.Bytes) {
		x.Missing = true
		return x
	}
	if nav, ok := f.Nav.(interface{ ContextString(offset int) string }); ok {
		x.Block = nav.ContextString(subject.Start.Byte)
	}
	extent := subject
	if d.Context != nil {
		extent = hcl.RangeOver(subject, *d.Context)
	}
	first := lineAt(f.Bytes, subject.Start.Byte)
	if _, clipped := clip(first); clipped {
		x.Column = subject.Start.Column
	}
	start, number := first.start, subject.Start.Line
	for range min(maxBefore, number-extent.Start.Line) {
		start, number = lineAt(f.Bytes, start-1).start, number-1
	}
	for n := 0; start <= extent.End.Byte && start < len(f.Bytes); n++ {
		if n == maxExcerpt {
			x.More = true
			break
		}
		l := lineAt(f.Bytes, start)
		if number == subject.Start.Line {
			l = first
		}
		if text, _ := clip(l); text != "" {
			x.Lines = append(x.Lines, ExcerptLine{number, text})
		}
		start, number = start+len(l.text)+1, number+1
	}
	return x
}

// fileLine is one line of a file, and a place in it.
type fileLine struct {
	text          []byte
	start, offset int
}

// lineAt is the line of a file that holds the byte at an offset; it is empty
// where there is none.
func lineAt(file []byte, offset int) fileLine {
	if offset < 0 || offset > len(file) {
		return fileLine{}
	}
	start := bytes.LastIndexByte(file[:offset], '\n') + 1
	text, _, _ := bytes.Cut(file[start:], []byte("\n"))
	return fileLine{text: text, start: start, offset: offset - start}
}

// clip is the text of a line, or of a long one the part around its place.
func clip(l fileLine) (text string, clipped bool) {
	line := bytes.TrimRight(l.text, "\r")
	if utf8.RuneCount(line) <= maxWidth {
		return string(line), false
	}
	runes := []rune(string(line))
	left := max(0, min(utf8.RuneCount(l.text[:l.offset])-leftOfPlace, len(runes)-maxWidth))
	text = string(runes[left : left+maxWidth])
	if left > 0 {
		text = "…" + text
	}
	if left+maxWidth < len(runes) {
		text += "…"
	}
	return text, true
}
