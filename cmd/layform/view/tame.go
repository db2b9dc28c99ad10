package view

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// tame writes JSON, each document with one Write, so that no rune in its strings
// moves the cursor, turns the writing or does anything else but to be seen.
type tame struct{ w io.Writer }

func (t tame) Write(p []byte) (int, error) {
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
	if _, err := t.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}
