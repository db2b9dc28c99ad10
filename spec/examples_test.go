package spec_test

import (
	"strings"
	"testing"

	"github.com/layform/layform/spec/schema"
)

// TestReferenceExamples plans, applies and validates the example of every block.
func TestReferenceExamples(t *testing.T) {
	t.Parallel()
	schema.Walk(func(path []string, b *schema.Block) {
		name := strings.Join(path, ".")
		if !strings.Contains(b.Example, b.Name) {
			t.Errorf("the example of %s has no such block", name)
		}
		text := b.Example
		if b.Name != "layout" {
			text = "layout { path = \"l\" }\n" + text
		}
		if problem := tryExample(t, text); problem != "" {
			t.Errorf("the example of %s: %s", name, problem)
		}
	})
}
