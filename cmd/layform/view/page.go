package view

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// page collects lines. The first error of the writer is kept, what follows is
// dropped; close returns it.
type page struct {
	w     *bufio.Writer
	style Style
}

func newPage(w io.Writer, style Style) *page {
	return &page{w: bufio.NewWriter(w), style: style}
}

// line writes one line; without arguments format is written as it is.
func (p *page) line(format string, args ...any) {
	if len(args) == 0 {
		p.w.WriteString(format)
	} else {
		fmt.Fprintf(p.w, format, args...)
	}
	p.w.WriteByte('\n')
}

// close flushes the page and returns the first error of its writer.
func (p *page) close() error { return p.w.Flush() }

// pad widens text, which has no colours, to a number of columns.
func pad(text string, width int) string {
	if n := len([]rune(text)); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return text
}
