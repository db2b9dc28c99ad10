package spec

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestWrongSpecs has specs that are wrong, each in one way that people try, and what
// layform says about them: -update writes it.
func TestWrongSpecs(t *testing.T) {
	path := filepath.Join("testdata", "wrong.txtar")
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got txtar.Archive
	wrong := 0
	for _, f := range archive.Files {
		kind, ok := strings.CutSuffix(f.Name, ".hcl")
		if !ok {
			continue
		}
		wrong++
		text := string(f.Data)
		if !strings.HasPrefix(text, "layout ") {
			text += "layout { path = \"dist\" }\n"
		}
		s, diags := Load(t.TempDir(), LoadOptions{Version: "1.0.0", Sources: []Source{{Name: "layform.hcl", Text: text}}})
		if !diags.HasErrors() {
			t.Errorf("%s is no error", kind)
			continue
		}
		got.Files = append(got.Files, f, txtar.File{Name: kind + ".golden", Data: []byte(render(t, s, diags))})
	}
	if wrong < 60 {
		t.Errorf("there are %d wrong specs", wrong)
	}
	golden(t, path, txtar.Format(&got))
}
