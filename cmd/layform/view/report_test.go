package view_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/internal/samples"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
)

// outline lists the sections and rows of a report, without drawing them.
func outline(r *view.Report) []string {
	var out []string
	for _, s := range r.Sections {
		out = append(out, outlineOf(s, "")...)
	}
	return out
}

func outlineOf(s view.Section, margin string) []string {
	out := []string{margin + string(s.Kind)}
	for row := range s.All() {
		line := margin + "  " + string(row.Mark)
		for _, cell := range row.Cells {
			line += " " + spans(cell)
		}
		for _, d := range row.Deltas {
			line += " <" + d.Label + "|" + spans(d.Before) + "|" + spans(d.After) + ">"
		}
		for _, note := range row.Notes {
			line += " #" + spans(note)
		}
		out = append(out, line)
		for _, below := range row.Sections {
			out = append(out, outlineOf(below, margin+"    ")...)
		}
	}
	if s.Fold != (view.Fold{}) {
		out = append(out, fmt.Sprintf("%s  fold %d %s", margin, s.Fold.Count, s.Fold.Noun))
	}
	return out
}

// spans is a text with its numbers as numbers.
func spans(t view.Text) string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.Text)
		if s.Nature == view.NatureSize || s.Nature == view.NatureCount {
			fmt.Fprint(&b, s.N)
		}
	}
	return b.String()
}

