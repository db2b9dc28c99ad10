package view

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
)

func TestNewDiagnostics(t *testing.T) {
	src := []byte("layer \"app\" {\n\tfoo = \"\x1b[31m\"\n}\n")
	place := hcl.Range{Filename: "layform.hcl", Start: hcl.Pos{Line: 2, Column: 2, Byte: 15}, End: hcl.Pos{Line: 2, Column: 5, Byte: 18}}
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Unsupported argument", Detail: "It is not expected here.", Subject: &place},
		{Severity: hcl.DiagWarning, Summary: "Unused", Detail: "Nothing uses it."},
	}
	want := []Diagnostic{
		{
			Severity: "error", Summary: "Unsupported argument", Detail: "It is not expected here.",
			Range:   &Range{Filename: "layform.hcl", Start: Position{2, 2, 15}, End: Position{2, 5, 18}},
			Snippet: "\tfoo = \"\x1b[31m\"",
		},
		{Severity: "warning", Summary: "Unused", Detail: "Nothing uses it."},
	}
	files := map[string]*hcl.File{"layform.hcl": {Bytes: src}}
	if diff := cmp.Diff(want, NewDiagnostics(diags, files)); diff != "" {
		t.Errorf("diagnostics differ (-want +got):\n%s", diff)
	}
	excerpt := &Excerpt{Filename: "layform.hcl", Line: 2, Lines: []ExcerptLine{{2, "\tfoo = \"\x1b[31m\""}}}
	if diff := cmp.Diff(excerpt, NewExcerpt(diags[0], files["layform.hcl"])); diff != "" {
		t.Errorf("the excerpt differs (-want +got):\n%s", diff)
	}
	if x := NewExcerpt(diags[0], nil); !x.Missing || len(x.Lines) > 0 {
		t.Errorf("without a file: %+v", x)
	}
	text, err := Explanation(diags[0])
	if err != nil || text != "It is not expected here.\n\n" {
		t.Errorf("explained as %q: %v", text, err)
	}
}

// TestLongLine: of a long line, snippets and excerpts keep what is around the place.
func TestLongLine(t *testing.T) {
	long := strings.Repeat("é", 500) + "HERE" + strings.Repeat("x", 100_000)
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "One", Subject: &hcl.Range{Filename: "long", Start: hcl.Pos{Line: 2, Column: 501, Byte: 1002}, End: hcl.Pos{Line: 2, Column: 505, Byte: 1006}}}
	f := &hcl.File{Bytes: []byte("a\n" + long + "\n")}
	x := NewExcerpt(d, f)
	if x.Column != 501 || len(x.Lines) != 1 {
		t.Fatalf("excerpt: %+v", x)
	}
	for _, got := range []string{NewDiagnostics(hcl.Diagnostics{d}, map[string]*hcl.File{"long": f})[0].Snippet, x.Lines[0].Text} {
		if len([]rune(got)) > maxWidth+2 || !strings.Contains(got, "éHEREx") {
			t.Errorf("it is cut to %q", got)
		}
	}
}
