package spec

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// variable is a variable block.
type variable struct {
	name        string
	rng         hcl.Range
	typ         cty.Type // the constraint; any without a type argument
	untyped     bool     // there is no type argument
	defaults    *typeexpr.Defaults
	fallback    cty.Value // cty.NilVal when there is no default, or defaultExpr
	fallbackRng hcl.Range
	// defaultExpr is a default that refers to other variables or locals.
	defaultExpr *eval.Expression
	sensitive   bool
	nullable    bool
	// saysNullable is set where nullable = true is written: without a value, the
	// variable is then null.
	saysNullable bool
	validations  []*validation
	// wrong is set when the declaration or the value is; the value is then unknown.
	invalid bool
	// unset is set where the spec is checked without a value for the variable.
	unset bool
	// candidates are the values given for the variable, of which the last wins, and
	// recorded is the one of a saved plan.
	candidates []assignedValue
	recorded   *Variable
	value      cty.Value
}

// validation is a validation block of a variable.
type validation struct{ condition, message *eval.Expression }

func (p *module) declareVariable(b *hcl.Block) hcl.Diagnostics {
	language := schema.Named("variable")
	content, diags := language.Content(b.Body)
	v := &variable{name: b.Labels[0], rng: b.DefRange, typ: cty.DynamicPseudoType, untyped: true, nullable: true}
	if problem := checkName("variable", v.name, b.LabelRanges[0]); problem != nil {
		return append(diags, problem)
	}
	if other, ok := p.variables[v.name]; ok {
		return append(diags, duplicate("variable", v.name, b.DefRange, other.rng))
	}
	p.variables[v.name] = v
	if a, ok := content.Attributes["type"]; ok {
		v.untyped = false
		diags = append(diags, v.declareType(a)...)
	}
	diags = append(diags, p.variableFlags(v, content.Attributes)...)
	if a, ok := content.Attributes["default"]; ok {
		diags = append(diags, p.variableDefault(v, a)...)
	}
	for _, inner := range content.Blocks {
		rules := language.Block("validation")
		rule, more := rules.Content(inner.Body)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		attrs, more := attributesOf(rules, rule)
		diags = append(diags, more...)
		v.validations = append(v.validations, &validation{condition: attrs.named("condition").expr, message: attrs.named("error_message").expr})
	}
	v.invalid = v.invalid || diags.HasErrors()
	return diags
}

func (v *variable) declareType(a *hcl.Attribute) hcl.Diagnostics {
	// In JSON, a type is a string that holds an expression.
	if _, native := a.Expr.(hclsyntax.Expression); !native {
		text, diags := a.Expr.Value(nil)
		if diags.HasErrors() || text.IsNull() || text.Type() != cty.String {
			return append(diags, eval.Errorf(a.Expr.Range().Ptr(), "Invalid type", `A type is a string such as "list(string)".`))
		}
		tokens, _ := hclsyntax.LexExpression([]byte(text.AsString()), a.Expr.Range().Filename, a.Expr.Range().Start)
		if problem := eval.CheckNesting(tokens); problem != nil {
			return hcl.Diagnostics{problem}
		}
	}
	t, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
	if diags.HasErrors() {
		return diags
	}
	v.typ, v.defaults = t, defaults
	return diags
}

func (p *module) variableFlags(v *variable, attrs hcl.Attributes) hcl.Diagnostics {
	var diags hcl.Diagnostics
	flag := func(name string, set *bool) {
		a, ok := attrs[name]
		if !ok {
			return
		}
		e, more := eval.NewExpression(a.Expr)
		diags = append(diags, more...)
		value, more := p.constant(e, schema.Named("variable").Attribute(name), fmt.Sprintf("A variable's %s argument", name))
		diags = append(diags, more...)
		if !more.HasErrors() && !value.IsNull() {
			*set = value.True()
		}
	}
	flag("sensitive", &v.sensitive)
	flag("nullable", &v.nullable)
	v.saysNullable = attrs["nullable"] != nil && v.nullable
	if a, ok := attrs["description"]; ok {
		e, more := eval.NewExpression(a.Expr)
		diags = append(diags, more...)
		_, more = p.constant(e, schema.Named("variable").Attribute("description"), "A variable's description")
		diags = append(diags, more...)
	}
	return diags
}

