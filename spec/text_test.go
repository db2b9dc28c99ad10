package spec

import (
	"strings"
	"testing"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
)

// TestCombiningCharacters: text that HCL would change is refused, at its place,
// in every form in which it can be written.
func TestCombiningCharacters(t *testing.T) {
	const decomposed = "cafe\u0301"
	for _, c := range []struct {
		name, file, text string
		line             int // 0 where the text is right
	}{
		{"composed", "layform.hcl", "locals { a = \"caf\u00e9\" }", 0},
		{"a comment", "layform.hcl", "# " + decomposed + "\nlocals {}", 0},
		{"an attribute", "layform.hcl", "locals {\n  a = \"" + decomposed + "\"\n}", 2},
		{"an escape", "layform.hcl", "locals { a = \"cafe\\u0301\" }", 1},
		{"a long escape", "layform.hcl", "locals { a = \"cafe\\U00000301\" }", 1},
		{"an escaped backslash", "layform.hcl", "locals { a = \"cafe\\\\u0301\" }", 0},
		{"a label", "layform.hcl", "layer \"a\" {\n  file \"/" + decomposed + "\" { content = \"\" }\n}", 2},
		{"a list", "layform.hcl", "locals { a = [\"x\",\n\"" + decomposed + "\"] }", 2},
		{"a key", "layform.hcl", "locals { a = { \"" + decomposed + "\" = 1 } }", 1},
		{"a template", "layform.hcl", "locals { a = \"${1}" + decomposed + "\" }", 1},
		{"a heredoc", "layform.hcl", "locals {\na = <<E\nx\n" + decomposed + "\nE\n}", 4},
		{"what is no escape in a heredoc", "layform.hcl", "locals {\na = <<E\ncafe\\u0301\nE\n}", 0},
		{"JSON", "a.layform.json", "{\"locals\":\n{\"a\": \"" + decomposed + "\"}}", 2},
		{"an escape in JSON", "a.layform.json", `{"locals": {"a": "cafe\u0301"}}`, 1},
		{"JSON that is right", "a.layform.json", `{"locals": {"a": "caf\u00e9 \\u0301"}}`, 0},
	} {
		_, diags := eval.ParseFile(c.file, c.text)
		line := 0
		if diags.HasErrors() {
			line = diags[0].Subject.Start.Line
		}
		if line != c.line || c.line > 0 && !strings.Contains(diags[0].Summary, "combining") {
			t.Errorf("%s: %v, want line %d", c.name, diags, c.line)
		}
	}
}

// TestLineEnds: what an editor or a checkout makes of line ends is not seen.
func TestLineEnds(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\nb\n": "a\nb\n", "a\r\r\n\r\n": "a\n\n", "a\rb": "a\rb", "\ufeffa\r\n": "a\n", "": "",
	} {
		if got := eval.SourceText(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	const text = "layout { path = \"out\" }\nlayer \"l\" {\n  file \"/f\" {\n    content = <<-EOT\n      one\n        two\n    EOT\n  }\n}\n"
	var contents []string
	for _, text := range []string{text, strings.ReplaceAll(text, "\n", "\r\n")} {
		s, diags := Load(t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: text}}})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		addr, err := addr.Parse("layer.l")
		if err != nil {
			t.Fatal(err)
		}
		o, diags := s.Evaluate(addr, nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		contents = append(contents, o.Body.(*Layer).Tree[0].Content)
	}
	if contents[0] != "one\n  two\n" || contents[1] != contents[0] {
		t.Errorf("heredocs hold %q", contents)
	}
}
