package text

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/spec"
)

func TestDiagnostics(t *testing.T) {
	src := []byte("layer \"app\" {\n\tfoo = \"\x1b[31m\"\n}\n")
	place := hcl.Range{Filename: "layform.hcl", Start: hcl.Pos{Line: 2, Column: 2, Byte: 15}, End: hcl.Pos{Line: 2, Column: 5, Byte: 18}}
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Unsupported argument", Detail: "An argument named \"foo\x1b\" is not expected here.", Subject: &place},
		{Severity: hcl.DiagWarning, Summary: "Unused", Detail: "Nothing uses it."},
	}
	files := map[string]*hcl.File{"layform.hcl": {Bytes: src}}
	var out bytes.Buffer
	if err := Diagnostics(&out, diags, files, Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "diagnostics.txt", out.Bytes())
	noControls(t, out.String())
}

// TestDiagnosticsOfSpecs: where nothing is left out, diagnostics are written as
// hcl writes them.
func TestDiagnosticsOfSpecs(t *testing.T) {
	names, err := filepath.Glob("../../../../spec/testdata/mistakes/*.hcl")
	if err != nil || len(names) == 0 {
		t.Fatalf("no specs with mistakes: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s, diags := spec.Load(t.TempDir(), spec.LoadOptions{Sources: []spec.Source{{Name: filepath.Base(name), Text: string(text)}}})
		diags = slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
		var got, want bytes.Buffer
		if err := Diagnostics(&got, diags, s.Files, Style{}); err != nil {
			t.Fatal(err)
		}
		if err := hcl.NewDiagnosticTextWriter(&want, s.Files, 0, false).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(printable.Lines(want.String()), got.String()); diff != "" {
			t.Errorf("%s differs (-hcl +got):\n%s", name, diff)
		}
	}
}

// TestDiagnosticsShowValues: what an expression was made of stands below it.
func TestDiagnosticsShowValues(t *testing.T) {
	text := "variable \"n\" { default = \"abc\" }\nlayer \"a\" {\n  file \"/a\" {\n    content = \"x\"\n    uid     = tonumber(var.n)\n  }\n}\n"
	s, diags := spec.Load(t.TempDir(), spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: text}}})
	var got bytes.Buffer
	if err := Diagnostics(&got, diags, s.Files, Style{}); err != nil {
		t.Fatal(err)
	}
	if want := "uid     = tonumber(var.n)\n\nwith var.n as \"abc\".\n"; !strings.Contains(got.String(), want) {
		t.Errorf("%q does not contain %q", got.String(), want)
	}
}

// TestLargeDiagnostics: long lines, long expressions and many diagnostics leave
// a text that can be read, in little time.
func TestLargeDiagnostics(t *testing.T) {
	long := strings.Repeat("é", 500) + "HERE" + strings.Repeat("x", 100_000)
	lines := strings.Repeat("line\n", 100_000)
	files := map[string]*hcl.File{"long": {Bytes: []byte("a\n" + long + "\n")}, "lines": {Bytes: []byte(lines)}}
	at := func(name string, line, column, offset, end int) *hcl.Range {
		return &hcl.Range{Filename: name, Start: hcl.Pos{Line: line, Column: column, Byte: offset}, End: hcl.Pos{Line: line, Column: column, Byte: end}}
	}
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "One", Subject: at("long", 2, 501, 1002, 1006)},
		{Severity: hcl.DiagError, Summary: "Two", Subject: at("lines", 3, 1, 10, len(lines))},
		{Severity: hcl.DiagError, Summary: "Three", Subject: at("lines", 100_000, 1, len(lines)-5, len(lines)), Context: at("lines", 1, 1, 0, len(lines))},
		{Severity: hcl.DiagError, Summary: "Four", Subject: at("lines", 100_000, 6, len(lines), len(lines))},
		{Severity: hcl.DiagError, Summary: "Five", Subject: at("lines", 9, 9, len(lines)+7, len(lines)+9)},
	}
	for range 10_000 {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Unused", Subject: at("lines", 100_000, 1, len(lines)-5, len(lines))})
	}
	var out bytes.Buffer
	if err := Diagnostics(&out, diags, files, Style{}); err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(out.String(), "Error: One")
	if n := strings.Count(head, "Unused"); n != maxDiagnostics || !strings.Contains(head, "… and 9,950 more warnings; --json lists all") {
		t.Errorf("%d warnings:\n%s", n, head)
	}
	golden(t, "diagnostics-large.txt", []byte(rest))
}
