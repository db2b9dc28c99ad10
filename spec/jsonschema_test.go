package spec_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/schema"
)

// jsonSchema is the schema of JSON specs, compiled.
func jsonSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := schema.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://layform.example/schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("https://layform.example/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// inJSON writes a body of the native syntax in the JSON syntax.
func inJSON(t *testing.T, body *hclsyntax.Body, src []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	for name, a := range body.Attributes {
		out[name] = valueInJSON(t, name, a.Expr, src)
	}
	for _, b := range body.Blocks {
		var inner any = inJSON(t, b.Body, src)
		for _, label := range b.Labels {
			inner = map[string]any{label: inner}
		}
		if b.Type == "compression" { // in JSON it is an attribute
			out[b.Type] = inner
			continue
		}
		list, _ := out[b.Type].([]any)
		out[b.Type] = append(list, inner)
	}
	return out
}

func valueInJSON(t *testing.T, name string, e hclsyntax.Expression, src []byte) any {
	t.Helper()
	text := string(e.Range().SliceBytes(src))
	switch e := e.(type) {
	case *hclsyntax.TupleConsExpr:
		list := []any{}
		for _, element := range e.Exprs {
			list = append(list, valueInJSON(t, "", element, src))
		}
		return list
	case *hclsyntax.ObjectConsExpr:
		object := map[string]any{}
		for _, item := range e.Items {
			key, diags := item.KeyExpr.Value(nil)
			if diags.HasErrors() {
				return "${" + text + "}"
			}
			object[key.AsString()] = valueInJSON(t, "", item.ValueExpr, src)
		}
		return object
	}
	if name == "type" || name == "iterator" {
		return text
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		return "${" + text + "}"
	}
	if v.Type() == cty.String && !v.IsNull() {
		return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(v.AsString())
	}
	data, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(data)
}

// realSpecs are texts of specs by the directory that their functions read.
func realSpecs(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"testdata/specs/*/layform.hcl", "../examples/*/layform.hcl"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no specs at %s: %v", pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.Dir(name)] = string(text)
		}
	}
	schema.Walk(func(path []string, b *schema.Block) {
		text := b.Example
		if b.Name != "layout" {
			text += "layout { path = \"l\" }\n"
		}
		texts[filepath.Join(t.TempDir(), strings.Join(path, "."))] = text
	})
	return texts
}

// TestJSONSchema holds the schema against real specs: each is valid in the JSON
// syntax, in which it describes the same objects.
func TestJSONSchema(t *testing.T) {
	compiled := jsonSchema(t)
	for dir, text := range realSpecs(t) {
		f, diags := hclsyntax.ParseConfig([]byte(text), dir, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		data, err := json.Marshal(inJSON(t, f.Body.(*hclsyntax.Body), []byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(document); err != nil {
			t.Errorf("%s: %v\n%s", dir, err, data)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		native := objectsOf(t, dir, "layform.hcl", text)
		if diff := cmp.Diff(native, objectsOf(t, dir, "layform.json", string(data))); diff != "" {
			t.Errorf("%s in JSON describes other objects: %s\n%s", dir, diff, data)
		}
	}
}

// objectsOf lists the objects of a spec with their values.
func objectsOf(t *testing.T, dir, name, text string) map[string][]spec.Field {
	t.Helper()
	sp, diags := spec.Load(dir, spec.LoadOptions{Sources: []spec.Source{{Name: name, Text: text}}})
	if diags.HasErrors() {
		t.Fatalf("%s/%s: %v\n%s", dir, name, diags, text)
	}
	objects := map[string][]spec.Field{}
	for _, a := range sp.Addresses() {
		o, diags := sp.Evaluate(a, nil)
		if diags.HasErrors() {
			t.Fatalf("%s: %v", a, diags)
		}
		objects[a.String()] = o.Fields
	}
	return objects
}

// TestJSONSchemaRefuses has specs that the schema finds wrong.
func TestJSONSchemaRefuses(t *testing.T) {
	compiled := jsonSchema(t)
	for text, good := range map[string]bool{
		`{"layer": {"a": {"archive": "a.tar", "//": "a comment"}}}`:                       true,
		`{"layer": [{"a": {"archive": "a.tar"}}, {"b": [{"blob": "${var.x}"}]}]}`:         true,
		`[{"layout": {"path": "l"}}]`:                                                     true,
		`{"layer": {"a": {"compression": "${var.c}", "file": {"/a": {"content": 1}}}}}`:   true,
		`{"layer": {"a": {"compression": {"algorithm": "zstd", "level": 3}}}}`:            true,
		`{"layer": {"a": {"dynamic": {"file": {"for_each": [1], "content": {"x": 1}}}}}}`: true,
		`{"locals": {"anything": [1, {}]}}`:                                               true,
		`{"layer": {"a": {"archve": "a.tar"}}}`:                                           false,
		`{"layer": {"a": {"compression": [{"level": 3}]}}}`:                               false,
		`{"layers": {}}`: false,
		`{"layer": {"a": {"archive": ["a.tar"]}}}`:                  false,
		`{"layer": {"a": {"compression": "xz"}}}`:                   false,
		`{"layer": {"a": {"file": {"/a": {"uid": "root"}}}}}`:       false,
		`{"layer": {"a": {"copy": {"from": "a", "include": "x"}}}}`: false,
		`{"manifest": {"a": {"layers": ["layer.a"]}}}`:              false,
		`{"config": {"a": {"env": 3}}}`:                             false,
	} {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(document); (err == nil) != good {
			t.Errorf("%s: good is %v, but: %v", text, good, err)
		}
	}
}
