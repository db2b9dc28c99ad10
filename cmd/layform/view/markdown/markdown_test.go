package markdown

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/internal/samples"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
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

// draw renders a report.
func draw(t *testing.T, r *view.Report, opts Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Render(&out, r, opts); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(out.String(), "\n") {
		if !printable.Is(line) {
			t.Errorf("the line %q holds characters that are not printable", line)
		}
	}
	return out.String()
}

func TestRender(t *testing.T) {
	empty := &planner.Plan{Layout: planner.LayoutRecord{Path: "a`b*c", Index: "sha256:1"}, Recover: true, Warnings: []string{"@all: ``` <b>"}}
	for name, r := range map[string]*view.Report{
		"update":  view.PlanReport(samples.UpdatePlan(), view.DefaultRows),
		"create":  view.PlanReport(samples.CreatePlan(), view.DefaultRows),
		"hostile": view.PlanReport(samples.HostilePlan(), view.DefaultRows),
		"empty":   view.PlanReport(empty, view.DefaultRows),
		"state":   view.StateReport(samples.State(), view.DefaultRows),
		"layout":  view.LayoutReport(samples.Layout()),
	} {
		golden(t, name+".md", []byte(draw(t, r, Options{})))
	}
}

// TestRenderCuts: a report keeps to its size, its summary and what it removes stay,
// and what is left out is counted.
func TestRenderCuts(t *testing.T) {
	plan := &planner.Plan{Summary: planner.Summary{Counts: planner.Counts{Add: 5000, Destroy: 1}}}
	file := planner.FileChange{Path: layer.Bytes("/" + strings.Repeat("x", 200)), Action: planner.Create, After: &layer.Properties{Type: layer.Regular}}
	for i := range 5000 {
		plan.Changes = append(plan.Changes, planner.Change{Address: fmt.Sprintf("layer.a%04d", i), Action: planner.Create, Files: []planner.FileChange{file}})
		plan.Tags = append(plan.Tags, planner.TagChange{Ref: fmt.Sprint("t", i), Action: planner.Create})
	}
	plan.Changes = append(plan.Changes, planner.Change{Address: "layer.gone", Action: planner.Delete, Before: &planner.State{Digest: "sha256:1"}})
	for _, size := range []int{0, 2000, 20_000, 1 << 30} {
		got := draw(t, view.PlanReport(plan, view.DefaultRows), Options{MaxBytes: size})
		limit := size
		if size == 0 {
			limit = DefaultBytes
		}
		if len(got) > limit {
			t.Errorf("%d bytes where %d are allowed", len(got), limit)
		}
		if !strings.HasPrefix(got, "**Plan:** 5000 to add, 0 to change, 1 to destroy.\n") {
			t.Errorf("it begins with %.100q", got)
		}
		shown := strings.Count(got, "layer.a")
		folded := fmt.Sprintf("… and %d more objects, left out", 5000-shown)
		if cut := size != 1<<30; cut != strings.Contains(got, folded) || cut && size == 0 && !strings.Contains(got, "layer.gone") {
			t.Errorf("at %d bytes %d of 5000 objects are shown:\n%.300s", size, shown, got[max(0, len(got)-300):])
		}
	}
}

// TestRenderLongRow: a change that is too long by itself is named without what it
// holds, and those after it are shown.
func TestRenderLongRow(t *testing.T) {
	long := planner.FileChange{Path: layer.Bytes("/" + strings.Repeat("x", 4000)), Action: planner.Create, After: &layer.Properties{}}
	plan := &planner.Plan{Changes: []planner.Change{
		{Address: "layer.long", Action: planner.Create, Files: []planner.FileChange{long}},
		{Address: "layer.short", Action: planner.Create, Fields: []planner.FieldChange{{Path: "user", After: `"me"`}}},
	}}
	got := draw(t, view.PlanReport(plan, view.DefaultRows), Options{MaxBytes: 3000})
	if !strings.Contains(got, "<code>layer.long</code> (too long to be shown)") || !strings.Contains(got, `+ user = "me"`) {
		t.Errorf("got:\n%s", got)
	}
}

// TestForeignNames: names cannot leave the code that they are written in.
func TestForeignNames(t *testing.T) {
	for _, name := range []string{"```\n# x", "</code></summary><img src=x>", "`", "a`b``c", "@user", "[x](http://h)", " "} {
		r := view.FindingsReport(name, []validate.Finding{{Rule: "r", Severity: validate.Must, Object: name, Problem: "p"}})
		plan := &planner.Plan{Layout: planner.LayoutRecord{Path: name}, Changes: []planner.Change{{Address: name, Action: planner.Create, Files: []planner.FileChange{{Path: layer.Bytes(name), Action: planner.Create}}}}}
		got := draw(t, r, Options{}) + draw(t, view.PlanReport(plan, 1), Options{})
		if rest := withoutCode(got); strings.Contains(rest, "<img") || strings.Contains(rest, "# x") || strings.ContainsAny(rest, "@[`") {
			t.Errorf("%q got out:\n%s", name, rest)
		}
	}
}

// withoutCode is what of Markdown is outside of blocks and spans of code, and of
// code elements, as CommonMark and HTML tell them.
func withoutCode(text string) string {
	var out strings.Builder
	fence := ""
	for line := range strings.SplitSeq(text, "\n") {
		ticks := strings.Repeat("`", len(line)-len(strings.TrimLeft(line, "`")))
		switch {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence != "" && len(ticks) >= len(fence) && line == ticks:
			fence = ""
		case fence == "":
			out.WriteString(regexp.MustCompile("<code>[^<]*</code>").ReplaceAllString(withoutSpans(line), "") + "\n")
		}
	}
	return out.String()
}

// withoutSpans is a line without its spans of code.
func withoutSpans(line string) string {
	out := ""
	for {
		at := strings.IndexByte(line, '`')
		if at < 0 {
			return out + line
		}
		out += line[:at]
		line = line[at:]
		rest := strings.TrimLeft(line, "`")
		ticks := line[:len(line)-len(rest)]
		end := -1
		for i := 0; i < len(rest); i++ {
			n := len(rest[i:]) - len(strings.TrimLeft(rest[i:], "`"))
			if n == len(ticks) {
				end = i + n
				break
			}
			i += n
		}
		if end < 0 {
			return out + line
		}
		line = rest[end:]
	}
}

func TestRenderReturnsWriteError(t *testing.T) {
	full := errors.New("disk full")
	if err := Render(failingWriter{full}, &view.Report{}, Options{}); !errors.Is(err, full) {
		t.Errorf("Render gives %v, want the writer's error", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
