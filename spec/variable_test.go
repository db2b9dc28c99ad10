package spec

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

const variableSpec = `
variable "text" {
  type    = string
  default = "default"
}
variable "list" {
  type    = list(number)
  default = [1]
}
variable "any" {
  type    = any
  default = null
}
variable "untyped" { default = 1 }
output "text" { value = var.text }
output "list" { value = var.list }
output "any" { value = var.any }
output "untyped" { value = var.untyped }
`

// values evaluates the outputs of a spec by name.
func values(t *testing.T, s *Spec) map[string]string {
	t.Helper()
	outputs, diags := s.Outputs(nil)
	if diags.HasErrors() {
		t.Fatal(render(t, s, diags))
	}
	m := map[string]string{}
	for _, o := range outputs {
		m[o.Name] = o.Value
	}
	return m
}

// TestVariableOrder adds one source of values after the other: each wins over
// those before it.
func TestVariableOrder(t *testing.T) {
	dir := files(t, map[string]string{"layform.hcl": "layout { path = \"out\" }\n" + variableSpec})
	text := func(opts LoadOptions) string { return values(t, mustLoad(t, dir, opts))["text"] }
	if got := text(LoadOptions{}); got != `"default"` {
		t.Errorf("default: %s", got)
	}
	opts := LoadOptions{Environ: []Assignment{{"text", "environ", "LAYFORM_VAR_text"}, {"unknown", "x", "LAYFORM_VAR_unknown"}}}
	if got := text(opts); got != `"environ"` {
		t.Errorf("environment: %s", got)
	}
	for _, file := range []struct{ name, text, want string }{
		{"other.layformvars", "text = \"never read\"\n", `"environ"`},
		{"layform.layformvars", "text = \"spec\"\n", `"spec"`},
		{"layform.layformvars.json", `{"text": "spec json"}`, `"spec json"`},
		{"a.auto.layformvars.json", `{"text": "a"}`, `"a"`},
		{"b.auto.layformvars", "\uFEFFtext = \"b\"\n", `"b"`},
	} {
		write(t, dir, file.name, file.text)
		if got := text(opts); got != file.want {
			t.Errorf("with %s: %s, want %s", file.name, got, file.want)
		}
	}
	opts.Arguments = fromFiles(filepath.Join(dir, "one.vars"), filepath.Join(dir, "two.json"))
	write(t, dir, "one.vars", "text = \"one\"\nlist = [\"5\", 6]\n")
	write(t, dir, "two.json", `{"text": "two"}`)
	if got := text(opts); got != `"two"` {
		t.Errorf("files: %s", got)
	}
	if got := values(t, mustLoad(t, dir, opts))["list"]; got != "[5,6]" {
		t.Errorf("list: %s", got)
	}
	opts.Arguments = append(fromLine([]Assignment{{"text", "line", "--var"}}), opts.Arguments...)
	if got := text(opts); got != `"two"` {
		t.Errorf("a file behind an assignment: %s", got)
	}
	opts.Arguments = fromLine([]Assignment{{"text", "first", "--var"}, {"text", "[not an expression", "--var"}, {"list", "[7]", "--var"}, {"any", "\"x\"", "--var"}, {"untyped", "1.10", "--var"}})
	got := values(t, mustLoad(t, dir, opts))
	if got["text"] != `"[not an expression"` || got["list"] != "[7]" || got["any"] != `"x"` || got["untyped"] != `"1.10"` {
		t.Errorf("command line: %v", got)
	}
	for _, text := range []string{"true", "null", "[1]", "a b", "${x}", "(", ""} {
		opts := LoadOptions{Environ: []Assignment{{"untyped", text, "LAYFORM_VAR_untyped"}}}
		if got := values(t, mustLoad(t, dir, opts))["untyped"]; got != canonicalJSON(cty.StringVal(text)) {
			t.Errorf("%s gives %s for a variable without a type, which takes text as it is", text, got)
		}
	}
}

// fromLine are assignments of the command line, fromFiles its variable files.
func fromLine(list []Assignment) []Argument {
	var args []Argument
	for _, a := range list {
		args = append(args, Argument{Assignment: a})
	}
	return args
}

func fromFiles(names ...string) []Argument {
	var args []Argument
	for _, name := range names {
		args = append(args, Argument{File: name})
	}
	return args
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := writeFile(filepath.Join(dir, name), text); err != nil {
		t.Fatal(err)
	}
}

