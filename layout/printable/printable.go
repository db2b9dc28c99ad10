// Package printable makes text harmless for a terminal. Names in layouts, specs
// and archives come from anybody: a control character in one could move the
// cursor, and an invisible one hide what stands behind it. Escaped text escapes
// to itself, so that it does no harm to escape twice.
package printable

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Line escapes s: control characters, bidirectional and other invisible
// characters, line separators and bytes that are no UTF-8 are written as
// escapes, all else stays as it is. The result is one line.
func Line(s string) string { return escape(s, false) }

// Lines is Line for text of several lines: line feeds stay, and tabs become spaces.
func Lines(s string) string { return escape(s, true) }

// Is reports whether s is one line that needs no escape.
func Is(s string) bool {
	for i, r := range s {
		if !strconv.IsPrint(r) {
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

func escape(s string, multiline bool) string {
	if Is(s) {
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
		case strconv.IsPrint(r):
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

// JSON returns a writer of JSON that writes characters that are not printable as \u
// escapes, which mean the same. Each Write must hold whole characters.
func JSON(w io.Writer) io.Writer { return jsonWriter{w} }

type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(p []byte) (int, error) {
	var out bytes.Buffer
	done := 0
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		if r != '\n' && !strconv.IsPrint(r) {
			out.Write(p[done:i])
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
			done = i + n
		}
		i += n
	}
	out.Write(p[done:])
	if _, err := j.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}
