package text

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/printable"
)

// Diagnostics draws the diagnostics of a spec with file, line and excerpt:
// warnings first, so that what stops a command comes last. Of many errors or
// warnings it draws the first maxDiagnostics, and how many there are more.
func Diagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, style Style) error {
	out := newWriter(w, style)
	for _, severity := range []hcl.DiagnosticSeverity{hcl.DiagWarning, hcl.DiagError} {
		n := 0
		for _, d := range diags {
			if d.Severity != severity {
				continue
			}
			if n++; n > maxDiagnostics {
				continue
			}
			if err := out.diagnostic(d, files); err != nil {
				return err
			}
		}
		if more := n - maxDiagnostics; more > 0 {
			noun := "more error"
			if severity == hcl.DiagWarning {
				noun = "more warning"
			}
			out.line("… and "+count(int64(more), noun)+"; --json lists all", 0)
			out.line("", 0)
		}
	}
	return out.close()
}

// maxDiagnostics is the number of errors, and of warnings, that are drawn.
const maxDiagnostics = 50

// diagnostic draws one diagnostic in the form of hcl.
func (w *writer) diagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) error {
	color, title := red, "Error:"
	if d.Severity == hcl.DiagWarning {
		color, title = yellow, "Warning:"
	}
	w.line(w.style.paint(color, title)+" "+w.style.paint(bold, printable.Line(d.Summary)), 2)
	w.line("", 0)
	if d.Subject != nil {
		w.excerpt(view.NewExcerpt(d, files[d.Subject.Filename]))
	}
	// Its colours are not used: the text is the user's and has to be escaped.
	explanation, err := view.Explanation(d)
	if err != nil {
		return err
	}
	for line := range strings.Lines(explanation) {
		line = printable.Lines(strings.TrimSuffix(line, "\n"))
		if strings.HasPrefix(line, " ") { // laid out by whoever wrote it
			w.verbatim(line)
			continue
		}
		w.line(line, 0)
	}
	return nil
}

// excerpt draws the place of a diagnostic.
func (w *writer) excerpt(x *view.Excerpt) {
	at := fmt.Sprintf("  on %s line %d", printable.Line(x.Filename), x.Line)
	if x.Column > 0 {
		at += fmt.Sprintf(", column %d", x.Column)
	}
	if x.Block != "" {
		at += ", in " + printable.Line(x.Block)
	}
	w.verbatim(at + ":")
	if x.Missing {
		w.verbatim("  (source code not available)")
	}
	for _, l := range x.Lines {
		w.verbatim(fmt.Sprintf("%4d: %s", l.Number, printable.Lines(l.Text)))
	}
	if x.More {
		w.verbatim("      …")
	}
	w.line("", 0)
}

// verbatim writes a line that is not to be broken.
func (w *writer) verbatim(line string) {
	w.w.WriteString(line)
	w.w.WriteByte('\n')
}

// Error draws an error that has no place in a spec, and a hint on a line of its own.
func Error(w io.Writer, message, hint string, style Style) error {
	out := newWriter(w, style)
	out.message(style.paint(red, "error:")+" ", message)
	if hint != "" {
		out.message(style.paint(bold, "hint:")+"  ", hint)
	}
	return out.close()
}

// message draws a message; its further lines are indented, to be kept apart from
// the next message.
func (w *writer) message(label, text string) {
	for i, line := range strings.Split(strings.TrimRight(printable.Lines(text), "\n"), "\n") {
		if i == 0 {
			line = "layform: " + label + line
		} else {
			line = "  " + line
		}
		w.line(line, 2)
	}
}
