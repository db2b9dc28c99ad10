package spec

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/spec/addr"
)

// seeds are all specs of testdata.
func seeds(f *testing.F) []string {
	f.Helper()
	var texts []string
	for _, glob := range []string{"testdata/mistakes/*.hcl", "testdata/specs/*/layform.hcl"} {
		paths, err := filepath.Glob(glob)
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds in %s: %v", glob, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			texts = append(texts, string(text))
		}
	}
	return append(texts, "layout { path = \"out\" }\n"+graphSpec, variableSpec)
}

// FuzzLoad loads any text in both syntaxes: it must not panic, and what loads
// must evaluate, to the same each time.
func FuzzLoad(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text, false)
	}
	f.Add(`{"layout": {"path": "out"}, "layer": {"a": {"file": {"/a": {"content": "${upper(\"x\")}"}}}}, "manifest": {"m": {"artifact_type": "a/b", "layers": ["${layer.a}"]}}}`, true)
	dir := f.TempDir()
	for name, text := range map[string]string{"app.conf.tftpl": "${version}", "a": "x"} {
		if err := writeFile(filepath.Join(dir, name), text); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, text string, asJSON bool) {
		name := "layform.hcl"
		if asJSON {
			name = "layform.json"
		}
		opts := LoadOptions{Sources: []Source{{Name: name, Text: text}}, Version: "1.0.0"}
		s, diags := Load(dir, opts)
		render(t, s, diags)
		for _, d := range diags {
			if d.Summary == "Defect in layform" {
				t.Fatal(d.Detail)
			}
		}
		if diags.HasErrors() {
			return
		}
		seen := map[Address]bool{}
		for _, at := range s.Addresses() {
			a, diags := s.Evaluate(at, nil)
			if diags.HasErrors() {
				t.Errorf("%s loads, but does not evaluate: %s", at, diags)
			}
			b, _ := s.Evaluate(at, nil)
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("%s: %s", at, diff)
			}
			for _, ref := range a.Refs {
				if !seen[ref] {
					t.Errorf("%s comes before %s, which it needs", at, ref)
				}
			}
			seen[at] = true
			if again, err := addr.Parse(at.String()); err != nil || again != at {
				t.Errorf("%s reads as %+v: %v", at, again, err)
			}
		}
		if _, diags := s.Outputs(nil); diags.HasErrors() {
			t.Error(diags)
		}
	})
}
