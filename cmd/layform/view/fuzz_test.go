package view

import (
	"bytes"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/layform/layform/planner"
)

// FuzzPlan holds that whatever stands in a plan file, showing it neither ends
// in a panic nor writes a character that a terminal acts on.
func FuzzPlan(f *testing.F) {
	circle := updatePlan()
	circle.Changes[1].Reasons = []planner.Reason{{Kind: planner.ReasonCause, Cause: "index.app"}}
	for _, p := range []*planner.Plan{updatePlan(), circle, {FormatVersion: planner.FormatVersion}} {
		data, err := planner.Encode(p)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := planner.Decode(data); err != nil {
			f.Fatalf("a seed does not decode: %v", err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := planner.Decode(data)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Plan(&out, p, Style{}); err != nil {
			t.Fatal(err)
		}
		noControls(t, out.String())
		if err := JSON(io.Discard, Document{Type: TypePlan, Plan: p}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzEscape holds that escaped text is one line, is printable, and escapes to itself.
func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b[31m", "a\nb", "\u202e", "\xff", "日本\u0301", "\U000e0041", `\x1b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Escape(s)
		if !utf8.ValidString(once) || !printable(once) {
			t.Errorf("Escape(%q) = %q is not printable", s, once)
		}
		if twice := Escape(once); twice != once {
			t.Errorf("Escape(%q) = %q, escaped again %q", s, once, twice)
		}
	})
}
