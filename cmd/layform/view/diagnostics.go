package view

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostic is one error or warning, in the form that --json prints.
type Diagnostic struct {
	// Severity is "error" or "warning".
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	// Range is the place in the spec, where there is one.
	Range *Range `json:"range,omitempty"`
	// Snippet is the line of the spec at which Range begins.
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
		v := Diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			v.Severity = "warning"
		}
		if s := d.Subject; s != nil {
			v.Range = &Range{
				Filename: s.Filename,
				Start:    Position{s.Start.Line, s.Start.Column, s.Start.Byte},
				End:      Position{s.End.Line, s.End.Column, s.End.Byte},
			}
			v.Snippet = lineAt(files[s.Filename], s.Start.Byte)
		}
		out = append(out, v)
	}
	return out
}

// lineAt is the line of a file that holds the byte at an offset.
func lineAt(f *hcl.File, offset int) string {
	if f == nil || offset < 0 || offset > len(f.Bytes) {
		return ""
	}
	start := bytes.LastIndexByte(f.Bytes[:offset], '\n') + 1
	line, _, _ := bytes.Cut(f.Bytes[start:], []byte("\n"))
	return strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD")
}

// Diagnostics writes the diagnostics of a spec with file, line and snippet:
// warnings first, so that what stops a command stands last.
func Diagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, style Style) error {
	sorted := slices.Clone(diags)
	slices.SortStableFunc(sorted, func(a, b *hcl.Diagnostic) int {
		return int(b.Severity) - int(a.Severity)
	})
	var plain bytes.Buffer
	// The colours of hcl are not used: its output holds text of the user's, and
	// everything in it has to be escaped.
	if err := hcl.NewDiagnosticTextWriter(&plain, files, 0, false).WriteDiagnostics(sorted); err != nil {
		return err
	}
	pg := newPage(w, style)
	for line := range strings.Lines(plain.String()) {
		line = EscapeText(strings.TrimSuffix(line, "\n"))
		if rest, ok := strings.CutPrefix(line, "Error: "); ok {
			line = style.paint(red, "Error:") + " " + style.paint(bold, rest)
		} else if rest, ok := strings.CutPrefix(line, "Warning: "); ok {
			line = style.paint(yellow, "Warning:") + " " + style.paint(bold, rest)
		}
		pg.line("%s", line)
	}
	return pg.close()
}

// Error writes an error that has no place in a spec, and a hint on a line of its own.
func Error(w io.Writer, message, hint string, style Style) error {
	pg := newPage(w, style)
	pg.line("layform: %s %s", style.paint(red, "error:"), indent(EscapeText(message)))
	if hint != "" {
		pg.line("layform: %s  %s", style.paint(bold, "hint:"), indent(EscapeText(hint)))
	}
	return pg.close()
}

// indent keeps the further lines of a message apart from the next message.
func indent(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}
