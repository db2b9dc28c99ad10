package text

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/internal/samples"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/validate"
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

func TestPlan(t *testing.T) {
	tests := []struct {
		name  string
		plan  *planner.Plan
		style Style
		rows  int
	}{
		{"update", samples.UpdatePlan(), Style{}, view.DefaultRows},
		{"color", samples.UpdatePlan(), Style{Color: true}, view.DefaultRows},
		{"short", samples.UpdatePlan(), Style{}, 2},
		{"create", samples.CreatePlan(), Style{}, view.DefaultRows},
		{"hostile", samples.HostilePlan(), Style{}, view.DefaultRows},
		{"empty", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x", Index: "sha256:1"}}, Style{}, view.DefaultRows},
		{"recover", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x", Index: "sha256:1"}, Recover: true, Summary: planner.Summary{DeleteBlobs: 2, DeleteBytes: 700}}, Style{}, view.DefaultRows},
		{"drift-only", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x", Index: "sha256:1"}, Drift: samples.UpdatePlan().Drift[3:4]}, Style{}, view.DefaultRows},
		{"no-layout", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x"}}, Style{}, view.DefaultRows},
		{"no-layout-destroy", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x"}, Options: planner.Options{Destroy: true}}, Style{}, view.DefaultRows},
		{"targets-empty", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x"}, Options: planner.Options{Targets: []string{"layer.a"}}, LeftOut: 1}, Style{}, view.DefaultRows},
		{"targets", &planner.Plan{Changes: samples.CreatePlan().Changes, Options: planner.Options{Targets: []string{"layer.a"}}, LeftOut: 3}, Style{}, 1},
		{"empty-destroy", &planner.Plan{Layout: planner.LayoutRecord{Path: "dist/x", Index: "sha256:1"}, Options: planner.Options{Destroy: true}}, Style{}, view.DefaultRows},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Render(&out, view.PlanReport(tt.plan, tt.rows), tt.style); err != nil {
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

func TestRenderReturnsWriteError(t *testing.T) {
	full := errors.New("disk full")
	if err := Render(failingWriter{full}, view.PlanReport(samples.UpdatePlan(), view.DefaultRows), Style{}); !errors.Is(err, full) {
		t.Errorf("Render gives %v, want the writer's error", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestState(t *testing.T) {
	reports := map[string]func(*view.State) *view.Report{
		"status": view.StatusReport,
		"show":   func(s *view.State) *view.Report { return view.StateReport(s, view.DefaultRows) },
	}
	empty := &view.State{Layout: "dist/app", Spec: "default", Objects: []view.Object{{Key: "layer.app", Kind: spec.KindLayer, Standing: view.NotBuilt}}}
	for name, report := range reports {
		for suffix, state := range map[string]*view.State{"": samples.State(), "-empty": empty} {
			var out bytes.Buffer
			if err := Render(&out, report(state), Style{}); err != nil {
				t.Fatal(err)
			}
			golden(t, name+suffix+".txt", out.Bytes())
		}
	}
}

func TestApplied(t *testing.T) {
	done := view.NewDone(&executor.Result{
		Counts: planner.Counts{Add: 2, Change: 1, Destroy: 3}, Entries: planner.Counts{Add: 1, Destroy: 2}, WrittenBlobs: 1, WrittenBytes: 34_000_000, DeletedBlobs: 2, DeletedBytes: 700,
		Outputs: []spec.Output{
			{Name: "digest", Value: `"sha256:1"`},
			{Name: "secret", Value: `"sha256:2"`, Sensitive: true},
			{Name: "unknown", Unknown: true},
		},
	})
	for name, destroy := range map[string]bool{"apply.txt": false, "destroy.txt": true} {
		var out bytes.Buffer
		if err := Render(&out, view.DoneReport(done, destroy), Style{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
}

func TestStep(t *testing.T) {
	tests := []struct {
		event executor.Event
		want  string
	}{
		{executor.Event{Kind: executor.EventStart, Key: "layer.a"}, ""},
		{executor.Event{Kind: executor.EventProgress, Key: "layer.a"}, ""},
		{executor.Event{Kind: executor.EventDone, Key: "layer.a\x1b", Action: planner.Create, Digest: "sha256:0123456789abcdef", Size: 34_000_000, Elapsed: 1234 * time.Millisecond},
			`layer.a\x1b: built sha256:0123456789ab in 1.2s (34 MB)`},
		{executor.Event{Kind: executor.EventDone, Key: "layer.a", Action: planner.Update, Digest: "sha256:0123456789abcdef", Reused: true},
			"layer.a: sha256:0123456789ab stands there already"},
		{executor.Event{Kind: executor.EventDone, Key: "layer.a", Action: planner.Delete}, "layer.a: removed"},
	}
	for _, tt := range tests {
		if got := Step(tt.event, Style{}); got != tt.want {
			t.Errorf("Step(%+v) = %q, want %q", tt.event, got, tt.want)
		}
	}
}

func TestLayout(t *testing.T) {
	var out bytes.Buffer
	if err := Render(&out, view.LayoutReport(samples.Layout()), Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "layout.txt", out.Bytes())
}

func TestFindings(t *testing.T) {
	findings := []validate.Finding{
		{Rule: "blob-missing", Severity: validate.Must, Object: "index.json", Place: "manifests[0]", Problem: "the blob is missing", Advice: "apply again"},
		{Rule: "ref-grammar", Severity: validate.Should, Object: "index.json", Problem: "a\x1bb is off-grammar"},
	}
	for name, list := range map[string][]validate.Finding{"findings.txt": findings, "findings-should.txt": findings[1:], "findings-none.txt": nil} {
		var out bytes.Buffer
		if err := Render(&out, view.FindingsReport("dist/app", list), Style{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
}
