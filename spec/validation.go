package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
)

// checkVariableNames checks what the default and the validations of a variable
// refer to.
func (p *module) checkVariableNames(v *variable) hcl.Diagnostics {
	var diags hcl.Diagnostics
	roots := []string{rootVar, rootLocal}
	if v.defaultExpr != nil {
		diags = append(diags, p.checkNames(v.defaultExpr, scope{what: "A variable's default", roots: roots})...)
		v.invalid = v.invalid || v.defaultExpr.Invalid
	}
	for _, rule := range v.validations {
		s := scope{what: "A validation", roots: roots}
		more := append(p.checkNames(rule.condition, s), p.checkNames(rule.message, s)...)
		if !more.HasErrors() && !v.usedIn(rule.condition) {
			more = append(more, v.problem(rule.condition.Range(), fmt.Sprintf("the condition of its validation does not use var.%s. Write what must hold for var.%s.", v.name, v.name)))
			rule.condition.Invalid = true
		}
		diags = append(diags, more...)
	}
	return diags
}

// usedIn reports whether an expression names the variable.
func (v *variable) usedIn(e *eval.Expression) bool {
	return slices.ContainsFunc(e.References, func(r eval.Reference) bool {
		name, _, _ := r.Name()
		return r.Root() == rootVar && name == v.name
	})
}

// validate holds the variable's validation blocks against its value.
func (p *module) validate(v *variable) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, rule := range v.validations {
		if v.invalid || p.skips(rule.condition) || p.skips(rule.message) {
			continue
		}
		ses := newSession(p, nil)
		value, more := ses.expression(rule.condition, nil)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		value, _ = value.UnmarkDeep()
		value, err := eval.Convert(value, cty.Bool)
		if err != nil || value.IsNull() || !value.IsKnown() {
			diags = append(diags, wrongType(rule.condition.Range(), "The condition of a validation", fmt.Errorf("true or false is required")))
			continue
		}
		if value.True() {
			continue
		}
		message, more := ses.expression(rule.message, nil)
		diags = append(diags, more...)
		diags = append(diags, v.problem(rule.condition.Range(), validationText(message)))
	}
	return diags
}

func validationText(message cty.Value) string {
	if eval.IsSensitive(message) {
		return "a validation of this variable failed; its message is sensitive and not shown."
	}
	if text, ok := eval.StringOf(message); ok && text != "" {
		return text
	}
	return "a validation of this variable failed."
}
