package spec

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
)

var update = flag.Bool("update", false, "write golden files")

// files makes a directory with files.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// source is a spec of one file, with a layout block before the text.
func source(text string) LoadOptions {
	return LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: "layout { path = \"out\" }\n" + text}}}
}

// mustLoad loads a spec that has no errors.
func mustLoad(t *testing.T, dir string, opts LoadOptions) *Spec {
	t.Helper()
	s, diags := Load(dir, opts)
	if diags.HasErrors() {
		t.Fatal(render(t, s, diags))
	}
	return s
}

// render writes diagnostics as users see them.
func render(t *testing.T, s *Spec, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&b, s.Files, 100, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// mustFail loads a spec that has errors, and checks that they say all of want.
func mustFail(t *testing.T, dir string, opts LoadOptions, want ...string) {
	t.Helper()
	s, diags := Load(dir, opts)
	mustSay(t, s, diags, want...)
}

// mustSay checks that diagnostics hold an error and say all of want.
func mustSay(t *testing.T, s *Spec, diags hcl.Diagnostics, want ...string) {
	t.Helper()
	if !diags.HasErrors() {
		t.Fatalf("no error; want %q", want)
	}
	text := strings.Join(strings.Fields(render(t, s, diags)), " ")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the diagnostics do not say %q:\n%s", w, render(t, s, diags))
		}
	}
}

// object evaluates an object without errors.
func object(t *testing.T, s *Spec, address string, known Known) Object {
	t.Helper()
	addr, err := addr.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	o, diags := s.Evaluate(addr, known)
	if diags.HasErrors() {
		t.Fatal(render(t, s, diags))
	}
	return *o
}

// strs writes addresses as text.
func strs(addrs []Address) []string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}

// fieldsOf writes fields as path=value.
func fieldsOf(o Object) []string {
	var list []string
	for _, f := range o.Fields {
		text := f.Path + "=" + string(f.Value)
		if f.Unknown {
			text += "(unknown)"
		}
		if f.Sensitive {
			text += "(sensitive)"
		}
		list = append(list, text)
	}
	return list
}

// builtOf answers for the addresses of a map.
func builtOf(m map[string]string) Known {
	return func(a Address) (Built, bool) {
		text, ok := m[a.String()]
		return Built{Descriptor: ocispec.Descriptor{Digest: digest.FromString(text), Size: int64(len(text))}, DiffID: digest.FromString("diff " + text)}, ok
	}
}

// TestLoadExamples loads whole specs and compares all that comes of them with
// golden files.
func TestLoadExamples(t *testing.T) {
	dirs, err := filepath.Glob("testdata/specs/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no specs in testdata/specs: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			s, diags := Load(dir, LoadOptions{Version: "1.2.3"})
			if diags.HasErrors() {
				t.Fatal(render(t, s, diags))
			}
			golden(t, filepath.Join(dir, "golden.json"), describe(t, s, diags))
		})
	}
}

// describe writes all that a spec says as JSON.
func describe(t *testing.T, s *Spec, diags hcl.Diagnostics) []byte {
	t.Helper()
	type member struct {
		Address, Place string
		Refs           []string
		Body           Body
		Fields         []string
	}
	var all struct {
		Name, LayoutPath string
		Objects          []member
		Outputs          []Output
		Inputs           []eval.Input
		Variables        []Variable
		Warnings         []string
	}
	all.Name, all.LayoutPath, all.Inputs, all.Variables = s.Name, s.LayoutPath, s.Inputs(), s.Variables
	for i := range all.Variables {
		all.Variables[i].Salt, all.Variables[i].Digest = "", "" // differ from run to run
	}
	for _, d := range diags {
		all.Warnings = append(all.Warnings, d.Error())
	}
	for _, addr := range s.Addresses() {
		o := object(t, s, addr.String(), nil)
		if l, ok := o.Body.(*Layer); ok {
			for i := range l.Tree {
				l.Tree[i].Range = hcl.Range{}
			}
		}
		all.Objects = append(all.Objects, member{addr.String(), eval.Place(o.Range), strs(o.Refs), o.Body, fieldsOf(o)})
	}
	var more hcl.Diagnostics
	if all.Outputs, more = s.Outputs(nil); more.HasErrors() {
		t.Fatal(more)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// golden compares text with a golden file, which -update writes.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (write it with -update when this is meant):\n%s", path, diff)
	}
}