func TestVariableMistakes(t *testing.T) {
	dir := files(t, map[string]string{
		"layform.hcl": "layout { path = \"out\" }\n" + variableSpec,
		"bad.vars":    "text = var.list\n",
		"block.vars":  "x {\n}\n",
		"typo.vars":   "txt = 1\n",
	})
	vars := func(name, text string) LoadOptions {
		return LoadOptions{Arguments: fromLine([]Assignment{{name, text, "--var"}})}
	}
	mustFail(t, dir, vars("txt", "x"), `declares no variable "txt", but --var gives it a value.`, `Did you mean "text"?`)
	mustFail(t, dir, vars("list", "x"), "<value of var.list from --var> line 1", "refers to nothing")
	mustFail(t, dir, vars("list", "[1"), "<value of var.list from --var> line 1")
	mustFail(t, dir, vars("list", `["x"]`), "list(number)", "a number is required")
	mustFail(t, dir, vars("any", strings.Repeat("(", 200)), "nested too deeply")
	mustFail(t, dir, LoadOptions{Arguments: fromFiles(filepath.Join(dir, "bad.vars"))}, "The value of a variable may not refer to anything")
	mustFail(t, dir, LoadOptions{Arguments: fromFiles(filepath.Join(dir, "block.vars"))}, "block.vars line 1")
	mustFail(t, dir, LoadOptions{Arguments: fromFiles(filepath.Join(dir, "none.vars"))}, "There is no file")
	s, diags := Load(dir, LoadOptions{Arguments: fromFiles(filepath.Join(dir, "typo.vars"))})
	if diags.HasErrors() || !strings.Contains(render(t, s, diags), `Did you mean "text"?`) {
		t.Errorf("a value for a variable that is not declared: %s", render(t, s, diags))
	}
	mustFail(t, t.TempDir(), source(`
variable "v" {
  default  = null
  nullable = false
}`), "nullable is false")
}

// TestVariableRules holds a variable against the values that are given for it,
// each a file or a text.
func TestVariableRules(t *testing.T) {
	const list, set = "type = list(string)", "type = set(string)"
	notNull := "type = any\n default = \"x\"\n nullable = false"
	for _, test := range []struct{ block, text, hcl, json, want, err string }{
		// A null that is not allowed takes the default, whatever weaker sources say.
		{block: notNull, text: "null", want: `"x"`},
		{block: notNull, hcl: "null", text: "null", want: `"x"`},
		{block: notNull, json: "null", want: `"x"`},
		{block: "type = any\n nullable = false", text: "null", err: "nullable is false, and there is no default"},
		{block: "type = any", text: "null", want: "null"},
		// Without a value, a variable that says nullable is null.
		{block: "type = string\n nullable = true", want: "null"},
		{block: "type = string", err: "has no default and was given no value"},
		// Primitive types take text, which is no expression.
		{block: "type = number", text: "1+1", err: "a number is required"},
		{block: "type = number", text: "2", want: "2"},
		{block: "type = bool", text: "!true", err: "a bool is required"},
		{block: "type = bool", text: "true", want: "true"},
		{block: "type = string", text: "null", want: `"null"`},
		// Lists of strings are HCL or comma-separated values.
		{block: list, text: `["a", "b"]`, want: `["a","b"]`},
		{block: list, text: `a,"b,c", d`, want: `["a","b,c"," d"]`},
		{block: list, text: "", want: `[]`},
		{block: list, text: "null", want: `null`},
		{block: list, text: "${x}", want: `["${x}"]`},
		{block: list, text: "a\nb", err: "more than one line"},
		{block: list, text: `a,"b`, err: "neither comma-separated"},
		{block: list, text: `[a]`, err: "refers to nothing"},
		{block: set, text: "b,a,b", want: `["a","b"]`},
		{block: "type = list(number)", text: "1,2", err: "line 1"},
		// Files are data: no functions, and strings in JSON are no templates.
		{block: "type = string", json: `"${file(\"x\")}%{ if true }"`, want: `"${file(\"x\")}%{ if true }"`},
		{block: "type = any", json: `{"${1}": ["$${x}", "${var.v}"]}`, want: `{"${1}":["$${x}","${var.v}"]}`},
		{block: "type = number", json: `"2"`, want: "2"},
		{block: "type = number", json: `1e99999`, err: "too large"},
		{block: "type = string", json: `1e99999`, err: "too large"},
		{block: "type = any", json: `{"a": 1, "a": 2}`, err: "Duplicate"},
		{block: "type = string", hcl: `file("x")`, err: "calls no functions"},
		{block: "type = string", hcl: `"${upper("x")}"`, err: "calls no functions"},
		{block: "type = string", hcl: `[for x in ["a"] : upper(x)][0]`, err: "calls no functions"},
		{block: "type = string", hcl: `"${local.x}"`, err: "may not refer to anything"},
		{block: list, hcl: `["a", "${1 + 1}"]`, want: `["a","2"]`},
		{block: list, hcl: "[for a in [1,2,3,4,5,6,7,8,9,10]: join]", err: "nothing named"},
		{block: "type = any", text: `{ a = upper("x") }`, err: "calls no functions"},
		// Of several values, only the one that counts has to have the type.
		{block: "type = number", hcl: `"x"`, text: "7", want: "7"},
	} {
		opts := source("variable \"v\" {\n" + test.block + "\n}\noutput \"v\" { value = var.v }\n")
		dir := t.TempDir()
		if test.hcl != "" {
			write(t, dir, "v.vars", "v = "+test.hcl+"\n")
			opts.Arguments = append(opts.Arguments, fromFiles(filepath.Join(dir, "v.vars"))...)
		}
		if test.json != "" {
			write(t, dir, "v.json", `{"v": `+test.json+`}`)
			opts.Arguments = append(opts.Arguments, fromFiles(filepath.Join(dir, "v.json"))...)
		}
		if test.text != "" || strings.Contains(test.want, "[]") {
			opts.Arguments = append(opts.Arguments, fromLine([]Assignment{{"v", test.text, "--var"}})...)
		}
		if test.err != "" {
			mustFail(t, dir, opts, test.err)
			continue
		}
		s, diags := Load(dir, opts)
		if diags.HasErrors() {
			t.Errorf("%+v: %s", test, render(t, s, diags))
		} else if got := values(t, s)["v"]; got != test.want {
			t.Errorf("%+v gives %s", test, got)
		}
	}
}

