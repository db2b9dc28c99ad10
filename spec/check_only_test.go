package spec

import (
	"strings"
	"testing"
)

// TestCheckOnly checks specs without values of their variables, and warns about
// sources that do not exist.
func TestCheckOnly(t *testing.T) {
	dir := files(t, map[string]string{"here.tar": "", "bin/app": ""})
	check := func(text string) (*Spec, string, bool) {
		opts := source(text)
		opts.CheckOnly = true
		s, diags := Load(dir, opts)
		return s, render(t, s, diags), diags.HasErrors()
	}
	const rest = "\nvariable \"v\" { type = string }\nvariable \"list\" { type = set(string) }\n"
	for text, want := range map[string]string{
		"layout \"x\" {}": "an error",
		"layer \"l\" {\n for_each = var.list\n file \"/a\" { content = var.v }\n}\nmanifest \"m\" {\n artifact_type = \"a/b\"\n layers = values(layer.l)\n tags = [var.v]\n}": "",
		"layer \"l\" {\n archive = \"${var.v}.tar\"\n}\nmanifest \"m\" {\n artifact_type = \"a/b\"\n layers = [layer.l]\n}":                                                   "",
		"layer \"l\" {\n archive = var.w\n}":                                                                       "an error",
		"config \"c\" {\n platform = var.v\n user = [1]\n}":                                                        "an error",
		"layer \"l\" { archive = \"none.tar\" }\nmanifest \"m\" {\n artifact_type = var.v\n layers = [layer.l]\n}": `no "none.tar"`,
		"layer \"l\" { archive = \"here.tar\" }\nmanifest \"m\" {\n artifact_type = var.v\n layers = [layer.l]\n}": "",
		"layer \"l\" {\n copy { from = \"bin\" }\n copy { from = \"lib\" }\n file \"/x\" { source = \"etc/x\" }\n}\nmanifest \"m\" {\n artifact_type = var.v\n layers = [layer.l]\n}": `no "etc/x"`,
	} {
		_, got, failed := check(text + rest)
		switch {
		case failed != (want == "an error"):
			t.Errorf("%s:\n%s", text, got)
		case want == "" && got != "" || !failed && !strings.Contains(got, want):
			t.Errorf("%s: want %q:\n%s", text, want, got)
		case strings.Contains(got, `no "bin`) || strings.Contains(got, `no "here`):
			t.Errorf("%s:\n%s", text, got)
		}
	}
	// Without it, a missing value is an error, and sources are the plan's to judge.
	mustFail(t, dir, source(rest), "var.v has no default and was given no value")
}