// TestMistakes compares the diagnostics of common mistakes with golden files.
func TestMistakes(t *testing.T) {
	paths, err := filepath.Glob("testdata/mistakes/*.hcl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in testdata/mistakes: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(path)
			opts := LoadOptions{Sources: []Source{{Name: name, Text: string(text)}}}
			s, diags := Load(t.TempDir(), opts)
			if !diags.HasErrors() {
				t.Fatal("no error")
			}
			for _, d := range diags {
				if d.Subject == nil {
					t.Errorf("no place: %s", d)
				}
			}
			again, same := Load(t.TempDir(), opts)
			if diff := cmp.Diff(render(t, s, diags), render(t, again, same)); diff != "" {
				t.Errorf("the diagnostics differ from one run to the next:\n%s", diff)
			}
			golden(t, strings.TrimSuffix(path, ".hcl")+".golden", []byte(render(t, s, diags)))
		})
	}
}

func TestLoadFiles(t *testing.T) {
	const layer = "layer \"a\" {\n file \"/a\" { content = \"\" }\n}\n"
	dir := files(t, map[string]string{
		"layform.hcl":         "layout { path = \"out\" }\nlayform { name = \"web\" }",
		"b.layform.hcl":       layer + "manifest \"m\" {\n artifact_type = \"a/b\"\n layers = [layer.a, layer.json]\n}",
		"c.layform.json":      `{"layer": {"json": {"file": {"/j": {"content": "${upper(\"x\")}"}}}}}`,
		"ignored.hcl":         "(",
		".hidden.layform.hcl": "(",
		"layform.hcl.bak":     "(",
		"one.hcl":             "layout { path = \"other\" }",
	})
	s := mustLoad(t, dir, LoadOptions{})
	var names []string
	for _, src := range s.Sources {
		names = append(names, src.Name)
	}
	if diff := cmp.Diff([]string{"b.layform.hcl", "c.layform.json", "layform.hcl"}, names); diff != "" {
		t.Errorf("sources:\n%s", diff)
	}
	if s.Name != "web" || s.LayoutPath != "out" {
		t.Errorf("name %q, layout %q", s.Name, s.LayoutPath)
	}
	if diff := cmp.Diff([]string{"layer.a", "layer.json", "manifest.m"}, strs(s.Addresses())); diff != "" {
		t.Errorf("addresses:\n%s", diff)
	}
	if got := object(t, s, "layer.json", nil).Body.(*Layer).Tree[0].Content; got != "X" {
		t.Errorf("content %q", got)
	}

	one := mustLoad(t, dir, LoadOptions{File: "one.hcl"})
	if one.LayoutPath != "other" || len(one.Sources) != 1 {
		t.Errorf("layout %q of %d sources", one.LayoutPath, len(one.Sources))
	}
	mustFail(t, dir, LoadOptions{File: "none.hcl"}, `There is no file "none.hcl"`)
	mustFail(t, dir, LoadOptions{File: "../one.hcl"}, "not the name of a file")
	mustFail(t, t.TempDir(), LoadOptions{}, "There is no layform.hcl", "layform init")
	mustFail(t, filepath.Join(dir, "none"), LoadOptions{}, "There is no directory")

	again := mustLoad(t, t.TempDir(), LoadOptions{Sources: s.Sources})
	if diff := cmp.Diff(s.Sources, again.Sources); diff != "" {
		t.Errorf("sources from a plan:\n%s", diff)
	}
}