func (p *module) variableDefault(v *variable, a *hcl.Attribute) hcl.Diagnostics {
	e, diags := eval.NewExpression(a.Expr)
	v.fallbackRng = a.Expr.Range()
	if len(e.References) > 0 {
		v.defaultExpr = e
		return diags
	}
	value, more := p.constant(e, schema.Named("variable").Attribute("default"), "A variable's default")
	diags = append(diags, more...)
	if diags.HasErrors() || v.invalid {
		return diags
	}
	converted, more := v.asDefault(value)
	if diags = append(diags, more...); !diags.HasErrors() {
		v.fallback = converted
	}
	return diags
}

// asDefault checks a default and brings it to the variable's type.
func (v *variable) asDefault(value cty.Value) (cty.Value, hcl.Diagnostics) {
	converted, problem := v.convert(value, v.fallbackRng, "its default")
	switch {
	case problem != nil:
	case eval.IsSensitive(converted) && !v.sensitive:
		problem = v.problem(v.fallbackRng, "its default comes from something sensitive. Add sensitive = true to the variable.")
	case !converted.IsWhollyKnown():
		problem = v.problem(v.fallbackRng, "its default depends on something that is known after apply.")
	case converted.IsNull() && !v.nullable:
		problem = v.problem(v.fallbackRng, "its default is null, and nullable is false.")
	}
	if problem != nil {
		return cty.UnknownVal(v.typ), hcl.Diagnostics{problem}
	}
	return converted, nil
}

// constant evaluates an expression that may refer to nothing.
func (p *module) constant(e *eval.Expression, a *schema.Attribute, what string) (cty.Value, hcl.Diagnostics) {
	t := a.Converted()
	if e.Invalid {
		return cty.UnknownVal(t), nil
	}
	if diags := p.checkNames(e, scope{what: what}); diags.HasErrors() {
		return cty.UnknownVal(t), diags
	}
	v, diags := newSession(p, nil).expression(e, nil)
	if diags.HasErrors() {
		return cty.UnknownVal(t), diags
	}
	converted, err := eval.Convert(v, t)
	if err == nil && eval.IsSensitive(converted) {
		err = fmt.Errorf("a value that is not sensitive is required")
	}
	if err != nil {
		problem := wrongType(e.Range(), what, err)
		problem.Detail += " " + a.Expected()
		return cty.UnknownVal(t), hcl.Diagnostics{problem}
	}
	return converted, diags
}

func wrongType(rng hcl.Range, what string, err error) *hcl.Diagnostic {
	return eval.Errorf(&rng, "Incorrect value", "%s is not right: %s.", what, err)
}

// convert brings a value to the variable's type.
func (v *variable) convert(value cty.Value, rng hcl.Range, which string) (cty.Value, *hcl.Diagnostic) {
	if _, problem := eval.Size(value); problem != "" {
		return cty.UnknownVal(v.typ), v.problem(rng, problem)
	}
	if v.defaults != nil && !value.IsNull() {
		value = v.defaults.Apply(value)
	}
	converted, err := eval.Convert(value, v.typ)
	if err != nil {
		return cty.UnknownVal(v.typ), v.problem(rng, fmt.Sprintf("%s is not right for its type, %s: %s.", which, typeexpr.TypeString(v.typ), problemText(err, v.sensitive)))
	}
	return converted, nil
}

// problemText is the text of a conversion error. Those of cty quote no values
// except for the keys and indexes on the way to the place.
func problemText(err error, sensitive bool) string {
	if sensitive {
		return "the value has another type"
	}
	if path, ok := err.(cty.PathError); ok && len(path.Path) > 0 {
		return pathText(path.Path) + ": " + typeText(err.Error())
	}
	return typeText(err.Error())
}

