package eval

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// TestDetached asks both navigations of a file about every offset.
func TestDetached(t *testing.T) {
	type navigator interface{ ContextString(offset int) string }
	for name, text := range map[string]string{
		"x.hcl":       "# a comment\nlayout { path = \"dist\" }\n\nlayer \"l\\\"é\" {\n  file \"/a\" {\n    content = \"x\"\n  }\n}\nlayer two {}\nlocals {\n  x = 1\n}\n",
		"x.json":      `{"layer": {"l": {"file": {"/a": [{"content": "x"}]}}}, "layout": {"path": "dist"}}`,
		"broken.hcl":  "layer \"l\" {\n  file = \n}\nlayout {\n",
		"broken.json": `{"layer": `,
		"empty.hcl":   "",
	} {
		f, _ := ParseFile(name, text)
		detached := Detached(name, f)
		if string(detached.Bytes) != string(f.Bytes) {
			t.Errorf("%s: other bytes", name)
		}
		for offset := range len(text) + 1 {
			want := ""
			if nav, ok := f.Nav.(navigator); ok {
				want = nav.ContextString(offset)
			}
			if got := detached.Nav.(navigator).ContextString(offset); got != want {
				t.Errorf("%s at %d: %q, want %q", name, offset, got, want)
			}
		}
	}
}

// TestParsePieces parses files whole and in pieces, which comes to the same.
func TestParsePieces(t *testing.T) {
	block := func(i int) string {
		return fmt.Sprintf("layer \"l%d\" { # {\n  /* {\n */\n  file \"/a\" {\n    content = <<-E\n      é ${join(\"\", [\"}\"])}%s\n    E\n  }\n}\n", i, strings.Repeat("x", 600))
	}
	var text strings.Builder
	for i := range 200 {
		text.WriteString(block(i))
	}
	_, ends, _ := sourceNesting("x.hcl", []byte(text.String()))
	long := "layer \"long\" {\n" + strings.Repeat("  file \"/a\" { content = \""+strings.Repeat("x", 600)+"\" }\n", 150) + "}\n"
	for name, text := range map[string]string{
		"blocks":     text.String(),
		"long":       long + text.String(),
		"attributes": "a = 1\n" + text.String() + "b = 2",
		"twice":      "a = 1\n" + text.String() + "a = 2\n",
		"broken":     text.String() + "layer {\n" + block(1),
		"comment":    text.String() + "/* " + long + " */",
		"marked":     text.String()[:ends[0].Byte] + "\ufeff" + text.String()[ends[0].Byte:],
	} {
		t.Run(name, func(t *testing.T) {
			src := []byte(text)
			_, ends, problem := sourceNesting("x.hcl", src)
			if problem != nil || len(ends) < 2 {
				t.Fatalf("%d ends, %v", len(ends), problem)
			}
			got, gotDiags := parsePieces("x.hcl", src, ends)
			want, wantDiags := hclsyntax.ParseConfig(src, "x.hcl", hcl.InitialPos)
			if !reflect.DeepEqual(got.Body, want.Body) || !reflect.DeepEqual(gotDiags, wantDiags) {
				t.Errorf("the pieces come to another file: %v, not %v", gotDiags, wantDiags)
			}
		})
	}
}
