package spec_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/schema"
)

// wrongValue is a value of a type that an attribute does not take.
func wrongValue(a schema.Attribute) string {
	switch {
	case len(a.Refers) > 0:
		return "3"
	case a.Type == cty.Number:
		return `"many"`
	case a.Type == cty.Bool:
		return `"maybe"`
	case a.Type == cty.String:
		return `[["x"]]`
	}
	return `"x"`
}

// inWords matches diagnostics that say in words of their own what is right.
var inWords = regexp.MustCompile(`must be (a|an) |goes through a map|does not use var`)

// TestWrongTypes gives every attribute a value of another type: the diagnostic has
// a right one.
func TestWrongTypes(t *testing.T) {
	schema.Walk(func(_ []string, b *schema.Block) {
		if b.Name == "layform" || b.Name == "layout" {
			return
		}
		for _, a := range b.Attributes {
			if a.Form != schema.Expression || a.Name == "default" || a.Name == "value" {
				continue // these take any value, or no expression
			}
			if a.Name == "error_message" {
				continue // it is evaluated where the condition does not hold
			}
			e := goodExample()
			e.set(b.Name+"."+a.Name, wrongValue(a))
			_, diags := spec.Load(t.TempDir(), spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: e.text()}}})
			found := false
			for _, d := range diags {
				found = found || d.Subject != nil && (strings.Contains(d.Detail, a.Expected()) || inWords.MatchString(d.Detail))
			}
			if !found {
				t.Errorf("%s.%s = %s: %v; want %q", b.Name, a.Name, wrongValue(a), diags, a.Expected())
			}
		}
	})
}
