package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// divisor is an expression by which / or % divides. cty gives infinity for a number
// divided by zero, and the number itself for the remainder: neither is what anybody
// means. As with metered, it wraps parentheses, for walks over the syntax tree.
type divisor struct{ hclsyntax.Expression }

func divisorExpr(e hclsyntax.Expression) hclsyntax.Expression {
	return &divisor{&hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}}
}

// Value evaluates the expression, and refuses zero.
func (e *divisor) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := e.Expression.Value(ctx)
	plain, _ := v.Unmark()
	if plain.Type() == cty.Number && plain.IsKnown() && !plain.IsNull() && plain.AsBigFloat().Sign() == 0 {
		return cty.DynamicVal, append(diags, Errorf(e.Range().Ptr(), "Division by zero", "This is zero, by which nothing can be divided."))
	}
	return v, diags
}