// TestPlanReport: what a plan's report holds, situation by situation.
func TestPlanReport(t *testing.T) {
	file := &layer.Properties{Type: layer.Regular, Mode: 0o644, Size: 7}
	change := func(a planner.Action, c planner.Change) *planner.Plan {
		c.Address, c.Action = "layer.a", a
		return &planner.Plan{Changes: []planner.Change{c}}
	}
	tests := []struct {
		name string
		plan *planner.Plan
		want []string
	}{
		{"nothing", &planner.Plan{Changes: []planner.Change{{Address: "layer.a", Action: planner.NoOp}}}, nil},
		{"creation", change(planner.Create, planner.Change{
			Reasons: []planner.Reason{{Kind: planner.ReasonNew, Text: "new"}},
			Files:   []planner.FileChange{{Path: "/a", Action: planner.Create, After: file}},
			Fields:  []planner.FieldChange{{Path: "user", After: `"me"`}},
			After:   &planner.State{Content: 7, Form: planner.FormTree},
		}), []string{
			"changes", "  + layer.a",
			"    files", "      + /a <||7>",
			"    fields", `      + user <||"me">`,
			"    facts", "       content <||7 as a tar before compression>", "       digest <||(known after apply)>",
		}},
		{"deletion", change(planner.Delete, planner.Change{
			Before: &planner.State{Digest: "sha256:1", Size: 9}, Fields: []planner.FieldChange{{Path: "user", Before: `"me"`}},
		}), []string{"changes", "  - layer.a", "    facts", "       digest <|sha256:1 (9)|>"}},
		{"the same bytes", change(planner.Update, planner.Change{
			Before: &planner.State{Digest: "sha256:1"}, After: &planner.State{Digest: "sha256:1"},
		}), []string{"changes", "  ~ layer.a", "    facts", "       digest <||sha256:1 (the same bytes again)>"}},
		{"values", change(planner.Replace, planner.Change{Place: "x.hcl:1", Fields: []planner.FieldChange{
			{Path: "config", Before: `"config.a"`, After: `"config.b"`}, {Path: "gone", Before: "1"}, {Path: "later", Before: "1", Unknown: true},
			{Path: "secret", Sensitive: true},
		}}), []string{
			"changes", "  -/+ layer.a #(x.hcl:1)", "    fields", "      ~ config <|config.a|config.b>", "      - gone <|1|>",
			"      ~ later <|1|(known after apply)>", "      ~ secret <||(sensitive)>",
		}},
		{"many", change(planner.Update, planner.Change{
			Files:   []planner.FileChange{{Path: "/a", Action: planner.Delete, Before: file}, {Path: "/b", Action: planner.Create, After: file}, {Path: "/c", Action: planner.Create, After: file}, {Path: "/d", Action: planner.Create, After: file}},
			Reasons: []planner.Reason{{Kind: planner.ReasonFiles, Text: "1"}, {Kind: planner.ReasonFiles, Text: "2"}, {Kind: planner.ReasonFiles, Text: "3"}, {Kind: planner.ReasonFiles, Text: "4"}},
			Fields:  make([]planner.FieldChange, 5),
		}), []string{
			"changes", "  ~ layer.a", "    reasons", "       1", "       2", "      fold 2 more reason",
			"    files", "      - /a <|7|>", "      + /b <||7>", "      fold 2 ",
			"    fields", "      ~  <|(not set)|(not set)>", "      ~  <|(not set)|(not set)>", "      ~  <|(not set)|(not set)>", "      ~  <|(not set)|(not set)>", "      fold 1 more value",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, line := range outline(view.PlanReport(tt.plan, 2)) {
				if line != "notes" && !strings.HasPrefix(line, "   No changes") {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// TestChains: a cause is followed to its end, which may be a circle, an endless
// chain or an object that the plan does not have.
func TestChains(t *testing.T) {
	cause := func(keys ...string) (out []planner.Reason) {
		for _, key := range keys {
			out = append(out, planner.Reason{Kind: planner.ReasonCause, Cause: key})
		}
		return out
	}
	file := []planner.FileChange{{Path: "/x", Action: planner.Create}, {Path: "/y", Action: planner.Create}}
	tests := []struct {
		name    string
		changes []planner.Change
		want    string
	}{
		{"new", []planner.Change{{Address: "a", Action: planner.Create}}, "a is new"},
		{"gone", []planner.Change{{Address: "a", Action: planner.Delete}}, "a goes away"},
		{"unknown", nil, "a changes"},
		{"files", []planner.Change{{Address: "a", Action: planner.Update, Files: file}}, "a changes ← /x and 1 more"},
		{"a value", []planner.Change{{Address: "a", Action: planner.Update, Fields: []planner.FieldChange{{Path: "user"}}}}, "a changes ← user"},
		{"a reason", []planner.Change{{Address: "a", Action: planner.Update, Reasons: []planner.Reason{{Kind: planner.ReasonEncoding, Text: "v2"}}}}, "a changes (v2)"},
		{"the longest way", []planner.Change{
			{Address: "a", Action: planner.Update, Reasons: cause("b", "c")}, {Address: "b", Action: planner.Update},
			{Address: "c", Action: planner.Update, Reasons: cause("d")}, {Address: "d", Action: planner.Update, Files: file[:1]},
		}, "a changes ← c ← d ← /x"},
		{"itself", []planner.Change{{Address: "a", Action: planner.Update, Reasons: cause("a")}}, "a changes"},
		{"a circle", []planner.Change{{Address: "a", Action: planner.Update, Reasons: cause("b")}, {Address: "b", Action: planner.Update, Reasons: cause("a")}}, "a changes ← b"},
	}
	for _, tt := range tests {
		plan := &planner.Plan{Changes: append(tt.changes, planner.Change{Address: "z", Action: planner.Update, Reasons: cause("a")})}
		rows := view.PlanReport(plan, view.DefaultRows).Sections[0].Rows
		reasons := rows[len(rows)-1].Sections[0]
		var links []string
		for _, cell := range reasons.Rows[0].Cells {
			links = append(links, spans(cell))
		}
		if got := strings.Join(links, " ← "); reasons.Kind != view.KindReasons || got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestLargePlanFolds: the report of a plan of very many files is small, and made
// in little time.
func TestLargePlanFolds(t *testing.T) {
	files := make([]planner.FileChange, 100_000)
	for i := range files {
		files[i] = planner.FileChange{Path: layer.Bytes(fmt.Sprintf("/%d", i)), Action: planner.Create, After: &layer.Properties{Type: layer.Regular}}
	}
	plan := &planner.Plan{Changes: []planner.Change{{Address: "layer.a", Action: planner.Create, Files: files}}}
	if n := testing.AllocsPerRun(1, func() { view.PlanReport(plan, view.DefaultRows) }); n > 1000 {
		t.Errorf("a report of %d files takes %v allocations", len(files), n)
	}
	s := view.PlanReport(plan, view.DefaultRows).Sections[0].Rows[0].Sections[0]
	if len(s.Rows) != view.DefaultRows || s.Fold.Count != len(files)-view.DefaultRows {
		t.Errorf("%d rows and %+v", len(s.Rows), s.Fold)
	}
}

// TestReports: the other reports, of what the samples hold.
func TestReports(t *testing.T) {
	blob := layout.Blob{Digest: digest.FromString("b"), Size: 3, Modified: time.Unix(0, 0)}
	tests := []struct {
		name   string
		report *view.Report
		want   []string // a line each that the outline must have
	}{
		{"status", view.StatusReport(samples.State()), []string{"objects", "   layer.model not built yet", "entries"}},
		{"state", view.StateReport(samples.State(), 1), []string{"staged", "       size 1200", "values", "   secret (sensitive)"}},
		{"no state", view.StateReport(&view.State{}, 1), []string{"   nothing built yet"}},
		{"no objects", view.StatusReport(&view.State{}), []string{"   no objects"}},
		{"layout", view.LayoutReport(samples.Layout()), []string{"tree", "    tree"}},
		{"gc", view.GCReport(&layout.GCResult{Blobs: []layout.Blob{blob}, Missing: []digest.Digest{blob.Digest}, Foreign: []string{"x"}}, true), []string{"  - " + string(blob.Digest) + " 3"}},
		{"repair", view.RepairReport("d", []repair.Mended{{Object: "a", Problem: "b", Remedy: repair.Left, Note: "c"}}, true), []string{"   " + string(repair.Left) + " a: b; c"}},
		{"findings", view.FindingsReport("d", []validate.Finding{{Rule: "r", Severity: validate.Must, Object: "o", Place: "p", Problem: "q", Advice: "a"}}), []string{"   MUST r o p: q", "       a"}},
	}
	for _, tt := range tests {
		got := strings.Join(outline(tt.report), "\n") + "\n"
		for _, line := range tt.want {
			if !strings.Contains("\n"+got, "\n"+line+"\n") {
				t.Errorf("%s has no line %q:\n%s", tt.name, line, got)
			}
		}
	}
	if view.NewDone(nil) != nil {
		t.Error("NewDone(nil) is not nil")
	}
}

func ExamplePlanReport() {
	plan := &planner.Plan{
		Layout: planner.LayoutRecord{Path: "dist"},
		Changes: []planner.Change{{
			Address: "layer.app", Action: planner.Create,
			Files: []planner.FileChange{{Path: "/app", Action: planner.Create, After: &layer.Properties{Type: layer.Regular, Mode: 0o755, Size: 1200}}},
		}},
	}
	for _, row := range view.PlanReport(plan, view.DefaultRows).Sections[0].Rows {
		fmt.Println(row.Mark, row.Cells[0][0].Text)
		for _, s := range row.Sections {
			for _, below := range s.Rows {
				fmt.Println(s.Kind, below.Mark, below.Cells[0][0].Text, below.Deltas[0].After[0].N, "bytes")
			}
		}
	}
	// Output:
	// + layer.app
	// files + /app 1200 bytes
}
