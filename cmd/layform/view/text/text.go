package text

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/printable"
)

// Render draws a report.
func Render(w io.Writer, r *view.Report, style Style) error {
	out := newWriter(w, style)
	for i, s := range r.Sections {
		if i > 0 {
			out.line("", 0)
		}
		if len(s.Title) > 0 {
			out.line(Text(s.Title, style), 0)
			if !s.IsEmpty() {
				out.line("", 0)
			}
		}
		d := drawing{style: style, line: func(l Line) {
			text := l.Text
			if l.Mark != view.MarkNone {
				text = style.mark(l.Mark) + " " + text
			}
			out.line(strings.Repeat(" ", l.Indent)+text, l.Indent+4)
		}}
		d.section(s, -1)
		for _, closing := range s.Closing {
			out.line(Text(closing, style), 0)
		}
	}
	return out.close()
}

// Line is one line of a section's rows; the zero value is a blank line.
type Line struct {
	// Indent is the number of spaces before the mark.
	Indent int
	Mark   view.Mark
	// Text is the line after the mark, escaped and in its colours.
	Text string
}

// Lines draws the rows of a section with what hangs on them, and its fold.
func Lines(s view.Section, style Style) []Line {
	var lines []Line
	d := drawing{style: style, line: func(l Line) { lines = append(lines, l) }}
	d.section(s, -1)
	return lines
}

// drawing draws lines, one after the other.
type drawing struct {
	style Style
	line  func(Line)
}

// section draws the rows of a section that hangs on a row with an indentation,
// or on none, for which the indentation is negative.
func (d *drawing) section(s view.Section, above int) {
	k := styleOf(s.Kind)
	indent := above + k.below
	if above < 0 {
		indent = k.top
	}
	widths := k.widths(s.Rows)
	first := true
	for row := range s.All() {
		if !first && k.apart && above < 0 {
			d.line(Line{})
		}
		first = false
		text := d.style.paint(k.beforeCode, strings.TrimRight(k.before, " "))
		if k.before != "" {
			text += " "
		}
		text += d.row(k, row, widths)
		d.line(Line{Indent: indent, Mark: row.Mark, Text: d.style.paint(k.code, text)})
		for _, below := range row.Sections {
			d.section(below, indent)
		}
	}
	if s.Fold.Count > 0 {
		text := d.style.paint(k.code, "… and "+k.more+folded(s.Fold)+"; --json lists all")
		d.line(Line{Indent: indent + k.foldIndent, Text: text})
	}
}

// row draws cells, deltas and notes. A cell is as wide as its column where
// something follows it.
func (d *drawing) row(k kindStyle, row view.Row, widths []int) string {
	var b strings.Builder
	pad := 0 // what the last cell lacks to the width of its column
	separator := ""
	for i, cell := range row.Cells {
		b.WriteString(strings.Repeat(" ", pad) + separator + Text(cell, d.style))
		pad, separator = 0, k.column(i).after
		if i < len(widths) {
			pad = max(0, widths[i]-width(draw(cell)))
		}
	}
	if len(row.Deltas) > 0 {
		b.WriteString(strings.Repeat(" ", pad) + separator + deltas(row.Deltas))
		pad = 0
	}
	for _, note := range row.Notes {
		b.WriteString(strings.Repeat(" ", pad) + "  " + Text(note, d.style))
		pad = 0
	}
	return b.String()
}

// deltas draws what changes: mode 0644 → 0755, owner 0:0 → 10:10.
func deltas(list []view.Delta) string {
	parts := make([]string, len(list))
	for i, d := range list {
		before, after := draw(d.Before), draw(d.After)
		text := before + " → " + after
		switch {
		case d.Before == nil:
			text = after
		case d.After == nil:
			text = before
		case d.Label != "" && before == after && before != "":
			text = "(" + after + ")"
		case before == "" && after == "":
			text = ""
		}
		parts[i] = strings.TrimSpace(printable.Line(d.Label) + " " + text)
	}
	return strings.Join(parts, ", ")
}

// Text draws a text as one line, in its colours.
func Text(t view.Text, style Style) string {
	if !style.Color {
		return draw(t)
	}
	var b strings.Builder
	for _, s := range t {
		b.WriteString(style.paint(codeOf(s.Nature), Span(s)))
	}
	return b.String()
}

// draw draws a text without colours.
func draw(t view.Text) string {
	if len(t) == 1 {
		return Span(t[0])
	}
	var b strings.Builder
	for _, s := range t {
		b.WriteString(Span(s))
	}
	return b.String()
}

// codeOf is the colour of a nature.
func codeOf(n view.Nature) string {
	switch n {
	case view.NatureStrong, view.NatureSubject:
		return bold
	case view.NatureGood:
		return green
	case view.NatureCaution:
		return yellow
	case view.NatureBad:
		return red
	case view.NatureFaint:
		return faint
	}
	return ""
}

// longest is the number of characters of a value that are shown.
const longest = 160

// Span draws a span as one line without colours.
func Span(s view.Span) string {
	switch s.Nature {
	case view.NatureSize:
		return bytesText(s.N)
	case view.NatureCount:
		return count(s.N, s.Text)
	case view.NatureDigest:
		return short(s.Text)
	case view.NatureValue:
		text := printable.Line(s.Text)
		if runes := []rune(text); len(runes) > longest {
			text = fmt.Sprintf("%s … (%d characters)", string(runes[:longest]), len(runes))
		}
		return text
	}
	return printable.Line(s.Text)
}

// folded counts what is left out: 3 more, or 3 more values.
func folded(f view.Fold) string {
	if f.Noun == "" {
		return fmt.Sprintf("%d more", f.Count)
	}
	return count(int64(f.Count), f.Noun)
}

// short is a digest as people compare them: the algorithm and twelve digits.
func short(digest string) string {
	algorithm, encoded, ok := strings.Cut(digest, ":")
	if !ok || len(encoded) <= 12 {
		return printable.Line(digest)
	}
	return printable.Line(algorithm + ":" + encoded[:12])
}

// bytesText is a number of bytes in words, with decimal units.
func bytesText(n int64) string {
	if n < 0 {
		return "unknown size"
	}
	return humanize.Bytes(uint64(n))
}

// count is a number with its noun, in singular or plural.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + noun + "s"
}

// width is the number of columns of a text without colours.
func width(text string) int { return utf8.RuneCountInString(text) }

// writer writes lines. The first error of its writer is kept, what follows is
// dropped; close returns it.
type writer struct {
	w     *bufio.Writer
	style Style
}

func newWriter(w io.Writer, style Style) *writer {
	return &writer{w: bufio.NewWriter(w), style: style}
}

// line writes one line, broken where the style asks for it; what is broken off
// is indented.
func (w *writer) line(text string, indent int) {
	w.w.WriteString(wrap(text, indent, w.style.Width))
	w.w.WriteByte('\n')
}

// close flushes the lines and returns the first error of the writer.
func (w *writer) close() error { return w.w.Flush() }
