package view

import (
	"bytes"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/printable"
)

// Diagnostic is one error or warning, in the form that --json prints.
type Diagnostic struct {
	// Severity is "error" or "warning".
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	// Range is the place in the spec, where there is one.
	Range *Range `json:"range,omitempty"`
	// Snippet is the line of the spec at which Range begins: of a long line the
	// part around that place, with … where something is left out.
	Snippet string `json:"snippet,omitempty"`
	// Hint says what to do next.
	Hint string `json:"hint,omitempty"`
}

// Range is a place in a spec file.
type Range struct {
	Filename string   `json:"filename"`
	Start    Position `json:"start"`
	End      Position `json:"end"`
}

// Position counts lines and columns from 1, bytes from 0.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// NewDiagnostics turns the diagnostics of a spec into those of a Document.
func NewDiagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) []Diagnostic {
	out := make([]Diagnostic, 0, len(diags))
	for _, d := range diags {
		v := Diagnostic{Severity: severityName(d.Severity), Summary: d.Summary, Detail: d.Detail}
		if s := d.Subject; s != nil {
			v.Range = &Range{
				Filename: s.Filename,
				Start:    Position{s.Start.Line, s.Start.Column, s.Start.Byte},
				End:      Position{s.End.Line, s.End.Column, s.End.Byte},
			}
			if f := files[s.Filename]; f != nil {
				text, _ := clip(lineAt(f.Bytes, s.Start.Byte))
				v.Snippet = strings.ToValidUTF8(text, "\uFFFD")
			}
		}
		out = append(out, v)
	}
	return out
}

// Diagnostics writes the diagnostics of a spec with file, line and snippet:
// warnings first, so that what stops a command stands last. Of many errors or
// warnings it writes the first maxDiagnostics, and how many there are more.
func Diagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, style Style) error {
	pg := newPage(w, style)
	for _, severity := range []hcl.DiagnosticSeverity{hcl.DiagWarning, hcl.DiagError} {
		n := 0
		for _, d := range diags {
			if d.Severity != severity {
				continue
			}
			if n++; n > maxDiagnostics {
				continue
			}
			if err := pg.diagnostic(d, files); err != nil {
				return err
			}
		}
		if more := n - maxDiagnostics; more > 0 {
			pg.line("… and %s; --json lists all", count(more, "more "+severityName(severity)))
			pg.line("")
		}
	}
	return pg.close()
}

// maxDiagnostics is the number of errors, and of warnings, that are written in words.
const maxDiagnostics = 50

func severityName(s hcl.DiagnosticSeverity) string {
	if s == hcl.DiagWarning {
		return "warning"
	}
	return "error"
}

// diagnostic writes one diagnostic in the form of hcl.
func (p *page) diagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) error {
	color, title := red, "Error:"
	if d.Severity == hcl.DiagWarning {
		color, title = yellow, "Warning:"
	}
	p.line("%s %s", p.style.paint(color, title), p.style.paint(bold, printable.Line(d.Summary)))
	p.line("")
	if d.Subject != nil {
		p.place(d, files[d.Subject.Filename])
	}
	// The rest is hcl's to write: the values of the expression, and the detail.
	// Its colours are not used: the text is the user's and has to be escaped.
	var plain bytes.Buffer
	rest := &hcl.Diagnostic{Severity: hcl.DiagError, Detail: d.Detail, Expression: d.Expression, EvalContext: d.EvalContext}
	head := "Error: \n\n"
	if d.Subject != nil { // without a place it shows no values
		rest.Subject = &hcl.Range{}
		head += "  on  line 0:\n  (source code not available)\n\n"
	}
	if err := hcl.NewDiagnosticTextWriter(&plain, nil, 0, false).WriteDiagnostic(rest); err != nil {
		return err
	}
	for line := range strings.Lines(strings.TrimPrefix(plain.String(), head)) {
		p.line("%s", printable.Lines(strings.TrimSuffix(line, "\n")))
	}
	return nil
}

// Error writes an error that has no place in a spec, and a hint on a line of its own.
func Error(w io.Writer, message, hint string, style Style) error {
	pg := newPage(w, style)
	pg.line("layform: %s %s", style.paint(red, "error:"), indent(printable.Lines(message)))
	if hint != "" {
		pg.line("layform: %s  %s", style.paint(bold, "hint:"), indent(printable.Lines(hint)))
	}
	return pg.close()
}

// indent keeps the further lines of a message apart from the next message.
func indent(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}
