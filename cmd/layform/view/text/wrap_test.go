package text

import (
	"bytes"
	"strings"
	"testing"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/internal/samples"
)

func TestWrap(t *testing.T) {
	tests := []struct {
		line          string
		indent, width int
		want          string
	}{
		{"one two three four five six", 2, 0, "one two three four five six"},
		{"one two three four five six", 2, 10, "one two three four five six"}, // too narrow to be of use
		{"one two three four five six", 2, 20, "one two three four\n  five six"},
		{"one two three four", 2, 18, "one two three four"},
		{"unbreakable/" + strings.Repeat("x", 20) + " end", 2, 20, "unbreakable/" + strings.Repeat("x", 20) + "\n  end"},
		{strings.Repeat("x", 50), 2, 20, strings.Repeat("x", 50)},
		{"    indented words that go on and on", 6, 20, "    indented words\n      that go on and\n      on"},
		{"\x1b[31mred red red\x1b[0m and plain", 2, 20, "\x1b[31mred red red\x1b[0m and\n  plain"},
		{"äöü äöü äöü äöü äöü äöü", 0, 20, "äöü äöü äöü äöü äöü\näöü"},
	}
	for _, tt := range tests {
		if got := wrap(tt.line, tt.indent, tt.width); got != tt.want {
			t.Errorf("wrap(%q, %d, %d) = %q, want %q", tt.line, tt.indent, tt.width, got, tt.want)
		}
	}
}

// TestNarrowTerminal: at 60 columns no line is longer unless one word is, and no
// word is lost or broken.
func TestNarrowTerminal(t *testing.T) {
	var narrow, free bytes.Buffer
	report := view.PlanReport(samples.UpdatePlan(), view.DefaultRows)
	for out, style := range map[*bytes.Buffer]Style{&narrow: {Width: 60}, &free: {}} {
		if err := Render(out, report, style); err != nil {
			t.Fatal(err)
		}
		if err := Error(out, "index.json of the layout was changed by another tool while this one was at work", "plan again, and look at what changed before applying it", style); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.SplitSeq(narrow.String(), "\n") {
		if width(line) > 60 && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("a line of %d columns: %q", width(line), line)
		}
	}
	if got, want := strings.Fields(narrow.String()), strings.Fields(free.String()); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Error("the words differ")
	}
}
