package view

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"

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

// Escape makes s harmless for a terminal: control characters, bidirectional
// and other invisible characters, line separators and bytes that are no UTF-8
// are written as escapes, all else stays as it is. The result is one line.
func Escape(s string) string { return escape(s, false) }

// EscapeText is Escape for text of several lines: line feeds stay, and tabs
// become spaces.
func EscapeText(s string) string { return escape(s, true) }

func escape(s string, multiline bool) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case multiline && r == '\n':
			b.WriteByte('\n')
		case multiline && r == '\t':
			b.WriteString("    ")
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// printable reports whether s needs no escape.
func printable(s string) bool {
	for i, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
	}
	return true
}

// Short is a digest as people compare them: the algorithm and twelve digits.
func Short(d digest.Digest) string {
	algorithm, encoded, ok := strings.Cut(string(d), ":")
	if !ok || len(encoded) <= 12 {
		return Escape(string(d))
	}
	return Escape(algorithm + ":" + encoded[:12])
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
