package view

import (
	"bytes"
	"io"
	"testing"

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
