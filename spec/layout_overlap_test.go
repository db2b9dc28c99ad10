package spec

import (
	"fmt"
	"os"
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
		{"dist/app", "from = \".\"\nexclude = [\"*\", \"!src\"]", false},
		{"dist/app", "from = \".\"\nexclude = [\"*\", \"!dist/app/index.json\"]", true},
		{"dist/app", "from = \".\"\ninclude = [\"dist\"]", true},
		{"dist/app", "from = \".\"\ninclude = [\"**\", \"!dist\"]", false},
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

func TestFilesetMayNotListTheLayout(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"src", "dist/app/blobs"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		layout, call string
		refused      bool
	}{
		{"dist/app", `fileset(".", "**")`, true},
		{"dist/app", `fileset("dist", "**/*.json")`, true},
		{"dist/app", `fileset("dist/app", "*")`, true},
		{"dist/app", `fileset("dist/app/blobs", "*/*")`, true},
		{".", `fileset(".", "*")`, true},

		{"dist/app", `fileset(".", "*")`, false},
		{"dist/app", `fileset(".", "*/*")`, false},
		{"dist/app", `fileset("src", "**")`, false},
		{"dist/app", `fileset(".", "{src,lib}/**")`, false},
		{"../dist", `fileset(".", "**")`, false},
	} {
		text := fmt.Sprintf("layout { path = %q }\noutput \"names\" { value = %s }\n", c.layout, c.call)
		_, diags := Load(dir, LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: text}}})
		if refused := diags.HasErrors(); refused != c.refused || refused && !strings.Contains(diags.Error(), "lists files of the layout") {
			t.Errorf("layout %s, %s: %v", c.layout, c.call, diags)
		}
	}
}
