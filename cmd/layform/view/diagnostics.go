package view

import (
	"bytes"
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
	// Snippet is the line of the spec at which Range begins: of a long line the
	// part around that place, with … where something is left out.
	Snippet string `json:"snippet,omitempty"`
	// Hint is the next step to take.
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

func severityName(s hcl.DiagnosticSeverity) string {
	if s == hcl.DiagWarning {
		return "warning"
	}
	return "error"
}

// Explanation is the text below the summary and the excerpt of a diagnostic, as
// hcl words it: the values of its expression, and the detail.
func Explanation(d *hcl.Diagnostic) (string, error) {
	var plain bytes.Buffer
	rest := &hcl.Diagnostic{Severity: hcl.DiagError, Detail: d.Detail, Expression: d.Expression, EvalContext: d.EvalContext}
	head := "Error: \n\n"
	if d.Subject != nil { // without a place it shows no values
		rest.Subject = &hcl.Range{}
		head += "  on  line 0:\n  (source code not available)\n\n"
	}
	if err := hcl.NewDiagnosticTextWriter(&plain, nil, 0, false).WriteDiagnostic(rest); err != nil {
		return "", err
	}
	return strings.TrimPrefix(plain.String(), head), nil
}
