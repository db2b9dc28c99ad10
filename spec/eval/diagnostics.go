package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Errorf makes an error diagnostic about a place; nil for one without a place.
func Errorf(at *hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at}
}

// SortAndDedupe sorts diagnostics by place and drops repetitions, which come from
// evaluating one expression for several objects.
func SortAndDedupe(diags hcl.Diagnostics) hcl.Diagnostics {
	var unique hcl.Diagnostics
	seen := map[string]bool{}
	for _, d := range diags {
		truncate(d)
		key := d.Summary + "\x00" + d.Detail
		if d.Subject != nil {
			key += "\x00" + d.Subject.String()
		}
		if !seen[key] {
			seen[key] = true
			unique = append(unique, d)
		}
	}
	slices.SortStableFunc(unique, func(a, b *hcl.Diagnostic) int {
		var x, y hcl.Range
		if a.Subject != nil {
			x = *a.Subject
		}
		if b.Subject != nil {
			y = *b.Subject
		}
		return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte), cmp.Compare(a.Severity, b.Severity))
	})
	return unique
}

// The lengths to which what diagnostics show is kept: of a value of the
// expression, and of the whole text.
const (
	maxShown  = 200
	MaxDetail = 2000
)

// truncate truncates a diagnostic: values of any size may be quoted in it.
func truncate(d *hcl.Diagnostic) {
	if len(d.Detail) > MaxDetail {
		d.Detail = strings.ToValidUTF8(d.Detail[:MaxDetail], "") + "…"
	}
	if d.Expression == nil || d.EvalContext == nil {
		return
	}
	// What a function says of its arguments may quote them.
	if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && mentionsSensitive(d) && !strings.Contains(d.Detail, sensitivePath) {
		d.Detail = fmt.Sprintf("The function %q cannot be called with these arguments. What it says of them is not shown, for one is sensitive.", call.CalledFunctionName())
	}
	for _, t := range d.Expression.Variables() {
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() || v.IsMarked() || v.Type() != cty.String && v.Type() != cty.Number {
			continue
		}
		if size, problem := Size(v); problem != "" || size > maxShown {
			d.Expression, d.EvalContext = nil, nil
			return
		}
	}
}

// mentionsSensitive reports whether the expression of a diagnostic uses a
// sensitive value.
func mentionsSensitive(d *hcl.Diagnostic) bool {
	return slices.ContainsFunc(d.Expression.Variables(), func(t hcl.Traversal) bool {
		v, diags := t.TraverseAbs(d.EvalContext)
		return !diags.HasErrors() && IsSensitive(v)
	})
}

// Quote writes a value into a message: of a long one its beginning and size.
func Quote(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q… (%d bytes)", strings.ToValidUTF8(s[:maxShown/2], ""), len(s))
}

// Place writes a range as file:line.
func Place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
