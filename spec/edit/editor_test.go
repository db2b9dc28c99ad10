package edit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/layform/layform/spec/addr"
)

// edited is one file after an edit.
func edited(t *testing.T, text string, do func(*Editor) error) (string, error) {
	t.Helper()
	e, diags := New([]File{{Name: "layform.hcl", Text: []byte(text)}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	err := do(e)
	return string(e.Texts()["layform.hcl"]), err
}

func address(text string) addr.Address {
	a, err := addr.Parse(text)
	if err != nil {
		panic(err)
	}
	return a
}

// annotate and the others are edits of manifest.app.
func annotate(replace bool, pairs ...string) func(*Editor) error {
	return func(e *Editor) error {
		var list []Pair
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			list = append(list, Pair{k, v})
		}
		return e.SetMap(address("manifest.app"), "annotations", list, replace)
	}
}

func tag(tags ...string) func(*Editor) error {
	return func(e *Editor) error { return e.AppendText(address("manifest.app"), "tags", tags) }
}

func untag(tag string) func(*Editor) error {
	return func(e *Editor) error { return e.RemoveText(address("manifest.app"), "tags", tag) }
}

func set(name, expression string) func(*Editor) error {
	return func(e *Editor) error { return e.Set(address("manifest.app"), name, expression) }
}

func remove(texts ...string) func(*Editor) error {
	return func(e *Editor) error {
		var addresses []addr.Address
		for _, text := range texts {
			addresses = append(addresses, address(text))
		}
		return e.Remove(addresses...)
	}
}

func rename(a, name string) func(*Editor) error {
	return func(e *Editor) error { return e.Rename(address(a), name) }
}

func add(a string, settings ...Setting) func(*Editor) error {
	return func(e *Editor) error { return e.AddBlock(address(a), addr.Address{}, settings) }
}

func TestEdits(t *testing.T) {
	for name, test := range map[string]struct {
		do         func(*Editor) error
		text, want string
	}{
		"new map":                 {annotate(false, "a.b=c"), "manifest \"app\" {\n  tags = [\"x\"] # why\n}\n", "manifest \"app\" {\n  tags        = [\"x\"] # why\n  annotations = { \"a.b\" = \"c\" }\n}\n"},
		"new map in one line":     {annotate(false, "a=c"), "manifest \"app\" { tags = [\"x\"] }\n", "manifest \"app\" {\n  tags        = [\"x\"]\n  annotations = { a = \"c\" }\n}\n"},
		"new map in empty block":  {annotate(false, "a=c", "b=d"), "manifest \"app\" {}\n", "manifest \"app\" {\n  annotations = {\n    a = \"c\"\n    b = \"d\"\n  }\n}\n"},
		"merge in one line":       {annotate(false, "a=2", "b=3"), "manifest \"app\" {\n  annotations = { a = \"1\" /* one */ }\n}\n", "manifest \"app\" {\n  annotations = { a = \"2\", b = \"3\" /* one */ }\n}\n"},
		"merge over lines":        {annotate(false, "a=2", "c=3"), "manifest \"app\" {\n  annotations = {\n    # first\n    a = \"1\" # one\n    b = \"2\" # two\n    # last\n  }\n}\n", "manifest \"app\" {\n  annotations = {\n    # first\n    a = \"2\" # one\n    b = \"2\" # two\n    c = \"3\"\n    # last\n  }\n}\n"},
		"merge with commas":       {annotate(false, "c=3"), "manifest \"app\" {\n  annotations = {\n    a = \"1\", # one\n  }\n}\n", "manifest \"app\" {\n  annotations = {\n    a = \"1\", # one\n    c = \"3\",\n  }\n}\n"},
		"merge into nothing":      {annotate(false, "c=3"), "manifest \"app\" {\n  annotations = {}\n}\n", "manifest \"app\" {\n  annotations = { c = \"3\" }\n}\n"},
		"merge over expression":   {annotate(false, "c=3"), "manifest \"app\" {\n  annotations = local.all\n}\n", "manifest \"app\" {\n  annotations = merge(local.all, { c = \"3\" })\n}\n"},
		"merge again":             {annotate(false, "c=4", "d=5"), "manifest \"app\" {\n  annotations = merge(local.all, { c = \"3\" })\n}\n", "manifest \"app\" {\n  annotations = merge(local.all, { c = \"4\", d = \"5\" })\n}\n"},
		"quoted keys":             {annotate(false, "for=1", "a=$x${y}\""), "manifest \"app\" {\n  annotations = { \"a\" = var.x }\n}\n", "manifest \"app\" {\n  annotations = { \"a\" = \"$x$${y}\\\"\", \"for\" = \"1\" }\n}\n"},
		"replace":                 {annotate(true, "c=3"), "manifest \"app\" {\n  annotations = local.all # all\n}\n", "manifest \"app\" {\n  annotations = { c = \"3\" } # all\n}\n"},
		"replace by nothing":      {annotate(true), "manifest \"app\" {\n  # why\n  annotations = local.all # all\n  tags        = []\n}\n", "manifest \"app\" {\n  # why\n  tags = []\n}\n"},
		"tag":                     {tag("a", "b", "a"), "manifest \"app\" {\n  tags = [\"a\"]\n}\n", "manifest \"app\" {\n  tags = [\"a\", \"b\"]\n}\n"},
		"tag over lines":          {tag("b", "c"), "manifest \"app\" {\n  tags = [\n    \"a\" # one\n  ]\n}\n", "manifest \"app\" {\n  tags = [\n    \"a\", # one\n    \"b\",\n    \"c\"\n  ]\n}\n"},
		"tag with commas":         {tag("b"), "manifest \"app\" {\n  tags = [\n    \"a\", # one\n  ]\n}\n", "manifest \"app\" {\n  tags = [\n    \"a\", # one\n    \"b\",\n  ]\n}\n"},
		"tag over expression":     {tag("b"), "manifest \"app\" {\n  tags = var.tags\n}\n", "manifest \"app\" {\n  tags = concat(var.tags, [\"b\"])\n}\n"},
		"tag without tags":        {tag("b"), "manifest \"app\" {\n}\n", "manifest \"app\" {\n  tags = [\"b\"]\n}\n"},
		"tag beside blocks":       {tag("b"), "manifest \"app\" {\n  x \"y\" {}\n}\n", "manifest \"app\" {\n  tags = [\"b\"]\n\n  x \"y\" {}\n}\n"},
		"untag":                   {untag("a"), "manifest \"app\" {\n  tags = [\"a\", \"b\"]\n}\n", "manifest \"app\" {\n  tags = [\"b\"]\n}\n"},
		"untag the second":        {untag("b"), "manifest \"app\" {\n  tags = [\"a\", \"b\"]\n}\n", "manifest \"app\" {\n  tags = [\"a\"]\n}\n"},
		"untag a line":            {untag("b"), "manifest \"app\" {\n  tags = [\n    \"a\", # one\n    \"b\", # two\n    \"c\", # three\n  ]\n}\n", "manifest \"app\" {\n  tags = [\n    \"a\", # one\n    \"c\", # three\n  ]\n}\n"},
		"untag the only one":      {untag("a"), "manifest \"app\" {\n  tags = [\"a\"]\n  base = base.x\n}\n", "manifest \"app\" {\n  base = base.x\n}\n"},
		"untag in a line":         {untag("a"), "manifest \"app\" { tags = [\"a\"] }\n", "manifest \"app\" {}\n"},
		"set":                     {set("media_types", `"docker"`), "manifest \"app\" {\n  media_types = \"oci\" # why\n}\n", "manifest \"app\" {\n  media_types = \"docker\" # why\n}\n"},
		"not formatted":           {set("a", `"2"`), "# x\nmanifest \"app\" {\n a = \"1\"\n      b=2\n}", "# x\nmanifest \"app\" {\n a = \"2\"\n      b=2\n}"},
		"line ends":               {set("b", `"2"`), "\uFEFFmanifest \"app\" {\r\n  a = 1\r\n}\r\n", "\uFEFFmanifest \"app\" {\r\n  a = 1\r\n  b = \"2\"\r\n}\r\n"},
		"same value":              {set("a", "1"), "manifest \"app\" {\n a=1\n}", "manifest \"app\" {\n a=1\n}"},
		"remove":                  {remove("layer.b"), "layer \"a\" {}\n\n# b\n# is old\nlayer \"b\" {\n  x = 1\n}\n\n# m\nmanifest \"app\" {\n  layers = [layer.a, layer.b]\n}\n", "layer \"a\" {}\n\n# m\nmanifest \"app\" {\n  layers = [layer.a]\n}\n"},
		"remove from lines":       {remove("layer.a"), "manifest \"app\" {\n  layers = [\n    layer.a,\n    layer.b,\n  ]\n}\n\nlayer \"a\" {}\n", "manifest \"app\" {\n  layers = [\n    layer.b,\n  ]\n}\n"},
		"remove all uses":         {remove("layer.a"), "layer \"a\" {\n  for_each = [\"x\"]\n}\nmanifest \"app\" {\n  layers = [layer.a[\"x\"], layer.a[each.key], layer.b]\n}\nmanifest \"b\" {\n  layers = [layer.a[\"x\"]]\n}\n", "manifest \"app\" {\n  layers = [layer.b]\n}\nmanifest \"b\" {\n  layers = []\n}\n"},
		"remove what is imported": {remove("config.a"), "config \"a\" {}\nconfig \"b\" {}\n\n# The documents.\nimport {\n  to     = config.a\n  digest = \"x\"\n}\n\nimport {\n  to     = config.b\n  digest = \"y\"\n}\n", "config \"b\" {}\n\n# The documents.\nimport {\n  to     = config.b\n  digest = \"y\"\n}\n"},
		"remove the last import":  {remove("config.a"), "# The documents.\nimport {\n  to     = config.a\n  digest = \"x\"\n}\n\nconfig \"a\" {}\nconfig \"b\" {}\n", "config \"b\" {}\n"},
		"remove in any order":     {remove("manifest.a", "manifest.b"), "manifest \"a\" {}\nmanifest \"b\" {\n  subject = manifest.a\n}\nmanifest \"c\" {}\n", "manifest \"c\" {}\n"},
		"rename":                  {rename("layer.a", "b"), "layer \"a\" {}\nlocals {\n  x = [for layer in [{ a = 1 }] : layer.a]\n}\nmanifest \"app\" {\n  layers = [layer.a, layer[\"a\"], layer.aa]\n  extra  = { x = \"is ${layer.a.digest}\" }\n}\nmoved {\n  from = layer.x\n  to   = layer.a\n}\n", "layer \"b\" {}\nlocals {\n  x = [for layer in [{ a = 1 }] : layer.a]\n}\nmanifest \"app\" {\n  layers = [layer.b, layer[\"b\"], layer.aa]\n  extra  = { x = \"is ${layer.b.digest}\" }\n}\nmoved {\n  from = layer.x\n  to   = layer.a\n}\n"},
		"add to nothing":          {add("layer.a", Setting{"archive", `"a.tar"`}), "", "layer \"a\" {\n  archive = \"a.tar\"\n}\n"},
		"add between":             {add("layer.b"), "layout {\n  path = \"dist\"\n}\n\nlayer \"a\" {} # a\n\n# m\nmanifest \"app\" {\n}\n", "layout {\n  path = \"dist\"\n}\n\nlayer \"a\" {} # a\n\nlayer \"b\" {\n}\n\n# m\nmanifest \"app\" {\n}\n"},
		"add at an unended line":  {add("manifest.b"), "layout {\n  path = \"dist\"\n}", "layout {\n  path = \"dist\"\n}\n\nmanifest \"b\" {\n}\n"},
		"add close to the next":   {add("layer.b"), "layer \"a\" {}\nmanifest \"app\" {}\n", "layer \"a\" {}\n\nlayer \"b\" {\n}\n\nmanifest \"app\" {}\n"},
		"add behind comments":     {add("layer.b"), "# mine\n", "# mine\n\nlayer \"b\" {\n}\n"},
		"append a reference":      {func(e *Editor) error { return e.AppendReference(address("manifest.app"), "layers", address("layer.b")) }, "manifest \"app\" {\n  layers = [layer.a]\n}\n", "manifest \"app\" {\n  layers = [layer.a, layer.b]\n}\n"},
		"append to an expression": {func(e *Editor) error { return e.AppendReference(address("manifest.app"), "layers", address("layer.b")) }, "manifest \"app\" {\n  layers = values(layer.a)\n}\n", "manifest \"app\" {\n  layers = concat(values(layer.a), [layer.b])\n}\n"},
	} {
		got, err := edited(t, test.text, test.do)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// Edits that cannot be made leave the text as it is, and say what to do.
func TestRefused(t *testing.T) {
	const app = "manifest \"app\" {\n  tags = var.tags\n}\n"
	for name, test := range map[string]struct {
		do            func(*Editor) error
		text          string
		message, hint string
	}{
		"unknown":         {remove("layer.b"), "layer \"a\" {}\n", "the spec has no layer.b", "layer.a"},
		"instance":        {remove(`layer.a["x"]`), "layer \"a\" {\n  for_each = [\"x\"]\n}\n", "for_each makes of layer.a", "edit layer.a"},
		"no instance":     {remove(`layer.a["x"]`), "layer \"a\" {}\n", `the spec has no layer.a["x"]`, "leave out the key"},
		"text of a value": {untag("x"), app, `does not spell out "x"`, "layform.hcl:2"},
		"no tags":         {untag("x"), "manifest \"app\" {}\n", "manifest.app has no tags", "status"},
		"needed":          {remove("layer.a"), "layer \"a\" {}\nmanifest \"app\" {\n  layers = [layer.a]\n}\noutput \"x\" {\n  value = layer.a.digest\n}\n", "layer.a is needed at layform.hcl:6", "first"},
		"needed by value": {remove("manifest.app"), app + "index \"a\" {\n  manifests = values(manifest.app)\n}\n", "needed at layform.hcl:5", "first"},
		"needed beside":   {remove("manifest.a", "manifest.b"), "manifest \"a\" {}\nmanifest \"b\" {\n  subject = manifest.a\n}\nmanifest \"c\" {\n  subject = manifest.a\n}\n", "manifest.a is needed at layform.hcl:6", "first"},
		"taken name":      {rename("layer.a", "b"), "layer \"a\" {}\nlayer \"b\" {}\n", "has a layer.b already", "free"},
		"no name":         {rename("layer.a", "b c"), "layer \"a\" {}\n", "is no name of a block", "b-c"},
		"added twice":     {add("layer.a"), "layer \"a\" {}\n", "has a layer.a already", "another name"},
		"no text":         {annotate(false, "a=e\u0301"), app, "normal form C", "file"},
		"bytes":           {annotate(false, "a=\xff"), app, "no text", "file"},
	} {
		got, err := edited(t, test.text, test.do)
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Message, test.message) || !strings.Contains(refused.Advice, test.hint) {
			t.Errorf("%s: %#v", name, err)
		}
		if diff := cmp.Diff(test.text, got); diff != "" {
			t.Errorf("%s changed the text:\n%s", name, diff)
		}
	}
}

func TestSeveralFiles(t *testing.T) {
	files := []File{
		{Name: "a.layform.json", Text: []byte(`{"layer":{"old":{}}}`)},
		{Name: "layform.hcl", Text: []byte("layer \"a\" {}\nmanifest \"app\" {\n  layers = [layer.a]\n}\n")},
		{Name: "more.layform.hcl", Text: []byte("output \"x\" {\n  value = layer.a.size\n}\n")},
		{Name: "override.layform.hcl", Text: []byte("manifest \"app\" {\n  tags = [\"x\"]\n}\nlayer \"a\" {\n}\n"), Override: true},
	}
	e, diags := New(files)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for what, do := range map[string]func(*Editor) error{
		"which wins over layform.hcl":  tag("y"),
		"the spec has no layer.old":    remove("layer.old"),
		"the spec has no manifest.old": remove("manifest.old"),
	} {
		if err := do(e); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
	}
	if err := e.Rename(address("layer.a"), "b"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range e.Changes() {
		names = append(names, c.Name)
		if !strings.Contains(string(c.After), "b") || strings.Contains(string(c.After), "layer.a") || strings.Contains(string(c.After), `"a"`) {
			t.Errorf("%s:\n%s", c.Name, c.After)
		}
	}
	if diff := cmp.Diff([]string{"layform.hcl", "more.layform.hcl", "override.layform.hcl"}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := e.Only(addr.Config); err == nil || !strings.Contains(err.(*RefusedError).Advice, "a.layform.json is JSON") {
		t.Errorf("a config in JSON: %v", err)
	}
	e, _ = New([]File{files[1], {Name: "b.layform.json", Text: []byte(`{"output":{"x":{"value":"${layer.a.size}"}}}`)}})
	if err := e.Rename(address("layer.a"), "b"); err == nil || !strings.Contains(err.Error(), "named in b.layform.json") {
		t.Errorf("a name in JSON: %v", err)
	}
	if _, diags := New([]File{{Name: "layform.hcl", Text: []byte("a = = 1")}}); !diags.HasErrors() {
		t.Error("a spec that does not parse is taken")
	}
}

func TestValue(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"user", "0:0", `"0:0"`},
		{"user", "${x}", `"$${x}"`},
		{"entrypoint", "/app,--x", `["/app", "--x"]`},
		{"entrypoint", `"a,b",c`, `["a,b", "c"]`},
		{"entrypoint", "", `[]`},
		{"entrypoint", ` [var.x]`, `[var.x]`},
		{"labels", `{ a = var.b }`, `{ a = var.b }`},
		{"memory", "12", "12"},
	} {
		if got, err := Value(addr.Config, test.name, test.text); err != nil || got != test.want {
			t.Errorf("%s=%s: %s, %v", test.name, test.text, got, err)
		}
	}
	for _, test := range []struct{ name, text string }{{"users", "x"}, {"labels", "{"}, {"cmd", `"a`}, {"memory", "1 2"}} {
		if got, err := Value(addr.Config, test.name, test.text); err == nil {
			t.Errorf("%s=%s: %s", test.name, test.text, got)
		}
	}
}

// commentsOf are the comments of a text, in their order.
func commentsOf(t *testing.T, text []byte) []string {
	t.Helper()
	tokens, diags := hclsyntax.LexConfig(text, "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var comments []string
	for _, token := range tokens {
		if token.Type == hclsyntax.TokenComment {
			comments = append(comments, strings.TrimSpace(string(token.Bytes)))
		}
	}
	return comments
}

// Every object of every spec of the tests and examples can be annotated, tagged, set and
// renamed, each edit is made, and no comment is lost or moved before another.
func TestEditsOfSpecs(t *testing.T) {
	var paths []string
	for _, glob := range []string{"../testdata/specs/*/*.hcl", "../../examples/*/*.hcl"} {
		found, err := filepath.Glob(glob)
		if err != nil || len(found) == 0 {
			t.Fatalf("no specs in %s: %v", glob, err)
		}
		paths = append(paths, found...)
	}
	edits := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		e, diags := New([]File{{Name: "layform.hcl", Text: text}})
		if diags.HasErrors() {
			t.Fatalf("%s: %s", path, diags)
		}
		want := commentsOf(t, text)
		for _, kind := range []addr.Kind{addr.Layer, addr.Config, addr.Manifest, addr.Index} {
			for _, a := range e.Blocks(kind) {
				to := addr.Address{Kind: kind, Name: a.Name + "-renamed"}
				for what, err := range map[string]error{
					"annotate": e.SetMap(a, "annotations", []Pair{{"com.example.edit", "x"}, {"other", "y"}}, false),
					"tag":      e.AppendText(a, "tags", []string{"edited"}),
					"set":      e.Set(a, "comment", `"edited"`),
					"rename":   e.Rename(a, to.Name),
				} {
					if err != nil {
						t.Errorf("%s: %s %s: %v", path, what, a, err)
					}
				}
				if len(e.uses(a)) > 0 {
					t.Errorf("%s: %s is still named", path, a)
				}
				if text, _, ok := e.Literal(to, "comment"); !ok || text != "edited" {
					t.Errorf("%s: %s has the comment %q", path, to, text)
				}
				edits += 4
			}
		}
		if diff := cmp.Diff(want, commentsOf(t, e.Texts()["layform.hcl"])); diff != "" {
			t.Errorf("%s: the comments are others:\n%s", path, diff)
		}
	}
	if edits < 100 {
		t.Errorf("there were %d edits", edits)
	}
}
