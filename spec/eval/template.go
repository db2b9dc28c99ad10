package eval

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/unicode/norm"
)

// template is a parsed template file.
type template struct {
	text string
	expr hclsyntax.Expression
}

// templateFunctions are templatefile and templatestring: a template sees the
// variables that it is given and nothing else.
func (v *Evaluation) templateFunctions() map[string]function.Function {
	return map[string]function.Function{
		"templatefile":   withOpenPaths(templateFunc("path", v.renderFile), 1),
		"templatestring": templateFunc("template", v.renderString),
	}
}

func templateFunc(first string, render func(string, cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: first, Type: cty.String}, anyValue("vars")},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := render(args[0].AsString(), args[1])
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return v, nil
		},
	})
}

// refusedTemplate is a function of templates where it cannot be called.
func refusedTemplate(first, why string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: first, Type: cty.String}, anyValue("vars")},
		Type:   func([]cty.Value) (cty.Type, error) { return cty.NilType, errors.New(why) },
		Impl:   func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, errors.New(why) },
	})
}

func (v *Evaluation) renderFile(path string, vars cty.Value) (cty.Value, error) {
	t, err := v.library.template(path)
	if err != nil {
		return cty.NilVal, function.NewArgError(0, err)
	}
	return v.render(t, path, vars)
}

func (v *Evaluation) renderString(text string, vars cty.Value) (cty.Value, error) {
	e, diags := parseTemplate(text, "<template>", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, function.NewArgError(0, diagnosticError(diags))
	}
	return v.render(&template{text: text, expr: addMeters(e)}, "<template>", vars)
}

// render evaluates a template, with its variables and functions alone.
func (v *Evaluation) render(t *template, name string, vars cty.Value) (cty.Value, error) {
	if vt := vars.Type(); vars.IsNull() || !vt.IsObjectType() && !vt.IsMapType() {
		return cty.NilVal, function.NewArgErrorf(1, "the variables of a template are a map or an object")
	}
	names := map[string]cty.Value{}
	for it := vars.ElementIterator(); it.Next(); {
		k, member := it.Element()
		if !hclsyntax.ValidIdentifier(k.AsString()) {
			return cty.NilVal, function.NewArgErrorf(1, "%q is no name for a variable of a template: letters, digits and underscores make one", k.AsString())
		}
		names[k.AsString()] = member
	}
	names[meterName] = cty.CapsuleVal(meterType, v.meter)
	ctx := v.library.root.NewChild()
	ctx.Variables = names
	ctx.Functions = maps.Clone(v.costlyFunctions())
	ctx.Functions["templatefile"] = refusedTemplate("path", "a template may not render another template")
	ctx.Functions["templatestring"] = refusedTemplate("template", "a template may not render another template")
	text, diags := t.expr.Value(ctx)
	if diags.HasErrors() {
		return cty.NilVal, diagnosticError(diags)
	}
	text, err := convert.Convert(text, cty.String)
	if err != nil || text.IsNull() {
		return cty.NilVal, fmt.Errorf("the template %s does not produce text", name)
	}
	return text, nil
}

// template reads and parses a template file, once.
func (l *Library) template(path string) (*template, error) {
	text, err := l.reader.read("templatefile", path)
	if err == nil {
		_, err = exactText(text, "source takes any file")
	}
	if err != nil {
		return nil, err
	}
	if known, ok := l.templates.Load(path); ok && known.(*template).text == text {
		return known.(*template), nil
	}
	e, diags := parseTemplate(text, path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diagnosticError(diags)
	}
	if rng := joinsBefore(e); rng != nil {
		return nil, fmt.Errorf("%s,%d: this text begins with an accent or the like, which would join what is put in before it and change; source takes any file", Place(*rng), rng.Start.Column)
	}
	t := &template{text: text, expr: addMeters(e)}
	l.templates.Store(path, t)
	return t, nil
}

// joinsBefore finds a piece of a template's text that normal form C would join
// with what an interpolation before it gives.
func joinsBefore(e hclsyntax.Expression) *hcl.Range {
	var at *hcl.Range
	hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		t, ok := n.(*hclsyntax.TemplateExpr)
		if !ok {
			return nil
		}
		for i, part := range t.Parts {
			literal, ok := part.(*hclsyntax.LiteralValueExpr)
			if text, isText := "", false; ok && i > 0 && at == nil {
				if text, isText = StringOf(literal.Val); isText && text != "" && !norm.NFC.PropertiesString(text).BoundaryBefore() {
					at = literal.SrcRange.Ptr()
				}
			}
		}
		return nil
	})
	return at
}

// diagnosticError is the first error among diagnostics, with its place.
func diagnosticError(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if d.Subject != nil {
			return fmt.Errorf("%s,%d: %s: %s", Place(*d.Subject), d.Subject.Start.Column, d.Summary, strings.TrimSuffix(d.Detail, "."))
		}
		return fmt.Errorf("%s: %s", d.Summary, strings.TrimSuffix(d.Detail, "."))
	}
	return nil
}
