package view

import (
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
)

// Style says how a view is drawn. Its zero value is plain text.
type Style struct {
	// Color adds terminal colours.
	Color bool
	// MaxLines is the number of lines that one list inside a change may have,
	// such as the files of a layer; 0 means 20.
	MaxLines int
}

// The colours that the views use, by meaning.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	faint  = "2"
)

// paint puts s into a colour when the style has colours.
func (s Style) paint(code, text string) string {
	if !s.Color || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) maxLines() int {
	if s.MaxLines > 0 {
		return s.MaxLines
	}
	return 20
}

// symbol is the action's mark in its colour, two columns wide or as wide as it is.
func (s Style) symbol(a planner.Action) string {
	switch a {
	case planner.Create:
		return s.paint(green, a.Symbol())
	case planner.Update:
		return s.paint(yellow, a.Symbol())
	case planner.Delete:
		return s.paint(red, a.Symbol())
	case planner.Replace:
		return s.paint(red, "-") + "/" + s.paint(green, "+")
	}
	return a.Symbol()
}

// Short is a digest as people compare them: the algorithm and twelve digits.
func Short(d digest.Digest) string {
	algorithm, encoded, ok := strings.Cut(string(d), ":")
	if !ok || len(encoded) <= 12 {
		return printable.Line(string(d))
	}
	return printable.Line(algorithm + ":" + encoded[:12])
}

// Bytes is a number of bytes in words, with decimal units.
func Bytes(n int64) string {
	if n < 0 {
		return "unknown size"
	}
	return humanize.Bytes(uint64(n))
}

// count is a number with its noun, in singular or plural.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(int64(n)) + " " + noun + "s"
}