// TestVariableDefaults has defaults that refer to other variables and to locals.
func TestVariableDefaults(t *testing.T) {
	const text = `
variable "tag" { default = "${var.version}-${local.suffix}" }
variable "version" { default = "v1" }
locals {
  suffix = upper(var.kind)
  image  = "app:${var.tag}"
}
variable "kind" {
  default = "dev"
  validation {
    condition     = var.kind != local.image
    error_message = "kind is ${var.kind}"
  }
}
output "image" { value = local.image }
`
	opts := source(text)
	if got := values(t, mustLoad(t, t.TempDir(), opts))["image"]; got != `"app:v1-DEV"` {
		t.Errorf("by default: %s", got)
	}
	opts.Arguments = fromLine([]Assignment{{"kind", "rc", "--var"}})
	s := mustLoad(t, t.TempDir(), opts)
	if got := values(t, s)["image"]; got != `"app:v1-RC"` {
		t.Errorf("with one value: %s", got)
	}
	again := source(text)
	again.Recorded = s.Variables
	if got := values(t, mustLoad(t, t.TempDir(), again))["image"]; got != `"app:v1-RC"` {
		t.Errorf("recorded: %s", got)
	}
	opts.Arguments = fromLine([]Assignment{{"tag", "x", "--var"}})
	if got := values(t, mustLoad(t, t.TempDir(), opts))["image"]; got != `"app:x"` {
		t.Errorf("overridden: %s", got)
	}
	for _, test := range [][2]string{
		{`variable "a" { default = var.a }`, "var.a refers to itself"},
		{"variable \"a\" { default = local.b }\nlocals { b = var.c }\nvariable \"c\" { default = var.a }", "in a circle"},
		{"variable \"a\" { default = layer.l.digest }\nlayer \"l\" {\n}", "may not refer to layer"},
		{"variable \"a\" { default = local.b }\nlocals { b = layer.l.digest }\nlayer \"l\" {\n}", "known after apply"},
		{"variable \"a\" { default = var.b }\nvariable \"b\" {\n default = \"x\"\n sensitive = true\n}", "Add sensitive = true to the variable"},
		{"variable \"a\" {\n type = number\n default = var.b\n}\nvariable \"b\" { default = \"x\" }", "a number is required"},
		{"variable \"a\" {\n nullable = false\n default = var.b\n}\nvariable \"b\" { default = null }", "nullable is false"},
		{"variable \"a\" {\n default = 1\n validation {\n condition = true\n error_message = \"x\"\n }\n}", "does not use var.a"},
		{"variable \"a\" {\n default = 1\n validation {\n condition = var.a != var.b\n error_message = \"a is b\"\n }\n}\nvariable \"b\" { default = 1 }", "a is b"},
	} {
		mustFail(t, t.TempDir(), source(test[0]), test[1])
	}
	// A circle that a value breaks is none.
	opts = source("variable \"a\" { default = var.b }\nvariable \"b\" { default = var.a }\noutput \"image\" { value = var.b }")
	opts.Arguments = fromLine([]Assignment{{"a", "x", "--var"}})
	if got := values(t, mustLoad(t, t.TempDir(), opts))["image"]; got != `"x"` {
		t.Errorf("a circle with a value: %s", got)
	}
}

