package eval

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// TestSilence: the last resort ends what counts nothing, and nothing else.
func TestSilence(t *testing.T) {
	w := new(Watch)
	w.stop.Store(true)
	syntax, diags := ParseExpression(`"${upper("x")}!"`, "x")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	e, diags := NewExpression(syntax)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	_, diags = NewLibrary(t.TempDir()).NewEvaluation(w).Value(e, nil)
	if !diags.HasErrors() || !strings.Contains(diags[0].Detail, silence) || diags[0].Subject == nil {
		t.Errorf("diagnostics %v", diags)
	}
	w, hang := new(Watch), make(chan struct{})
	diags, finished := guardedFor(w, time.Nanosecond, func() hcl.Diagnostics { <-hang; return nil })
	if close(hang); finished || !diags.HasErrors() || !w.stop.Load() {
		t.Errorf("finished %v, diagnostics %v", finished, diags)
	}
}

// TestPanic turns a panic into a diagnostic.
func TestPanic(t *testing.T) {
	diags, finished := Guard(new(Watch), func() hcl.Diagnostics { panic("oh") })
	if !finished || !diags.HasErrors() || !strings.Contains(diags[0].Detail, "oh") {
		t.Errorf("diagnostics %v", diags)
	}
}

func TestValueSize(t *testing.T) {
	shared := cty.StringVal(strings.Repeat("x", 1000))
	list := cty.TupleVal([]cty.Value{shared, shared, cty.UnknownVal(cty.String), cty.NullVal(cty.String).Mark(Sensitive{})})
	cost, problem := Size(list)
	if want := int64(2000 + 5*valueCost); cost != want || problem != "" {
		t.Errorf("cost %d, want %d; problem %q", cost, want, problem)
	}
}
