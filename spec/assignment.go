package spec

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/opencontainers/go-digest"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// candidate is one value that was given for a variable.
type candidate struct {
	// text is set for an Assignment, value for anything else.
	text   string
	isText bool
	value  cty.Value
	rng    hcl.Range
}

// resolve gives the value in the type of the variable.
func (c candidate) resolve(v *variable) (cty.Value, hcl.Diagnostics) {
	value := c.value
	if c.isText {
		if v.typ == cty.String || v.untyped {
			return cty.StringVal(c.text), nil
		}
		e, diags := parseExpression(c.text, c.rng.Filename)
		if !diags.HasErrors() && len(e.Variables()) > 0 {
			diags = append(diags, v.problem(c.rng, fmt.Sprintf("the value is a literal of type %s and refers to nothing. Put a string in quotation marks.", v.typ.FriendlyName())))
		}
		if !diags.HasErrors() {
			var more hcl.Diagnostics
			value, more = addMeters(e).Value(nil)
			diags = append(diags, more...)
		}
		if diags.HasErrors() {
			return cty.DynamicVal, plain(diags)
		}
	}
	converted, problem := v.convert(value, c.rng, "the value")
	if problem != nil {
		return converted, hcl.Diagnostics{problem}
	}
	if _, problem := valueSize(converted); problem != "" {
		return converted, hcl.Diagnostics{v.problem(c.rng, problem)}
	}
	return converted, nil
}

// plain drops what a diagnostic would show of the values around it.
func plain(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		d.Expression, d.EvalContext = nil, nil
	}
	return diags
}

// given collects the values that were given for variables, rising in rank.
type given struct {
	p          *program
	candidates map[string][]candidate
}

// settleVariables gives every variable its value and validates it.
func (p *program) settleVariables(dir string, opts LoadOptions) hcl.Diagnostics {
	g := &given{p: p, candidates: map[string][]candidate{}}
	var diags hcl.Diagnostics
	if opts.Recorded == nil || g.needsSensitive() {
		diags = append(diags, g.collect(dir, opts)...)
	}
	recorded := map[string]Variable{}
	for _, r := range opts.Recorded {
		recorded[r.Name] = r
	}
	values := map[string]cty.Value{}
	for _, name := range keysOf(p.variables) {
		v := p.variables[name]
		r, isRecorded := recorded[name]
		if isRecorded && !v.sensitive && !r.Sensitive {
			diags = append(diags, v.restore(r)...)
		} else {
			diags = append(diags, v.settle(g.candidates[name])...)
			if isRecorded {
				diags = append(diags, v.compare(r)...)
			}
		}
		values[name] = v.value
	}
	p.values = cty.ObjectVal(values)
	for _, name := range keysOf(p.variables) {
		diags = append(diags, p.validate(p.variables[name])...)
	}
	return diags
}

// needsSensitive reports whether a sensitive variable is declared.
func (g *given) needsSensitive() bool {
	for _, v := range g.p.variables {
		if v.sensitive {
			return true
		}
	}
	return false
}

// collect reads all sources of values, from the weakest to the strongest.
func (g *given) collect(dir string, opts LoadOptions) hcl.Diagnostics {
	diags := g.autoFiles(dir)
	for _, a := range opts.Environ {
		diags = append(diags, g.assign(a, false)...)
	}
	for _, name := range opts.VarFiles {
		text, err := readAnywhere(name)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unreadable file", Detail: sentence(err)})
			continue
		}
		diags = append(diags, g.file(name, text)...)
	}
	for _, a := range opts.Vars {
		diags = append(diags, g.assign(a, true)...)
	}
	return diags
}

// autoFiles reads the *.auto.layformvars files of the spec's directory.
func (g *given) autoFiles(dir string) hcl.Diagnostics {
	names, problem := listFiles(dir)
	if problem != nil {
		return hcl.Diagnostics{problem}
	}
	var diags hcl.Diagnostics
	for _, name := range names {
		if !strings.HasSuffix(name, ".auto.layformvars") && !strings.HasSuffix(name, ".auto.layformvars.json") {
			continue
		}
		text, err := readInside(dir, name, MaxSourceSize)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unreadable file", Detail: sentence(err)})
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
		return "", readProblem(name, err)
	}
	defer f.Close()
	return readRegular(f, name, MaxSourceSize)
}

// file takes the values of a variables file.
func (g *given) file(name, text string) hcl.Diagnostics {
	f, diags := ParseFile(name, text)
	if diags.HasErrors() {
		if g.needsSensitive() {
			f.Bytes = nil // nobody knows which lines are not to be shown
		}
		g.p.files[name] = f
		return diags
	}
	attrs, more := f.Body.JustAttributes()
	diags = append(diags, more...)
	g.p.files[name] = g.hidden(f, attrs)
	for _, key := range keysOf(attrs) {
		a := attrs[key]
		if _, ok := g.p.variables[key]; !ok {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Value for undeclared variable", Subject: a.NameRange.Ptr(),
				Detail: fmt.Sprintf("The spec declares no variable %q, so this value has no effect.%s", key, suggest(key, keysOf(g.p.variables))),
			})
			continue
		}
		e, problems := newExpression(a.Expr)
		value, more := g.p.constant(e, cty.DynamicPseudoType, "The value of a variable")
		problems = append(problems, plain(more)...)
		if v := g.p.variables[key]; v.sensitive && problems.HasErrors() {
			problems = hcl.Diagnostics{v.problem(a.Expr.Range(), "the value is no literal. It is sensitive, so more is not shown. Put a string in quotation marks.")}
		}
		diags = append(diags, problems...)
		if !problems.HasErrors() {
			g.candidates[key] = append(g.candidates[key], candidate{value: value, rng: a.Expr.Range()})
		}
	}
	return diags
}