// TestRecorded saves the variables of a spec as a plan does, and loads them.
func TestRecorded(t *testing.T) {
	const text = variableSpec + `
variable "secret" {
  type      = object({ a = optional(string, "x"), b = number })
  sensitive = true
}
output "secret" {
  value     = var.secret.b
  sensitive = true
}
layer "a" {
  file "/secret" { content = "b is ${var.secret.b}" }
}
config "a" {
  platform = "linux/amd64"
  labels   = { b = var.secret.b, plain = nonsensitive(var.secret.b) + 1, ("k${nonsensitive(var.secret.b)}") = "x" }
}
manifest "a" {
  config = config.a
  layers = [layer.a]
}
`
	opts := source(text)
	opts.Arguments = fromLine([]Assignment{{"list", "[2, 3]", "--var"}, {"secret", "{ b = 4711 }", "--var"}, {"any", "{ deep = [true] }", "--var"}})
	s := mustLoad(t, t.TempDir(), opts)
	raw, err := json.Marshal(s.Variables)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "4711") {
		t.Errorf("the plan shows the secret: %s", raw)
	}
	fields := strings.Join(fieldsOf(object(t, s, "config.a", nil)), "\n")
	if strings.Contains(fields, `labels["b"]="4711"`) || !strings.Contains(fields, "labels[\"b\"]=\"sha256:") || !strings.Contains(fields, `labels["plain"]="4712"`) {
		t.Errorf("fields:\n%s", fields)
	}
	if n := object(t, s, "layer.a", nil).Body.(*Layer).Tree[0]; n.Content != "b is 4711" || !n.ContentSensitive {
		t.Errorf("content %q, sensitive %v", n.Content, n.ContentSensitive)
	}

	again := source(text)
	if err := json.Unmarshal(raw, &again.Recorded); err != nil {
		t.Fatal(err)
	}
	again.Environ = []Assignment{{"secret", "{ b = 4711 }", "LAYFORM_VAR_secret"}}
	again.Arguments = fromLine([]Assignment{{"list", "[9]", "--var"}})
	got := values(t, mustLoad(t, t.TempDir(), again))
	if got["list"] != "[2,3]" || got["any"] != `{"deep":[true]}` {
		t.Errorf("recorded values: %v", got)
	}
	again.Environ[0].Text = "{ b = 4712 }"
	mustFail(t, t.TempDir(), again, "var.secret", "another one than the plan was made with")
	again.Environ = nil
	mustFail(t, t.TempDir(), again, "var.secret has no default and was given no value")
	again.Environ = []Assignment{{"secret", "{ b = 4711 }", "LAYFORM_VAR_secret"}}
	for i, v := range again.Recorded {
		if v.Name == "list" {
			again.Recorded[i].Value = json.RawMessage(`"x"`)
		}
	}
	mustFail(t, t.TempDir(), again, "the plan holds no proper value")
}

// TestByteOrderMark reads files that start with a mark, which is no part of them.
func TestByteOrderMark(t *testing.T) {
	const mark = "\uFEFF"
	dir := files(t, map[string]string{
		"layform.hcl":             mark + "layout { path = \"out\" }\nvariable \"a\" {}\nvariable \"b\" {}\noutput \"o\" { value = \"${var.a}${var.b}\" }\n",
		"x.layform.json":          mark + `{"locals": {"x": 1}}`,
		"a.auto.layformvars":      mark + "a = \"1\"\n",
		"b.auto.layformvars.json": mark + `{"b": "2"}`,
	})
	s := mustLoad(t, dir, LoadOptions{})
	if got := values(t, s)["o"]; got != `"12"` {
		t.Errorf("the value is %s", got)
	}
	for _, src := range s.Sources {
		if strings.HasPrefix(src.Text, mark) {
			t.Errorf("%s keeps its mark", src.Name)
		}
	}
}

func TestLayersThatAreNone(t *testing.T) {
	const text = "config \"c\" { platform = \"linux/amd64\" }\nlayer \"l\" {\n}\nmanifest \"m\" {\n config = config.c\n layers = %s\n}\n"
	for _, layers := range []string{`["sha256:abc"]`, `[layer.l, "x"]`, `[null]`, `[config.c]`, `[{}]`} {
		s, diags := Load(t.TempDir(), source(strings.Replace(text, "%s", layers, 1)))
		if !diags.HasErrors() || strings.Contains(render(t, s, diags), "has no layers") {
			t.Errorf("%s:\n%s", layers, render(t, s, diags))
		}
	}
	mustFail(t, t.TempDir(), source(strings.Replace(text, "%s", "[]", 1)), "has no layers")
}
