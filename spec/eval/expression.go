package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Expression is an expression of the spec, ready to be evaluated any number of
// times, with what it refers to.
type Expression struct {
	// Syntax is the syntax tree, with meters in it. It may be looked at, not changed.
	Syntax hclsyntax.Expression
	// References are all places where the expression names something.
	References []Reference
	// Invalid is set when the expression refers to something that does not exist
	// or could not be evaluated. The mistake has been reported; the value is
	// unknown, and nothing that follows from it is reported.
	Invalid bool
	// costly is set when the expression calls a function that has a cost.
	costly bool
}

// Range is the place of the expression.
func (e *Expression) Range() hcl.Range { return e.Syntax.Range() }

// NewExpression prepares an expression. Those of the JSON syntax become native
// ones, so that everything after this is the same for both.
func NewExpression(e hcl.Expression) (*Expression, hcl.Diagnostics) {
	syntax, diags := nativeExpression(e)
	if diags.HasErrors() {
		return &Expression{Syntax: &hclsyntax.LiteralValueExpr{Val: cty.DynamicVal, SrcRange: e.Range()}, Invalid: true}, diags
	}
	diags = append(diags, CheckDuplicateMembers(syntax)...)
	refs := FindReferences(syntax)
	costly := callsCostly(syntax)
	return &Expression{Syntax: addMeters(syntax), References: refs, costly: costly}, diags
}

// Traversal is an expression that is a reference and nothing else; in JSON, a string
// that holds one, with or without ${ and }.
func Traversal(e hcl.Expression) (hcl.Traversal, bool) {
	if steps, diags := hcl.AbsTraversalForExpr(e); !diags.HasErrors() {
		return steps, true
	}
	syntax, diags := nativeExpression(e)
	wrapped, ok := syntax.(*hclsyntax.TemplateWrapExpr)
	if diags.HasErrors() || !ok {
		return nil, false
	}
	steps, diags := hcl.AbsTraversalForExpr(wrapped.Wrapped)
	return steps, !diags.HasErrors()
}

// CheckDuplicateMembers reports members of one object that have the same name: the
// last would win without a word.
func CheckDuplicateMembers(e hclsyntax.Expression) hcl.Diagnostics {
	return hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		object, ok := n.(*hclsyntax.ObjectConsExpr)
		if !ok {
			return nil
		}
		var diags hcl.Diagnostics
		seen := map[string]hcl.Range{}
		for _, item := range object.Items {
			name, ok := literalKey(item.KeyExpr)
			if !ok {
				continue
			}
			if first, ok := seen[name]; ok {
				diags = append(diags, Errorf(item.KeyExpr.Range().Ptr(), "Duplicate object attribute", "This object has a member %s already, at %s. Keep one of them.", Quote(name), Place(first)))
				continue
			}
			seen[name] = item.KeyExpr.Range()
		}
		return diags
	})
}

// literalKey is the name that the key of an object spells out. No other key is
// looked at: evaluating one here would be without measure.
func literalKey(e hclsyntax.Expression) (string, bool) {
	if key, ok := e.(*hclsyntax.ObjectConsKeyExpr); ok {
		if name := hcl.ExprAsKeyword(key.Wrapped); name != "" && !key.ForceNonLiteral {
			return name, true
		}
		e = key.Wrapped
	}
	switch key := e.(type) {
	case *hclsyntax.LiteralValueExpr:
	case *hclsyntax.TemplateExpr:
		if !key.IsStringLiteral() {
			return "", false
		}
	default:
		return "", false
	}
	name, diags := e.Value(nil)
	if diags.HasErrors() || name.IsNull() || !name.IsKnown() || name.Type() != cty.String {
		return "", false
	}
	return name.AsString(), true
}

// nativeExpression turns an expression into one of the native syntax.
func nativeExpression(e hcl.Expression) (hclsyntax.Expression, hcl.Diagnostics) {
	if native, ok := e.(hclsyntax.Expression); ok {
		return native, nil
	}
	if pairs, diags := hcl.ExprMap(e); !diags.HasErrors() {
		return nativeObject(e, pairs)
	}
	if items, diags := hcl.ExprList(e); !diags.HasErrors() {
		list := &hclsyntax.TupleConsExpr{SrcRange: e.Range(), OpenRange: e.StartRange()}
		var all hcl.Diagnostics
		for _, item := range items {
			element, diags := nativeExpression(item)
			all = append(all, diags...)
			list.Exprs = append(list.Exprs, element)
		}
		return list, all
	}
	// Without a context, a JSON expression evaluates to what it is.
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		if _, problem := Size(v); problem != "" {
			v = cty.DynamicVal
			diags = append(diags, Errorf(e.Range().Ptr(), "Expression too large", "%s", problem))
		}
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Range()}, diags
	}
	start := e.Range().Start
	start.Byte, start.Column = start.Byte+1, start.Column+1 // after the quotation mark
	return parseTemplate(v.AsString(), e.Range().Filename, start)
}

func nativeObject(e hcl.Expression, pairs []hcl.KeyValuePair) (hclsyntax.Expression, hcl.Diagnostics) {
	object := &hclsyntax.ObjectConsExpr{SrcRange: e.Range(), OpenRange: e.StartRange()}
	var all hcl.Diagnostics
	for _, pair := range pairs {
		key, keyDiags := nativeExpression(pair.Key)
		value, valueDiags := nativeExpression(pair.Value)
		all = append(append(all, keyDiags...), valueDiags...)
		object.Items = append(object.Items, hclsyntax.ObjectConsItem{
			KeyExpr:   &hclsyntax.ObjectConsKeyExpr{Wrapped: key, ForceNonLiteral: true},
			ValueExpr: value,
		})
	}
	return object, all
}

// parseTemplate parses the text of a template, after measuring it.
func parseTemplate(text, name string, start hcl.Pos) (hclsyntax.Expression, hcl.Diagnostics) {
	if len(text) > MaxSourceSize {
		return nil, hcl.Diagnostics{CheckText(name, []byte(text))}
	}
	tokens, diags := hclsyntax.LexTemplate([]byte(text), name, start)
	if problem := CheckNesting(tokens); problem != nil {
		return nil, append(diags, problem)
	}
	e, diags := hclsyntax.ParseTemplate([]byte(text), name, start)
	if t, ok := e.(*hclsyntax.TemplateExpr); ok && len(t.Parts) == 0 {
		return &hclsyntax.LiteralValueExpr{Val: cty.StringVal(""), SrcRange: t.SrcRange}, diags
	}
	return e, diags
}

// ParseExpression parses the text of an expression, after measuring it.
func ParseExpression(text, name string) (hclsyntax.Expression, hcl.Diagnostics) {
	if problem := CheckText(name, []byte(text)); problem != nil {
		return nil, hcl.Diagnostics{problem}
	}
	tokens, diags := hclsyntax.LexExpression([]byte(text), name, hcl.InitialPos)
	if problem := CheckNesting(tokens); problem != nil {
		return nil, append(diags, problem)
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	return e, diags
}
