package edit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/spec"
)

func TestFormat(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"spaces":   {"a=1\nlonger =  2\n", "a      = 1\nlonger = 2\n"},
		"blocks":   {"layer   \"a\"  {\nfile \"/x\" {\ncontent = \"\"\n}\n}", "layer \"a\" {\n  file \"/x\" {\n    content = \"\"\n  }\n}\n"},
		"comments": {"# top\na = 1 # one\n\n\n/* two */ b = 2\n", "# top\na = 1 # one\n\n\n/* two */ b = 2\n"},
		"crlf":     {"a = 1\r\nb = 2\r\n", "a = 1\nb = 2\n"},
		"heredoc":  {"a = <<E\n  x\n E\n", "a = <<E\n  x\n E\n"},
		"mark":     {"\uFEFFa=1\n", "a = 1\n"},
		"empty":    {"", ""},
	} {
		got, diags := Format([]byte(test.text), "x.layform.hcl")
		if diags.HasErrors() {
			t.Errorf("%s: %s", name, diags)
		}
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	for name, text := range map[string]string{"broken": "a = = 1\n", "deep": strings.Repeat("(", 5000), "bytes": "a = \"\xff\"\n"} {
		got, diags := Format([]byte(text), "x.layform.hcl")
		if !diags.HasErrors() || string(got) != text {
			t.Errorf("%s: a file that does not parse comes back as %q, %v", name, got, diags)
		}
	}
	const jsonText = `{ "layout" : {} }`
	if got, diags := Format([]byte(jsonText), "layform.json"); diags.HasErrors() || string(got) != jsonText {
		t.Errorf("JSON comes back as %q, %v", got, diags)
	}
}

func TestStarter(t *testing.T) {
	for _, opts := range []Options{
		{},
		{Architecture: "arm64", OS: "linux", Tag: "v1.0", Name: "my-service"},
		{Name: "a b/../${x}", Tag: "latest"},
		{Name: "9lives"},
	} {
		text := Starter(opts)
		s, diags := spec.Load(t.TempDir(), spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: string(text)}}})
		if len(diags) > 0 {
			t.Fatalf("%+v: %s\n%s", opts, diags, text)
		}
		if n := len(s.Addresses()); n != 3 {
			t.Errorf("%+v: %d objects", opts, n)
		}
		for _, addr := range s.Addresses() {
			o, diags := s.Evaluate(addr, nil)
			if diags.HasErrors() || !o.Known() {
				t.Errorf("%s: %s", addr, diags)
			}
			if c, ok := o.Body.(*spec.Config); ok && opts.Architecture != "" && c.Image.Platform.Architecture != opts.Architecture {
				t.Errorf("architecture %q", c.Image.Platform.Architecture)
			}
			if m, ok := o.Body.(*spec.Manifest); ok && opts.Tag != "" && m.Entry.Tags[0] != opts.Tag {
				t.Errorf("tags %q", m.Entry.Tags)
			}
		}
		formatted, _ := Format(text, "layform.hcl")
		if diff := cmp.Diff(string(text), string(formatted)); diff != "" {
			t.Errorf("the starter is not formatted:\n%s", diff)
		}
	}
	if text := Starter(Options{Name: "my-service"}); !bytes.Contains(text, []byte(`"dist/my-service"`)) {
		t.Errorf("the layout has another name:\n%s", text)
	}
	odd := Starter(Options{Tag: "a\"\n${x}"})
	if _, diags := spec.Load(t.TempDir(), spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: string(odd)}}}); !diags.HasErrors() ||
		!strings.Contains(diags.Error(), "no ref name") {
		t.Errorf("a tag that is none: %s", diags)
	}
}

// FuzzFormat formats any text: what parses must stay the same in meaning, and
// formatting it again must change nothing.
func FuzzFormat(f *testing.F) {
	paths, err := filepath.Glob("../testdata/*/*.hcl")
	more, err2 := filepath.Glob("../testdata/specs/*/*.hcl")
	if err != nil || err2 != nil || len(paths) == 0 || len(more) == 0 {
		f.Fatalf("no seeds: %v, %v", err, err2)
	}
	for _, path := range append(paths, more...) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		once, diags := Format(text, "x.layform.hcl")
		if diags.HasErrors() {
			if !bytes.Equal(once, text) {
				t.Error("a file that does not parse was changed")
			}
			return
		}
		twice, diags := Format(once, "x.layform.hcl")
		if diags.HasErrors() {
			t.Fatalf("what comes out does not parse: %s\n%q", diags, once)
		}
		if diff := cmp.Diff(string(once), string(twice)); diff != "" {
			t.Errorf("formatting again changes it:\n%s", diff)
		}
	})
}
