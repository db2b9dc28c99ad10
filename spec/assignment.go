package spec

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
)

// assignedValue is one value that was given for a variable.
type assignedValue struct {
	// text is set for an Assignment, value for anything else.
	text   string
	isText bool
	value  cty.Value
	rng    hcl.Range
}

// resolve gives the value in the type of the variable.
func (p *module) resolve(c assignedValue, v *variable) (cty.Value, hcl.Diagnostics) {
	value := c.value
	if c.isText {
		var diags hcl.Diagnostics
		value, diags = p.parseText(c, v)
		if diags.HasErrors() && v.sensitive {
			return cty.DynamicVal, hcl.Diagnostics{v.notLiteral(c.rng)}
		}
		if diags.HasErrors() {
			return cty.DynamicVal, plain(diags)
		}
	}
	converted, problem := v.convert(value, c.rng, "the value")
	if problem != nil {
		return converted, hcl.Diagnostics{problem}
	}
	if _, problem := eval.Size(converted); problem != "" {
		return converted, hcl.Diagnostics{v.problem(c.rng, problem)}
	}
	return converted, nil
}

// notLiteral reports the value of a sensitive variable without showing any of it.
func (v *variable) notLiteral(rng hcl.Range) *hcl.Diagnostic {
	return v.problem(rng, "the value is no literal. It is sensitive, so more is not shown. Put a string in quotation marks.")
}

// parseText reads the text of an assignment: as it is for a primitive type,
// comma-separated for a list of strings, and else as HCL.
func (p *module) parseText(c assignedValue, v *variable) (cty.Value, hcl.Diagnostics) {
	switch {
	case v.untyped || v.typ.IsPrimitiveType():
		return cty.StringVal(c.text), nil
	case v.takesCSV(c.text):
		value, err := splitCSV(c.text)
		if err != nil {
			return cty.DynamicVal, hcl.Diagnostics{v.problem(c.rng, fmt.Sprintf("the value is neither comma-separated text nor an HCL list: %s.", problemText(err, v.sensitive)))}
		}
		return value, nil
	}
	e, diags := eval.ParseExpression(c.text, c.rng.Filename)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if len(e.Variables()) > 0 {
		return cty.DynamicVal, append(diags, v.problem(c.rng, fmt.Sprintf("the value is a literal of type %s and refers to nothing. Put a string in quotation marks.", v.typ.FriendlyName())))
	}
	value, more := p.literal(e)
	return value, append(diags, more...)
}

// takesCSV reports whether a text is comma-separated values for the variable: a
// list or set of strings that is not written in brackets.
func (v *variable) takesCSV(text string) bool {
	if !v.typ.IsListType() && !v.typ.IsSetType() || v.typ.ElementType() != cty.String {
		return false
	}
	text = strings.TrimSpace(text)
	return text != "null" && !strings.HasPrefix(text, "[")
}

// splitCSV reads one line of comma-separated values as a list of strings.
func splitCSV(text string) (cty.Value, error) {
	if strings.TrimSpace(text) == "" {
		return cty.ListValEmpty(cty.String), nil
	}
	r := csv.NewReader(strings.NewReader(text))
	fields, err := r.Read()
	if err != nil {
		return cty.NilVal, err
	}
	if _, err := r.Read(); err != io.EOF {
		return cty.NilVal, errors.New("it has more than one line")
	}
	values := make([]cty.Value, len(fields))
	for i, field := range fields {
		values[i] = cty.StringVal(field)
	}
	return cty.ListVal(values), nil
}

// literal evaluates an expression that is data: it refers to nothing and calls no
// function. Strings in JSON are no templates.
func (p *module) literal(e hcl.Expression) (cty.Value, hcl.Diagnostics) {
	const what = "The value of a variable"
	syntax, ok := e.(hclsyntax.Expression)
	if !ok {
		return e.Value(nil)
	}
	if refs := eval.FindReferences(syntax); len(refs) > 0 {
		return cty.DynamicVal, hcl.Diagnostics{p.checkReference(refs[0], scope{what: what})}
	}
	diags := eval.CheckDuplicateMembers(syntax)
	diags = append(diags, hclsyntax.VisitAll(syntax, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return nil
		}
		return hcl.Diagnostics{eval.Errorf(call.NameRange.Ptr(), "Function call not allowed", "%s calls no functions: it is data. Compute %s(...) in a local of the spec.", what, call.Name)}
	})...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, more := p.library.NewEvaluation(p.watch).Literal(syntax)
	return v, append(diags, more...)
}

// plain drops what a diagnostic would show of the values around it.
func plain(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		d.Expression, d.EvalContext = nil, nil
	}
	return diags
}

// variableSources collects the values that were given for variables, rising in rank.
type variableSources struct{ p *module }

// assignVariables notes for every variable the values that were given for it.
func (p *module) assignVariables(dir string, opts LoadOptions) hcl.Diagnostics {
	g := &variableSources{p: p}
	for _, r := range opts.Recorded {
		if v := p.variables[r.Name]; v != nil {
			v.recorded = &r
		}
	}
	if opts.Recorded != nil && !g.needsSensitive() {
		return nil
	}
	return g.collect(dir, opts)
}

// needsSensitive reports whether a sensitive variable is declared.
func (g *variableSources) needsSensitive() bool {
	for _, v := range g.p.variables {
		if v.sensitive {
			return true
		}
	}
	return false
}

