package view

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/printable"
)

// The size to which the snippet of a diagnostic is kept: files of one long line,
// and expressions of thousands, would bury the message.
const (
	maxBefore   = 5  // lines above the place
	maxSnippet  = 12 // lines
	maxWidth    = 200
	leftOfPlace = 60 // what is kept of a longer line on the left of the place
)

// place writes where a diagnostic belongs, with the lines of the file.
func (p *page) place(d *hcl.Diagnostic, f *hcl.File) {
	subject := *d.Subject
	if f == nil || f.Bytes == nil || subject.Start.Byte > len(f.Bytes) {
		p.line("  on %s line %d:", printable.Line(subject.Filename), subject.Start.Line)
		p.line("  (source code not available)")
		p.line("")
		return
	}
	around := ""
	if nav, ok := f.Nav.(interface{ ContextString(offset int) string }); ok {
		if text := nav.ContextString(subject.Start.Byte); text != "" {
			around = ", in " + printable.Line(text)
		}
	}
	extent := subject
	if d.Context != nil {
		extent = hcl.RangeOver(subject, *d.Context)
	}
	first := lineAt(f.Bytes, subject.Start.Byte)
	column := ""
	if _, clipped := clip(first); clipped {
		column = fmt.Sprintf(", column %d", subject.Start.Column)
	}
	p.line("  on %s line %d%s%s:", printable.Line(subject.Filename), subject.Start.Line, column, around)
	start, number := first.start, subject.Start.Line
	for range min(maxBefore, number-extent.Start.Line) {
		start, number = lineAt(f.Bytes, start-1).start, number-1
	}
	for n := 0; start <= extent.End.Byte && start < len(f.Bytes); n++ {
		if n == maxSnippet {
			p.line("      …")
			break
		}
		l := lineAt(f.Bytes, start)
		if number == subject.Start.Line {
			l = first
		}
		if text, _ := clip(l); text != "" {
			p.line("%4d: %s", number, printable.Lines(text))
		}
		start, number = start+len(l.text)+1, number+1
	}
	p.line("")
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
