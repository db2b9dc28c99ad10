package spec

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

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
			{Arguments: fromFiles(filepath.Join(dir, "s.vars"))}, {Arguments: fromFiles(filepath.Join(dir, "s.json"))}, {Arguments: fromLine([]Assignment{{"s", value, "--var"}})},
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
		"rule":   {"variable \"r\" {\n default = 1\n validation {\n condition = var.r == 2\n error_message = var.s\n }\n}", "its message is sensitive"},
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

// TestForEachSensitive has sensitive values in for_each: those may not become
// part of addresses, and may be anything else.
func TestForEachSensitive(t *testing.T) {
	const secret = "variable \"s\" {\n default = \"hunter2\"\n sensitive = true\n}\n"
	for text, ok := range map[string]bool{
		`{ web = var.s }`:                                true,
		`{ web = { token = [var.s] } }`:                  true,
		`{ for k in ["web"] : k => var.s }`:              true,
		`merge({ web = var.s }, { api = "x" })`:          true,
		`{ (var.s) = "web" }`:                            false,
		`{ for k in [var.s] : k => 1 }`:                  false,
		`toset([var.s])`:                                 false,
		`sensitive({ web = "x" })`:                       false,
		`sensitive(toset(["web"]))`:                      false,
		`var.s == "hunter2" ? { web = 1 } : { api = 1 }`: false,
	} {
		opts := source(secret + "layer \"l\" {\n for_each = " + text + "\n file \"/a\" { content = jsonencode(each.value) }\n}\n" +
			"manifest \"m\" {\n artifact_type = \"a/b\"\n layers = values(layer.l)\n}\n")
		s, diags := Load(t.TempDir(), opts)
		if strings.Contains(render(t, s, diags), "hunter2") && !strings.Contains(text, "hunter2") {
			t.Errorf("%s: the diagnostics show the value:\n%s", text, render(t, s, diags))
		}
		if !ok {
			mustSay(t, s, diags, "its keys are part of addresses")
			continue
		}
		if diags.HasErrors() {
			t.Errorf("%s: %s", text, render(t, s, diags))
			continue
		}
		n := object(t, s, `layer.l["web"]`, nil).Body.(*Layer).Tree[0]
		if !strings.Contains(n.Content, "hunter2") || !n.ContentSensitive {
			t.Errorf("%s: content %q, sensitive %v", text, n.Content, n.ContentSensitive)
		}
	}
}

// TestDynamicSensitive repeats blocks over sensitive values, which may be content
// and not paths.
func TestDynamicSensitive(t *testing.T) {
	const text = "variable \"s\" {\n default = \"hunter2\"\n sensitive = true\n}\nlayer \"l\" {\n dynamic \"file\" {\n for_each = %s\n labels = [%s]\n content { content = file.value }\n }\n}\n" +
		"manifest \"m\" {\n artifact_type = \"a/b\"\n layers = [layer.l]\n}\n"
	load := func(list, label string) (*Spec, hcl.Diagnostics) {
		return Load(t.TempDir(), source(fmt.Sprintf(text, list, label)))
	}
	for _, list := range []string{`{ a = var.s }`, `[var.s]`} {
		s, diags := load(list, `"/${file.key}"`)
		if diags.HasErrors() {
			t.Fatal(render(t, s, diags))
		}
		if n := object(t, s, "layer.l", nil).Body.(*Layer).Tree[0]; n.Content != "hunter2" || !n.ContentSensitive {
			t.Errorf("content %q, sensitive %v", n.Content, n.ContentSensitive)
		}
	}
	for _, test := range [][3]string{
		{`{ (var.s) = "x" }`, `"/${file.key}"`, "not sensitive"},
		{`toset([var.s])`, `"/a"`, "not sensitive"},
		{`[var.s]`, `"/${file.value}"`, "is sensitive"},
	} {
		s, diags := load(test[0], test[1])
		mustSay(t, s, diags, test[2])
		if strings.Contains(render(t, s, diags), "hunter2") {
			t.Errorf("the diagnostics show the value:\n%s", render(t, s, diags))
		}
	}
}
