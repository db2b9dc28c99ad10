package view

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update writes it anew:\n%s", path, diff)
	}
}

func dgst(s string) digest.Digest { return digest.FromString(s) }

// file is a regular file with mode 0644.
func file(size int64) *layer.Properties {
	return &layer.Properties{Type: layer.Regular, Mode: 0o644, Size: size}
}

// updatePlan is a plan in which one layer brings changes to all that is above it.
func updatePlan() *planner.Plan {
	cause := func(key string) planner.Reason {
		return planner.Reason{Kind: planner.ReasonCause, Cause: key, Text: key + " changes"}
	}
	return &planner.Plan{
		FormatVersion: planner.FormatVersion,
		Layout:        planner.LayoutRecord{Path: "dist/app"},
		Changes: []planner.Change{
			{Address: "layer.rootfs", Kind: spec.KindLayer, Action: planner.NoOp, Before: &planner.State{Digest: dgst("r")}, After: &planner.State{Digest: dgst("r")}},
			{
				Address: `layer.app["arm64"]`, Kind: spec.KindLayer, Action: planner.Update, Place: "layform.hcl:12",
				Before:  &planner.State{Digest: dgst("a"), Size: 1200, Content: 40_000},
				After:   &planner.State{Content: 41_000},
				Reasons: []planner.Reason{{Kind: planner.ReasonFiles, Text: "4 files changed"}},
				Files: []planner.FileChange{
					{Path: "/srv/app.js", Action: planner.Update, What: []layer.Property{"content"}, Before: file(1200), After: file(1300)},
					{Path: "/srv/lib", Action: planner.Create, After: &layer.Properties{Type: layer.Directory, Mode: 0o755}},
					{Path: "/srv/new.js", Action: planner.Create, After: file(80)},
					{Path: "/srv/run", Action: planner.Update, What: []layer.Property{"mode", "owner"}, Before: file(9), After: &layer.Properties{Type: layer.Regular, Mode: 0o755, UID: 10, GID: 10, Size: 9}},
					{Path: "/srv/same", Action: planner.Update, What: []layer.Property{"content"}, Before: file(9), After: file(9)},
					{Path: "/srv/link", Action: planner.Delete, Before: &layer.Properties{Type: layer.Symlink, Mode: 0o777, Target: "a"}},
				},
			},
			{
				Address: "config.app", Use: `manifest.app["arm64"]`, Kind: spec.KindConfig, Action: planner.Update, Place: "layform.hcl:30",
				Before:  &planner.State{Digest: dgst("c"), Size: 300},
				After:   &planner.State{},
				Reasons: []planner.Reason{{Kind: planner.ReasonFields, Text: "4 values changed"}, cause(`layer.app["arm64"]`)},
				Fields: []planner.FieldChange{
					{Path: `env["TOKEN"]`, Sensitive: true},
					{Path: `labels["layer"]`, Before: `"x"`, Unknown: true},
					{Path: `labels["version"]`, Before: `"1"`, After: `"2"`},
					{Path: "user", After: `"65532"`},
					{Path: "working_dir", Before: `"/"`},
				},
			},
			{
				Address: `manifest.app["arm64"]`, Kind: spec.KindManifest, Action: planner.Update, Place: "layform.hcl:40",
				Before:  &planner.State{Digest: dgst("m"), Size: 400},
				After:   &planner.State{},
				Reasons: []planner.Reason{cause(`config.app for manifest.app["arm64"]`), cause(`layer.app["arm64"]`)},
				Fields:  []planner.FieldChange{{Path: "layers[1]", Before: `"layer.old"`, After: `"layer.app[\"arm64\"]"`}},
			},
			{
				Address: "index.app", Kind: spec.KindIndex, Action: planner.Replace, Place: "layform.hcl:50",
				Before:  &planner.State{Digest: dgst("i"), Size: 500},
				After:   &planner.State{},
				Reasons: []planner.Reason{{Kind: planner.ReasonRequested, Text: "--replace asks for it"}, cause(`manifest.app["arm64"]`)},
			},
			{
				Address: "layer.old", Kind: spec.KindLayer, Action: planner.Delete,
				Before:  &planner.State{Digest: dgst("old"), Size: 7_000_000},
				Reasons: []planner.Reason{{Kind: planner.ReasonGone, Text: "the spec no longer describes it"}},
			},
		},
		Tags: []planner.TagChange{
			{Ref: "latest", Action: planner.Update, Address: "index.app", Before: dgst("i")},
			{Ref: "v1", Action: planner.Delete, Before: dgst("i")},
			{Ref: "v2", Action: planner.Create, Address: "index.app", Adopted: true},
			{Ref: "same", Action: planner.NoOp, Address: "index.app", Before: dgst("z"), After: dgst("z")},
			{Action: planner.Create, Address: "manifest.sbom", After: dgst("sbom")},
		},
		Drift: []planner.Drift{
			{Kind: planner.DriftMissing, Key: "layer.rootfs", Was: dgst("r")},
			{Kind: planner.DriftTorn, Key: "config.app", Was: dgst("c")},
			{Kind: planner.DriftTagMoved, Ref: "latest", Was: dgst("i"), Is: dgst("x")},
			{Kind: planner.DriftTagGone, Ref: "v1", Was: dgst("i")},
			{Kind: planner.DriftTagEdited, Ref: "v2", Was: dgst("i"), Is: dgst("i")},
		},
		Outputs: []planner.OutputChange{
			{Name: "digest", Action: planner.Update, Before: `"sha256:1"`, Unknown: true},
			{Name: "secret", Action: planner.Create, Sensitive: true},
			{Name: "gone", Action: planner.Delete, Before: "3"},
			{Name: "same", Action: planner.NoOp, Before: "3", After: "3"},
		},
		Warnings: []string{"layer.unused is used by nothing"},
		Summary: planner.Summary{
			Add: 0, Change: 4, Destroy: 1, WriteBlobs: 4, WriteContent: 41_000, DeleteBlobs: 5, DeleteBytes: 7_002_400,
		},
	}
}