func TestRequiredVersion(t *testing.T) {
	with := func(constraint, version string) LoadOptions {
		opts := source("layform { required_version = \"" + constraint + "\" }")
		opts.Version = version
		return opts
	}
	mustLoad(t, t.TempDir(), with(">= 0.1, < 2", "1.2.3"))
	s, diags := Load(t.TempDir(), with(">= 9", "dev"))
	if text := render(t, s, diags); diags.HasErrors() || !strings.Contains(text, "requires layform >= 9. This is a development build (dev)") {
		t.Errorf("a development build: %s", text)
	}
	mustLoad(t, t.TempDir(), with(">= 9", ""))
	mustLoad(t, t.TempDir(), with(">= 1.0", "1.0.0-rc1"))
	mustFail(t, t.TempDir(), with(">= 9", "1.2.3"), "requires layform >= 9, and this is 1.2.3")
	mustFail(t, t.TempDir(), with("soon", "1.2.3"), `"soon" is no constraint`)
}

// TestJSONSyntax loads one spec in both syntaxes.
func TestJSONSyntax(t *testing.T) {
	native := mustLoad(t, t.TempDir(), source(`
variable "v" {
  type    = map(string)
  default = { a = "1", b = "2" }
}
layer "a" {
  for_each = var.v
  file "/a" { content = "${each.key} ${upper("x")} $${y}" }
  copy {
    from    = "src"
    include = ["*.go"]
  }
  compression = { algorithm = "zstd", level = 3 }
}
config "a" {
  platform = "linux/amd64"
  labels   = { (var.v.a) = "x" }
}
manifest "a" {
  config = config.a
  layers = [layer.a["a"], layer.a["b"]]
}
output "o" { value = [for l in values(layer.a) : l.address] }
`))
	text := `{
  "layout": {"path": "out"},
  "variable": {"v": {"type": "map(string)", "default": {"a": "1", "b": "2"}}},
  "layer": {"a": {
    "//": "a comment",
    "for_each": "${var.v}",
    "file": {"/a": {"content": "${each.key} ${upper(\"x\")} $${y}"}},
    "copy": {"from": "src", "include": ["*.go"]},
    "compression": {"algorithm": "zstd", "level": 3}
  }},
  "config": {"a": {"platform": "linux/amd64", "labels": {"${var.v.a}": "x"}}},
  "manifest": {"a": {"config": "${config.a}", "layers": ["${layer.a[\"a\"]}", "${layer.a[\"b\"]}"]}},
  "output": {"o": {"value": "${[for l in values(layer.a) : l.address]}"}}
}`
	jsonSpec := mustLoad(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.json", Text: text}}})
	for _, addr := range []string{`layer.a["a"]`, `layer.a["b"]`, "config.a", "manifest.a"} {
		a, b := object(t, native, addr, nil), object(t, jsonSpec, addr, nil)
		if diff := cmp.Diff(fieldsOf(a), fieldsOf(b)); diff != "" {
			t.Errorf("%s:\n%s", addr, diff)
		}
		if diff := cmp.Diff(strs(a.Refs), strs(b.Refs)); diff != "" {
			t.Errorf("references of %s:\n%s", addr, diff)
		}
	}
	x, _ := native.Outputs(nil)
	y, _ := jsonSpec.Outputs(nil)
	if diff := cmp.Diff(x, y); diff != "" || x[0].Value != `["layer.a[\"a\"]","layer.a[\"b\"]"]` {
		t.Errorf("outputs %v:\n%s", x, diff)
	}
	ops := object(t, jsonSpec, `layer.a["a"]`, nil).Body.(*Layer).Tree
	if len(ops) != 2 {
		t.Fatalf("%d ops", len(ops))
	}
	for _, n := range ops {
		if n.Kind == OpFile && n.Content != "a X ${y}" {
			t.Errorf("content %q", n.Content)
		}
	}
	mustFail(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "a.json", Text: `{"layout": {"path": "out"}, "layer": {"a": {"fil": 1, "archive": "${x"}}}`}}},
		`No argument or block type is named "fil"`)
	mustFail(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "a.json", Text: "{\"locals\": {\"x\": {\"a\": 1,\n\"a\": 2}}}"}}},
		"a.json line 2", `This object has a member "a" already, at a.json:1.`)
}
