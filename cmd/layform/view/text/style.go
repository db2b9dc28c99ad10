package text

import (
	"strings"

	"github.com/layform/layform/cmd/layform/view"
)

// Style says how text is drawn. Its zero value is plain text.
type Style struct {
	// Color adds terminal colours.
	Color bool
	// Width is the number of columns at which lines are broken between words;
	// 0 breaks none. A word that is longer stays whole.
	Width int
}

// The colours, by meaning.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	faint  = "2"
)

// paint puts text into a colour when the style has colours.
func (s Style) paint(code, text string) string {
	if !s.Color || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// mark is a row's mark in its colour.
func (s Style) mark(m view.Mark) string {
	switch m {
	case view.MarkAdded:
		return s.paint(green, string(m))
	case view.MarkChanged, view.MarkDrifted:
		return s.paint(yellow, string(m))
	case view.MarkRemoved:
		return s.paint(red, string(m))
	case view.MarkReplaced:
		return s.paint(red, "-") + "/" + s.paint(green, "+")
	}
	return string(m)
}

// minWidth is the width below which a terminal is too narrow for breaking lines
// to be of use.
const minWidth = 20

// wrap breaks a line between words so that it has at most width columns, and
// indents what follows. Colours take no columns. A line that fits, or that has
// no place to break at, stays as it is.
func wrap(line string, indent, width int) string {
	if width < minWidth || len(line) <= width {
		return line
	}
	indent = min(indent, width/2)
	var out strings.Builder
	column, start := 0, 0 // of the line that is being written
	space, spaceColumn := -1, 0
	escape := false
	for i, r := range line {
		switch {
		case r == '\x1b':
			escape = true
			continue
		case escape:
			escape = r != 'm'
			continue
		case r == ' ' && column > indent && strings.TrimSpace(line[start:i]) != "":
			space, spaceColumn = i, column
		}
		column++
		if column > width && space >= 0 {
			out.WriteString(strings.TrimRight(line[start:space], " "))
			out.WriteString("\n" + strings.Repeat(" ", indent))
			start, column = space+1, column-spaceColumn-1+indent
			space = -1
		}
	}
	out.WriteString(line[start:])
	return out.String()
}
