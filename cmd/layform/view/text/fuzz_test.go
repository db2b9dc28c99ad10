package text

import (
	"bytes"
	"io"
	"testing"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/internal/samples"
	"github.com/layform/layform/planner"
)

// FuzzPlan holds that whatever stands in a plan file, showing it neither ends
// in a panic nor writes a character that a terminal acts on.
func FuzzPlan(f *testing.F) {
	circle := samples.UpdatePlan()
	circle.Changes[1].Reasons = []planner.Reason{{Kind: planner.ReasonCause, Cause: "index.app"}}
	for _, p := range []*planner.Plan{samples.UpdatePlan(), circle, {FormatVersion: planner.FormatVersion}} {
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
		if err := Render(&out, view.PlanReport(p, view.DefaultRows), Style{}); err != nil {
			t.Fatal(err)
		}
		noControls(t, out.String())
		if err := view.JSON(io.Discard, view.Document{Type: view.TypePlan, Plan: p}); err != nil {
			t.Fatal(err)
		}
	})
}
