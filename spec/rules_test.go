package spec

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestRules breaks one rule of the image spec in each spec, and holds the diagnostic
// with its place and what to do: -update writes it. The name of a spec begins with what
// the rule is about: d1 configs, d2 descriptors, d3 manifests, d4 indexes, d5 layouts, d6
// layers, d7 annotations, d8 the places of annotations.
func TestRules(t *testing.T) {
	path := filepath.Join("testdata", "rules.txtar")
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := txtar.Archive{Comment: archive.Comment}
	broken := map[string]int{}
	total := 0
	for _, f := range archive.Files {
		rule, ok := strings.CutSuffix(f.Name, ".hcl")
		if !ok {
			continue
		}
		total++
		broken[rule[:2]]++
		text := string(f.Data) + "layout { path = \"dist\" }\nconfig \"c\" { platform = \"linux/amd64\" }\nlayer \"l\" {\n  file \"/a\" { content = \"\" }\n}\n"
		s, diags := Load(t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: text}}})
		if !diags.HasErrors() {
			t.Errorf("%s is no error: %v", rule, diags)
			continue
		}
		for _, d := range diags {
			if d.Subject == nil {
				t.Errorf("%s: %s has no place", rule, d.Detail)
			}
		}
		got.Files = append(got.Files, f, txtar.File{Name: rule + ".golden", Data: []byte(render(t, s, diags))})
	}
	if total < 40 || len(broken) < 8 {
		t.Errorf("%d rules are broken, of %d groups", total, len(broken))
	}
	golden(t, path, txtar.Format(&got))
}
