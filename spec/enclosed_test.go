package spec

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestCopyMayNotTakeTheLayout(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		layout, copy string
		refused      bool
	}{
		{"dist/app", `from = "."`, true},
		{"dist/app", `from = "dist"`, true},
		{"dist/app", `from = "dist/app"`, true},
		{"dist/app", `from = "dist/app/blobs/sha256"`, true},
		{filepath.Join(dir, "dist", "app"), `from = "dist"`, true},
		{"./dist//app/", `from = "."`, true},
		{"dist/app", "from = \".\"\ninclude = [\"**/*.json\"]", true},
		{"dist/app", "from = \".\"\ninclude = [\"**\"]\nexclude = [\"dist/app/blobs\"]", true},
		{".", `from = "."`, true},

		{"dist/app", `from = "src"`, false},
		{"dist/app", `from = "dist/apple"`, false},
		{"dist/app", "from = \".\"\nexclude = [\"dist\"]", false},
		{"dist/app", "from = \".\"\nexclude = [\"dist/app\"]", false},
		{"dist/app", "from = \".\"\nexclude = [\"dist/**\"]", false},
		{"dist/app", "from = \".\"\ninclude = [\"*.html\", \"src/**\"]", false},
		{"../dist", `from = "."`, false},
		{".", `from = "src"`, false},
		{".", "from = \".\"\nexclude = [\"blobs\", \".layform\", \"index.json\", \"oci-layout\"]", false},
	} {
		text := fmt.Sprintf("layout { path = %q }\nlayer \"a\" {\n  copy {\n%s\n}\n}\n", c.layout, c.copy)
		_, diags := Load(dir, LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: text}}})
		refused := diags.HasErrors()
		if refused != c.refused {
			t.Errorf("layout %s, copy %s: refused %v, want %v: %v", c.layout, c.copy, refused, c.refused, diags)
		}
		if refused && !strings.Contains(diags.Error(), "takes along the layout") {
			t.Errorf("layout %s, copy %s: %v", c.layout, c.copy, diags)
		}
	}
}
