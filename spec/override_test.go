package spec

import (
	"strings"
	"testing"
)

const overridden = `
layout { path = "out" }
variable "v" {
  type    = string
  default = "base"
}
locals {
  a = "a"
  b = "b"
}
locals { c = "c" }
layer "l" {
  for_each   = toset(["x"])
  created_by = "base"
  file "/a" { content = "base a" }
  file "/b" { content = "base b" }
  directory "/d" { mode = "0700" }
}
config "c" {
  platform = "linux/amd64"
  user     = "base"
}
manifest "m" {
  config = config.c
  layers = values(layer.l)
  tags   = ["base"]
}
output "all" { value = "${var.v} ${local.a}${local.b}${local.c}" }
`

// TestOverride merges override files over a spec: later ones win.
func TestOverride(t *testing.T) {
	sources := []Source{
		{Name: "layform.hcl", Text: overridden},
		{Name: "a.override.layform.hcl", Text: `
layout { path = "elsewhere" }
variable "v" { default = "first" }
locals { a = "A" }
layer "l" {
  created_by = "override"
  file "/c" { content = each.key }
}
manifest "m" { tags = ["dev"] }
`},
		{Name: "override.layform.json", Text: `{"variable": {"v": {"default": "last"}}, "locals": {"c": "C"}, "config": {"c": {"user": "json"}}}`},
	}
	s := mustLoad(t, t.TempDir(), LoadOptions{Sources: sources})
	if got := values(t, s)["all"]; s.LayoutPath != "elsewhere" || got != `"last AbC"` {
		t.Errorf("path %s, values %s", s.LayoutPath, got)
	}
	l := object(t, s, `layer.l["x"]`, nil).Body.(*Layer)
	var paths []string
	for _, n := range l.Tree {
		paths = append(paths, n.To+" "+n.Content)
	}
	if got := strings.Join(paths, ","); got != "d ,c x" || l.CreatedBy != "override" {
		t.Errorf("the layer holds %s, created by %s", got, l.CreatedBy)
	}
	if c := object(t, s, "config.c", nil).Body.(*Config); c.Image.User == nil || *c.Image.User != "json" {
		t.Errorf("the config is %+v", c.Image)
	}
	if m := object(t, s, "manifest.m", nil).Body.(*Manifest); strings.Join(m.Entry.Tags, ",") != "dev" {
		t.Errorf("the tags are %s", m.Entry.Tags)
	}
}

func TestOverrideMistakes(t *testing.T) {
	for over, want := range map[string]string{
		"layer \"none\" {\n}":                   "The spec has no layer.none that this could change",
		"layer \"l\" {\n}\nlayer \"l\" {\n}":    "An override named \"layer.l\" was declared already",
		"locals { a = 1 }\nlocals { a = 2 }":    "An override named \"local.a\"",
		"locals { none = 1 }":                   "The spec has no local.none",
		"layform { name = \"x\" }":              "The spec has no layform",
		"layer \"l\" { create_by = \"x\" }":     "x.override.layform.hcl line 1",
		"layer \"l\" {\n fil \"/a\" {\n }\n}":   "x.override.layform.hcl line 2",
		"variable \"v\" { type = number }":      "a number is required",
		"output \"all\" { value = local.none }": "x.override.layform.hcl line 1",
		"layer \"l\" {\n dynamic \"file\" {\n for_each = 5\n labels = [\"/a\"]\n content { content = \"\" }\n }\n}": "x.override.layform.hcl line 3",
		"file \"/a\" {}": "x.override.layform.hcl line 1",
	} {
		mustFail(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: overridden}, {Name: "x.override.layform.hcl", Text: over}}}, want)
	}
	// What a required argument lacks, an override may bring.
	base := "layout { path = \"out\" }\noutput \"o\" {\n}\n"
	over := Source{Name: "x.override.layform.hcl", Text: "output \"o\" { value = 1 }\n"}
	mustFail(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: base}}}, `The argument "value" is required`)
	mustLoad(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: base}, over}})
	over.Text = "output \"o\" { sensitive = true }\n"
	mustFail(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: base}, over}}, `The argument "value" is required`, "layform.hcl line 2")
}