// hidden is a variables file for snippets: with asterisks in the place of the
// values of sensitive variables.
func (g *given) hidden(f *hcl.File, attrs hcl.Attributes) *hcl.File {
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

// parseFile checks and parses one file of HCL or JSON. The file is nil when
// nothing could be made of it.
func ParseFile(name, text string) (*hcl.File, hcl.Diagnostics) {
	src := []byte(text)
	if problem := sourceProblem(name, src); problem != nil {
		return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, hcl.Diagnostics{problem}
	}
	if strings.HasSuffix(name, ".json") {
		if problem := jsonProblem(name, src); problem != nil {
			return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, hcl.Diagnostics{problem}
		}
		f, diags := hcljson.Parse(src, name)
		if f == nil {
			f = &hcl.File{Bytes: src, Body: hcl.EmptyBody()}
		}
		return f, diags
	}
	if problem := sourceNesting(name, src); problem != nil {
		return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, hcl.Diagnostics{problem}
	}
	return hclsyntax.ParseConfig(src, name, hcl.InitialPos)
}

// assign takes an assignment of the environment or the command line.
func (g *given) assign(a Assignment, strict bool) hcl.Diagnostics {
	name := fmt.Sprintf("<value of var.%s from %s>", a.Name, a.Origin)
	rng := hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.Pos{Line: 1, Column: 1 + len(a.Text), Byte: len(a.Text)}}
	v, ok := g.p.variables[a.Name]
	if !ok {
		if !strict {
			return nil
		}
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Value for undeclared variable",
			Detail: fmt.Sprintf("The spec declares no variable %q, but %s gives it a value.%s", a.Name, a.Origin, suggest(a.Name, keysOf(g.p.variables))),
		}}
	}
	if problem := sourceProblem(name, []byte(a.Text)); problem != nil {
		return hcl.Diagnostics{problem}
	}
	// The text of a sensitive variable is not kept for snippets.
	if !v.sensitive {
		g.p.files[name] = &hcl.File{Bytes: []byte(a.Text), Body: hcl.EmptyBody()}
	}
	g.candidates[a.Name] = append(g.candidates[a.Name], candidate{text: a.Text, isText: true, rng: rng})
	return nil
}

// restore takes a value that a plan recorded.
func (v *variable) restore(r Variable) hcl.Diagnostics {
	v.value = cty.UnknownVal(v.typ)
	if v.wrong {
		return nil
	}
	t, err := ctyjson.UnmarshalType(r.Type)
	if err == nil {
		v.value, err = ctyjson.Unmarshal(r.Value, t)
	}
	if err != nil {
		v.wrong = true
		return hcl.Diagnostics{v.problem(v.rng, fmt.Sprintf("the plan holds no proper value (%s). Make a new plan.", err))}
	}
	value, problem := v.convert(v.value, v.rng, "the value in the plan")
	if problem != nil {
		v.wrong = true
		return hcl.Diagnostics{problem}
	}
	v.value = value
	return nil
}

// compare checks that a sensitive variable has the value that it had for the plan.
func (v *variable) compare(r Variable) hcl.Diagnostics {
	if v.wrong {
		return nil
	}
	if d, err := saltedDigest(v.value, r.Salt); err != nil || d != r.Digest {
		v.wrong = true
		return hcl.Diagnostics{v.problem(v.rng, "it is sensitive, so the plan does not hold its value, and the value given now is another one than "+
			"the plan was made with. Give the same value, or make a new plan.")}
	}
	return nil
}

// record is the form in which a plan keeps the variable.
func (v *variable) record() (Variable, error) {
	r := Variable{Name: v.name, Sensitive: v.sensitive}
	value, _ := v.value.UnmarkDeep()
	if !v.sensitive {
		var err error
		if r.Type, err = ctyjson.MarshalType(value.Type()); err != nil {
			return r, err
		}
		r.Value, err = ctyjson.Marshal(value, value.Type())
		return r, err
	}
	r.Salt = rand.Text()
	var err error
	r.Digest, err = saltedDigest(value, r.Salt)
	return r, err
}

// saltedDigest is a digest over a salt, the type and the value.
func saltedDigest(value cty.Value, salt string) (digest.Digest, error) {
	value, _ = value.UnmarkDeep()
	t, err := ctyjson.MarshalType(value.Type())
	if err != nil {
		return "", err
	}
	raw, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat([]byte(salt), []byte{0}, t, []byte{0}, raw))
	return digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(sum[:])), nil
}

// sentence makes an error the detail of a diagnostic.
func sentence(err error) string {
	text := err.Error()
	if text == "" {
		return "Unknown error."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