// typeText writes "list of string required, but have string" as a sentence.
func typeText(text string) string {
	want, have, ok := strings.Cut(text, " required, but have ")
	if !ok {
		return text
	}
	// The element comes first where it is one: element "a": string.
	at := 0
	if i := strings.LastIndex(want, ": "); i >= 0 {
		at = i + len(": ")
	}
	return want[:at] + "this is " + withArticle(have) + ", and " + withArticle(want[at:]) + " is needed"
}

// withArticle puts "a" or "an" in front of the name of a type.
func withArticle(name string) string {
	if strings.HasPrefix(name, "object") {
		return "an " + name
	}
	return "a " + name
}

// pathText writes the way to a part of a value.
func pathText(path cty.Path) string {
	var text strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			text.WriteString("." + step.Name)
		case cty.IndexStep:
			text.WriteString(indexText(step.Key))
		}
	}
	return text.String()
}

func (v *variable) problem(rng hcl.Range, text string) *hcl.Diagnostic {
	return eval.Errorf(&rng, "Invalid value for variable", "var.%s: %s", v.name, text)
}

// evaluateVariable gives a variable its value: the one of a saved plan, else the
// last of those that were given, else its default.
func (p *module) evaluateVariable(s *session, v *variable) hcl.Diagnostics {
	v.value = cty.UnknownVal(v.typ)
	if v.invalid {
		return nil
	}
	var diags hcl.Diagnostics
	if r := v.recorded; r != nil && !v.sensitive && !r.Sensitive {
		diags = v.restore(*r)
	} else {
		diags = p.choose(s, v)
		if r != nil && !diags.HasErrors() {
			diags = append(diags, v.compare(*r)...)
		}
	}
	v.invalid = v.invalid || diags.HasErrors()
	return diags
}

// usesDefault reports whether the value of the variable may be its default: none
// was given, or one that may be a null that is not allowed.
func (v *variable) usesDefault() bool {
	restored := v.recorded != nil && !v.sensitive && !v.recorded.Sensitive
	return !restored && (len(v.candidates) == 0 || !v.nullable)
}

// choose takes the last of the values that were given for a variable, or its
// default: where there is none, and in place of a null that is not allowed.
func (p *module) choose(s *session, v *variable) hcl.Diagnostics {
	var diags hcl.Diagnostics
	value, rng := cty.NilVal, v.rng
	if n := len(v.candidates); n > 0 {
		last := v.candidates[n-1]
		if value, diags = p.resolve(last, v); diags.HasErrors() {
			return diags
		}
		rng = last.rng
	}
	if value == cty.NilVal || value.IsNull() && !v.nullable {
		given := value != cty.NilVal
		var more hcl.Diagnostics
		value, more = p.defaultOf(s, v)
		if diags = append(diags, more...); diags.HasErrors() {
			return diags
		}
		switch {
		case value != cty.NilVal:
		case given:
			return append(diags, v.problem(rng, "the value is null, nullable is false, and there is no default."))
		case v.saysNullable:
			value = cty.NullVal(v.typ)
		case p.checkOnly:
			v.invalid, v.unset = true, true // what follows from it cannot be judged
			return diags
		default:
			return append(diags, v.missing())
		}
	}
	v.value = value
	if v.sensitive {
		v.value = v.value.Mark(eval.Sensitive{})
	}
	return diags
}

// defaultOf is the default of a variable, cty.NilVal where it has none.
func (p *module) defaultOf(s *session, v *variable) (cty.Value, hcl.Diagnostics) {
	if v.defaultExpr == nil {
		return v.fallback, nil
	}
	if p.skips(v.defaultExpr) {
		v.invalid = true
		return cty.UnknownVal(v.typ), nil
	}
	value, diags := s.expression(v.defaultExpr, nil)
	if diags.HasErrors() {
		return cty.UnknownVal(v.typ), diags
	}
	value, more := v.asDefault(value)
	return value, append(diags, more...)
}

func (v *variable) missing() *hcl.Diagnostic {
	return eval.Errorf(&v.rng, "Missing value for variable", "var.%s has no default and was given no value. Set it with --var %s=VALUE, LAYFORM_VAR_%s in the environment, "+
		"or a *.auto.layformvars file.", v.name, v.name, v.name)
}
