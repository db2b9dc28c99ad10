package eval

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// tree writes files into a directory of its own.
func tree(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// value evaluates the text of an expression whose functions read dir.
func value(t *testing.T, dir, text string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	syntax, diags := ParseExpression(text, "expression")
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	e, diags := NewExpression(syntax)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return NewLibrary(dir).NewEvaluation(new(Watch)).Value(e, nil)
}

// evaluate gives the value of an expression as JSON, or its mistakes.
func evaluate(t *testing.T, dir, text string) string {
	t.Helper()
	v, diags := value(t, dir, text)
	if diags.HasErrors() {
		return diags.Error()
	}
	v, _ = v.UnmarkDeep()
	data, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var plain any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&plain); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(plain); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// mustRefuse evaluates an expression that has a mistake, which is told in certain words.
func mustRefuse(t *testing.T, dir, text string, want ...string) {
	t.Helper()
	v, diags := value(t, dir, text)
	if !diags.HasErrors() {
		t.Errorf("%s is %#v", text, v)
	}
	for _, w := range want {
		if !strings.Contains(diags.Error(), w) {
			t.Errorf("%s: %s; want %q", text, diags.Error(), w)
		}
	}
}