func TestPlan(t *testing.T) {
	created := &planner.Plan{
		Layout: planner.LayoutRecord{Path: "dist/new"},
		Changes: []planner.Change{{
			Address: "layer.app", Kind: spec.KindLayer, Action: planner.Create, Place: "layform.hcl:3",
			After:   &planner.State{Content: 5_000},
			Reasons: []planner.Reason{{Kind: planner.ReasonNew, Text: "the layout does not hold it yet"}},
		}},
		Summary: planner.Summary{Add: 1, WriteBlobs: 1, WriteContent: 5_000},
	}
	for i := range 25 {
		created.Changes[0].Files = append(created.Changes[0].Files, planner.FileChange{
			Path: "/data/" + strings.Repeat("x", i), Action: planner.Create, After: file(int64(i)),
		})
	}
	hostile := &planner.Plan{
		Layout: planner.LayoutRecord{Path: "dist/\x1b[31mred"},
		Changes: []planner.Change{{
			Address: "layer.a\u202eb", Kind: spec.KindLayer, Action: planner.Update, Place: "a\nb.hcl:1",
			Before:  &planner.State{Digest: "sha256:\x1b]0;title\x07"},
			After:   &planner.State{},
			Reasons: []planner.Reason{{Kind: planner.ReasonFiles, Text: "\x1b[2J"}, {Kind: planner.ReasonCause, Cause: "layer.a\u202eb"}},
			Files:   []planner.FileChange{{Path: "/x\r\x00\xff", Action: planner.Update, What: []layer.Property{"\x1b", "target"}, Before: &layer.Properties{Type: "\x1b", Target: "\x07"}, After: &layer.Properties{Target: "\u200b"}}},
			Fields:  []planner.FieldChange{{Path: "\x1b", Before: "\"\u2028\"", After: "\"\u2066\""}, {Path: "config", Before: `"\u001b"`, After: `"a"`}},
		}},
		Tags:     []planner.TagChange{{Ref: "a\x1bb", Action: planner.Create, Address: "\x1b"}},
		Drift:    []planner.Drift{{Kind: "\x1b", Key: "\x1b"}},
		Outputs:  []planner.OutputChange{{Name: "\x1b", Action: planner.Create, After: "\"\u009b\""}},
		Warnings: []string{"\x1b[1m"},
	}
	tests := []struct {
		name  string
		plan  *planner.Plan
		style Style
	}{
		{"update", updatePlan(), Style{}},
		{"color", updatePlan(), Style{Color: true}},
		{"short", updatePlan(), Style{MaxLines: 2}},
		{"create", created, Style{}},
		{"hostile", hostile, Style{}},
		{"empty", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x"}}, Style{}},
		{"recover", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x"}, Recover: true}, Style{}},
		{"drift-only", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x"}, Drift: updatePlan().Drift[3:4]}, Style{}},
		{"empty-destroy", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x"}, Options: planner.Options{Destroy: true}}, Style{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Plan(&out, tt.plan, tt.style); err != nil {
				t.Fatal(err)
			}
			golden(t, "plan-"+tt.name+".txt", out.Bytes())
			if !tt.style.Color {
				noControls(t, out.String())
			}
		})
	}
}

// noControls fails when text holds what a terminal would act on.
func noControls(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		if printable.Line(line) != line {
			t.Errorf("the line %q holds characters that are not printable", line)
		}
	}
}

func TestPlanReturnsWriteError(t *testing.T) {
	full := errors.New("disk full")
	if err := Plan(failingWriter{full}, updatePlan(), Style{}); !errors.Is(err, full) {
		t.Errorf("Plan gives %v, want the writer's error", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

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

	got := NewDiagnostics(diags, files)
	want := []Diagnostic{
		{
			Severity: "error", Summary: "Unsupported argument", Detail: diags[0].Detail,
			Range:   &Range{Filename: "layform.hcl", Start: Position{2, 2, 15}, End: Position{2, 5, 18}},
			Snippet: "\tfoo = \"\x1b[31m\"",
		},
		{Severity: "warning", Summary: "Unused", Detail: "Nothing uses it."},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("diagnostics differ (-want +got):\n%s", diff)
	}
}

// TestDiagnosticsOfSpecs: where nothing is left out, diagnostics are written as
// hcl writes them.
func TestDiagnosticsOfSpecs(t *testing.T) {
	names, err := filepath.Glob("../../../spec/testdata/mistakes/*.hcl")
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
	if got := NewDiagnostics(diags[:1], files)[0].Snippet; len([]rune(got)) > maxWidth+2 || !strings.Contains(got, "éHEREx") {
		t.Errorf("the snippet is %q", got)
	}
}
