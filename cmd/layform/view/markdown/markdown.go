// Package markdown draws reports in GitHub-flavoured Markdown, for pull requests
// and job summaries. What comes from a spec, a file name or a layout is only ever
// written as code, after package text made it printable: it cannot become markup,
// a link or a mention. A report is cut to a size, between rows and never silently.
package markdown

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/text"
)

// Options shape a rendering.
type Options struct {
	// MaxBytes is about the number of bytes that are written; 0 means DefaultBytes.
	// What sums a report up is written in any case.
	MaxBytes int
}

// DefaultBytes leaves room below the 65,536 characters that a comment on GitHub
// may have.
const DefaultBytes = 60_000

// reserve is kept for the title and the fold of each section.
const reserve = 300

// Render draws a report: first what sums it up, then its sections. Rows that
// remove something come first, for a reader must not miss them.
func Render(w io.Writer, r *view.Report, opts Options) error {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultBytes
	}
	head := ""
	for _, s := range r.Sections {
		head += closing(s)
	}
	left := opts.MaxBytes - len(head) - reserve*len(r.Sections)
	drawn := make([]string, len(r.Sections))
	// The sections of one line a row come first in taking room, but leave half of
	// it to changes, which are what a reader came for.
	room := left / 2
	for _, long := range []bool{false, true} {
		if long {
			room = left
		}
		for i, s := range r.Sections {
			if (s.Kind == view.KindChanges || s.Kind == view.KindStaged) == long {
				drawn[i] = section(s, room)
				left, room = left-len(drawn[i]), room-len(drawn[i])
			}
		}
	}
	_, err := io.WriteString(w, strings.TrimRight(head+strings.Join(drawn, ""), "\n")+"\n")
	return err
}

// maxClosing is the number of lines that sum up a section; the last ones are the
// most general.
const maxClosing = 20

// closing draws the lines that sum up a section.
func closing(s view.Section) string {
	var b strings.Builder
	left := max(0, len(s.Closing)-maxClosing)
	b.WriteString(folded(left, "line"))
	for _, line := range s.Closing[left:] {
		b.WriteString(inline(line) + "\n\n")
	}
	return b.String()
}

// section draws a section, with rows up to a size.
func section(s view.Section, size int) string {
	var b strings.Builder
	if len(s.Title) > 0 {
		b.WriteString("### " + strings.TrimSuffix(inline(s.Title), ":") + "\n\n")
	}
	if s.IsEmpty() {
		return b.String()
	}
	s.Rows, s.Each = slices.Collect(s.All()), nil
	switch s.Kind {
	case view.KindNotes:
		for _, row := range s.Rows {
			b.WriteString(inline(row.Cells[0]) + "\n\n")
		}
	case view.KindChanges, view.KindStaged:
		b.WriteString(blocks(s, size))
	default:
		b.WriteString(listing(s, size))
	}
	return b.String()
}

// removed reports whether a row removes something.
func removed(row view.Row) bool {
	return row.Mark == view.MarkRemoved || row.Mark == view.MarkReplaced
}

// removedFirst are the rows with those first that remove something.
func removedFirst(rows []view.Row) []view.Row {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b view.Row) int {
		switch {
		case removed(a) == removed(b):
			return 0
		case removed(a):
			return -1
		}
		return 1
	})
	return rows
}

// blocks draws rows as headings that unfold. A row that is too long is drawn
// without what it unfolds to, and counted where even that does not fit.
func blocks(s view.Section, size int) string {
	var b strings.Builder
	left := 0
	for _, row := range removedFirst(s.Rows) {
		head := summary(row)
		body := fence(lines(row.Sections))
		block := "<details><summary>" + head + "</summary>\n\n" + body + "\n</details>\n\n"
		if len(row.Sections) == 0 {
			block = head + "<br>\n"
		}
		if b.Len()+len(block) > size {
			block = head + " (too long to be shown)<br>\n\n"
		}
		if b.Len()+len(block) > size {
			left++
			continue
		}
		b.WriteString(block)
	}
	b.WriteString(folded(left+s.Fold.Count, "object"))
	return b.String()
}

// summary is the heading of a row, in HTML.
func summary(row view.Row) string {
	var parts []string
	if row.Mark != view.MarkNone {
		parts = append(parts, "<code>"+html.EscapeString(string(row.Mark))+"</code>")
	}
	for _, t := range slices.Concat(row.Cells, row.Notes) {
		parts = append(parts, "<code>"+html.EscapeString(text.Text(t, text.Style{}))+"</code>")
	}
	return strings.Join(parts, " ")
}

// listing draws the rows of a section as lines of code.
func listing(s view.Section, size int) string {
	s.Rows = removedFirst(s.Rows)
	all := lines([]view.Section{s})
	shown, n := 0, 0
	for _, line := range all {
		if n += len(line) + 1; n > size {
			break
		}
		shown++
	}
	if shown == 0 {
		return folded(len(all), "line")
	}
	return fence(all[:shown]) + "\n" + folded(len(all)-shown, "line")
}

// folded says how much is left out.
func folded(n int, noun string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "… and 1 more " + noun + ", left out to keep this short.\n\n"
	}
	return fmt.Sprintf("… and %d more %ss, left out to keep this short.\n\n", n, noun)
}

// lines draws sections as lines of a diff: marks come first, so that what is
// added and removed has its colour.
func lines(sections []view.Section) []string {
	var out []string
	for _, s := range sections {
		base := -1
		for _, l := range text.Lines(s, text.Style{}) {
			if base < 0 {
				base = l.Indent
			}
			mark := "  "
			switch l.Mark {
			case view.MarkAdded, view.MarkRemoved:
				mark = string(l.Mark) + " "
			case view.MarkReplaced:
				mark = "- "
			case view.MarkChanged, view.MarkDrifted:
				mark = "! "
			}
			out = append(out, strings.TrimRight(mark+strings.Repeat(" ", max(0, l.Indent-base))+l.Text, " "))
		}
	}
	return out
}

// fence draws lines as a block of code, with a fence that none of them ends.
func fence(lines []string) string {
	longest := 2
	for _, line := range lines {
		longest = max(longest, run(line))
	}
	mark := strings.Repeat("`", longest+1)
	return mark + "diff\n" + strings.Join(lines, "\n") + "\n" + mark + "\n"
}

// run is the length of the longest run of backticks.
func run(s string) int {
	longest, n := 0, 0
	for _, r := range s {
		if r != '`' {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}

// inline draws a text within a line: what is not in layform's own words is code.
func inline(t view.Text) string {
	var b strings.Builder
	for _, s := range t {
		drawn := text.Span(s)
		switch s.Nature {
		case view.NatureName, view.NatureSubject, view.NatureValue, view.NatureWholeValue, view.NatureDigest, view.NatureWholeDigest, view.NatureFaint:
			b.WriteString(code(drawn))
		case view.NatureStrong, view.NatureGood, view.NatureBad:
			b.WriteString("**" + words(drawn) + "**")
		default:
			b.WriteString(words(drawn))
		}
	}
	return b.String()
}

// code is a code span, with marks that the text does not end.
func code(s string) string {
	if s == "" {
		return ""
	}
	mark := strings.Repeat("`", run(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasPrefix(s, " ") && strings.HasSuffix(s, " ") {
		s = " " + s + " "
	}
	return mark + s + mark
}

// words are words with the characters escaped that Markdown takes for markup.
func words(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>#|~&@", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