// collect reads all sources of values, from the weakest to the strongest.
func (g *variableSources) collect(dir string, opts LoadOptions) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range opts.Environ {
		diags = append(diags, g.assign(a, false)...)
	}
	diags = append(diags, g.autoFiles(dir)...)
	for _, a := range opts.Arguments {
		if a.File == "" {
			diags = append(diags, g.assign(a.Assignment, true)...)
			continue
		}
		text, err := readAnywhere(a.File)
		if err != nil {
			diags = append(diags, eval.Errorf(nil, "Unreadable file", "%s", sentence(err)))
			continue
		}
		diags = append(diags, g.file(a.File, text)...)
	}
	return diags
}

// autoFiles reads the variable files of the spec's directory: layform.layformvars,
// then *.auto.layformvars, each with its form in JSON.
func (g *variableSources) autoFiles(dir string) hcl.Diagnostics {
	all, problem := listFiles(dir)
	if problem != nil {
		return hcl.Diagnostics{problem}
	}
	var names []string
	for _, name := range []string{"layform.layformvars", "layform.layformvars.json"} {
		if slices.Contains(all, name) {
			names = append(names, name)
		}
	}
	for _, name := range all {
		if strings.HasSuffix(name, ".auto.layformvars") || strings.HasSuffix(name, ".auto.layformvars.json") {
			names = append(names, name)
		}
	}
	var diags hcl.Diagnostics
	for _, name := range names {
		text, err := eval.ReadInside(dir, name, eval.MaxSourceSize)
		if err != nil {
			diags = append(diags, eval.Errorf(nil, "Unreadable file", "%s", sentence(err)))
			continue
		}
		diags = append(diags, g.file(name, text)...)
	}
	return diags
}

// readAnywhere reads a regular file that the user names on the command line.
func readAnywhere(name string) (string, error) {
	f, err := os.OpenFile(filepath.Clean(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no file %q", name) // nothing ties it to the spec's directory
	}
	if err != nil {
		return "", eval.ExplainRead(name, err)
	}
	defer f.Close()
	return eval.ReadRegular(f, name, eval.MaxSourceSize)
}

// file takes the values of a variables file.
func (g *variableSources) file(name, text string) hcl.Diagnostics {
	f, diags := eval.ParseFile(name, text)
	if diags.HasErrors() {
		if g.needsSensitive() {
			f.Bytes = nil // nobody knows which lines are not to be shown
		}
		g.p.files[name] = f
		return diags
	}
	attrs, more := f.Body.JustAttributes()
	diags = append(diags, more...)
	g.p.files[name] = g.redacted(f, attrs)
	for _, key := range keysOf(attrs) {
		a := attrs[key]
		if _, ok := g.p.variables[key]; !ok {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Value for undeclared variable", Subject: a.NameRange.Ptr(),
				Detail: fmt.Sprintf("The spec declares no variable %q, so this value has no effect.%s", key, suggest.Closest(key, keysOf(g.p.variables))),
			})
			continue
		}
		value, problems := g.p.literal(a.Expr)
		problems = plain(problems)
		v := g.p.variables[key]
		if v.sensitive && problems.HasErrors() {
			problems = hcl.Diagnostics{v.notLiteral(a.Expr.Range())}
		}
		diags = append(diags, problems...)
		if v.invalid = v.invalid || problems.HasErrors(); !v.invalid {
			v.candidates = append(v.candidates, assignedValue{value: value, rng: a.Expr.Range()})
		}
	}
	return diags
}

// redacted is a variables file for snippets: with asterisks in the place of the
// values of sensitive variables.
func (g *variableSources) redacted(f *hcl.File, attrs hcl.Attributes) *hcl.File {
	shown := *f
	shown.Bytes = slices.Clone(f.Bytes)
	for name, a := range attrs {
		if v := g.p.variables[name]; v == nil || !v.sensitive {
			continue
		}
		for i := a.Expr.Range().Start.Byte; i < a.Expr.Range().End.Byte; i++ {
			if shown.Bytes[i] != '\n' {
				shown.Bytes[i] = '*'
			}
		}
	}
	return &shown
}

// assign takes an assignment of the environment or the command line.
func (g *variableSources) assign(a Assignment, strict bool) hcl.Diagnostics {
	name := fmt.Sprintf("<value of var.%s from %s>", a.Name, a.Origin)
	rng := hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.Pos{Line: 1, Column: 1 + len(a.Text), Byte: len(a.Text)}}
	v, ok := g.p.variables[a.Name]
	if !ok {
		if !strict {
			return nil
		}
		return hcl.Diagnostics{eval.Errorf(nil, "Value for undeclared variable", "The spec declares no variable %q, but %s gives it a value.%s", a.Name, a.Origin, suggest.Closest(a.Name, keysOf(g.p.variables)))}
	}
	if problem := eval.CheckText(name, []byte(a.Text)); problem != nil {
		return hcl.Diagnostics{problem}
	}
	// The text of a sensitive variable is not kept for snippets.
	if !v.sensitive {
		g.p.files[name] = &hcl.File{Bytes: []byte(a.Text), Body: hcl.EmptyBody()}
	}
	v.candidates = append(v.candidates, assignedValue{text: a.Text, isText: true, rng: rng})
	return nil
}

// sentence makes an error the detail of a diagnostic.
func sentence(err error) string {
	text := err.Error()
	if text == "" {
		return "Unknown error."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
