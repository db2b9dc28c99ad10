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
	write(t, dir, "b.auto.layformvars", "text = \"b\"\n")
	write(t, dir, "a.auto.layformvars.json", `{"text": "a"}`)
	write(t, dir, "other.layformvars", "text = \"never read\"\n")
	if got := text(LoadOptions{}); got != `"b"` {
		t.Errorf("auto files: %s", got)
	}
	opts := LoadOptions{Environ: []Assignment{{"text", "environ", "LAYFORM_VAR_text"}, {"unknown", "x", "LAYFORM_VAR_unknown"}}}
	if got := text(opts); got != `"environ"` {
		t.Errorf("environment: %s", got)
	}
	opts.VarFiles = []string{filepath.Join(dir, "one.vars"), filepath.Join(dir, "two.json")}
	write(t, dir, "one.vars", "text = \"one\"\nlist = [\"5\", 6]\n")
	write(t, dir, "two.json", `{"text": "two"}`)
	if got := text(opts); got != `"two"` {
		t.Errorf("files: %s", got)
	}
	if got := values(t, mustLoad(t, dir, opts))["list"]; got != "[5,6]" {
		t.Errorf("list: %s", got)
	}
	opts.Vars = []Assignment{{"text", "first", "--var"}, {"text", "[not an expression", "--var"}, {"list", "[7]", "--var"}, {"any", "\"x\"", "--var"}, {"untyped", "1.10", "--var"}}
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
	vars := func(name, text string) LoadOptions { return LoadOptions{Vars: []Assignment{{name, text, "--var"}}} }
	mustFail(t, dir, vars("txt", "x"), `declares no variable "txt", but --var gives it a value.`, `Did you mean "text"?`)
	mustFail(t, dir, vars("list", "x"), "<value of var.list from --var> line 1", "refers to nothing")
	mustFail(t, dir, vars("list", "[1"), "<value of var.list from --var> line 1")
	mustFail(t, dir, vars("list", `["x"]`), "list(number)", "a number is required")
	mustFail(t, dir, vars("any", strings.Repeat("(", 200)), "nested too deeply")
	mustFail(t, dir, LoadOptions{VarFiles: []string{filepath.Join(dir, "bad.vars")}}, "The value of a variable may not refer to anything")
	mustFail(t, dir, LoadOptions{VarFiles: []string{filepath.Join(dir, "block.vars")}}, "block.vars line 1")
	mustFail(t, dir, LoadOptions{VarFiles: []string{filepath.Join(dir, "none.vars")}}, "There is no file")
	s, diags := Load(dir, LoadOptions{VarFiles: []string{filepath.Join(dir, "typo.vars")}})
	if diags.HasErrors() || !strings.Contains(render(t, s, diags), `Did you mean "text"?`) {
		t.Errorf("a value for a variable that is not declared: %s", render(t, s, diags))
	}
	mustFail(t, t.TempDir(), source(`
variable "v" {
  default  = null
  nullable = false
}`), "nullable is false")
}

func TestNullable(t *testing.T) {
	opts := source("variable \"v\" {\n type = any\n default = \"x\"\n nullable = false\n}\noutput \"v\" { value = var.v }\n")
	opts.Vars = []Assignment{{"v", "null", "--var"}}
	if got := values(t, mustLoad(t, t.TempDir(), opts))["v"]; got != `"x"` {
		t.Errorf("null gives %s, not the default", got)
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
	opts.Vars = []Assignment{{"list", "[2, 3]", "--var"}, {"secret", "{ b = 4711 }", "--var"}, {"any", "{ deep = [true] }", "--var"}}
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
	again.Vars = []Assignment{{"list", "[9]", "--var"}}
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

// TestSensitiveValues gives sensitive variables values that are wrong: neither
// the messages nor their snippets show them.
func TestSensitiveValues(t *testing.T) {
	opts := source("variable \"s\" {\n type = object({ a = number })\n sensitive = true\n}\noutput \"o\" {\n value = var.s\n sensitive = true\n}\n")
	for _, value := range []string{
		"hunter2", `"hunter2"`, "{ hunter2 = 1 }", "{ a = hunter2 }", `{ a = "hunter2" }`, `{ a = tonumber("hunter2") }`, `"hunter2`, "{\n a = [\"hunter2\"]\n}",
		`{ a = hunter2("x") }`, `"${hunter2}"`,
	} {
		dir := t.TempDir()
		write(t, dir, "s.vars", "s = "+value+"\n")
		encoded, err := json.Marshal(map[string]any{"s": value})
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "s.json", string(encoded))
		for _, given := range []LoadOptions{
			{VarFiles: []string{filepath.Join(dir, "s.vars")}}, {VarFiles: []string{filepath.Join(dir, "s.json")}}, {Vars: []Assignment{{"s", value, "--var"}}},
		} {
			given.Sources = opts.Sources
			s, diags := Load(dir, given)
			if text := render(t, s, diags); !diags.HasErrors() || strings.Contains(text, "hunter2") {
				t.Errorf("%s gives:\n%s", value, text)
			}
		}
	}
}

func TestSensitive(t *testing.T) {
	const secret = "variable \"s\" {\n default = \"hunter2\"\n sensitive = true\n}\n"
	for name, test := range map[string][2]string{
		"output": {`output "o" { value = var.s }`, "Add sensitive = true"},
		"tags":   {"manifest \"m\" {\n artifact_type = \"a/b\"\n tags = [var.s]\n}", "tags is sensitive"},
		"type":   {"manifest \"m\" { artifact_type = var.s }", "artifact_type is sensitive, but plans and layouts show it to everybody"},
		"layout": {"layform { name = sensitive(\"x\") }", "not sensitive"},
		"path":   {"layer \"l\" { archive = var.s }", "archive is sensitive"},
		"user":   {"config \"c\" {\n platform = \"linux/amd64\"\n user = \"a ${var.s}\"\n}", "user is (sensitive)"},
		"input":  {"layer \"l\" {\n file \"/a\" { content = file(\"${var.s}\") }\n}", "the path is sensitive, but a plan lists what functions read"},
		"tree":   {"layer \"l\" {\n symlink \"/a\" { target = var.s }\n}", "target is sensitive, but plans and layouts show it to everybody"},
		"call":   {"output \"o\" {\n value = tonumber(var.s)\n sensitive = true\n}", `The function "tonumber" cannot be called with these arguments.`},
		"rule":   {"variable \"r\" {\n default = 1\n validation {\n condition = false\n error_message = var.s\n }\n}", "its message is sensitive"},
	} {
		t.Run(name, func(t *testing.T) {
			s, diags := Load(t.TempDir(), source(secret+test[0]))
			text := strings.Join(strings.Fields(render(t, s, diags)), " ")
			if !diags.HasErrors() || !strings.Contains(text, test[1]) {
				t.Errorf("want %q:\n%s", test[1], text)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("the diagnostics show the secret:\n%s", text)
			}
		})
	}
}
