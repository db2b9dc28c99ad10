package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamples applies every example in a copy, checks the layout, and finds
// nothing to do the second time.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "layform.hcl"))
	if err != nil || len(dirs) < 3 {
		t.Fatalf("found %d examples: %v", len(dirs), err)
	}
	for _, name := range dirs {
		name = filepath.Dir(name)
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "example")
			if err := os.CopyFS(dir, os.DirFS(name)); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "dist")); err != nil {
				t.Fatal(err)
			}
			generate(t, dir, filepath.Base(name))
			tool(t, dir, "layform", "fmt", "--check")
			tool(t, dir, "layform", "validate")
			tool(t, dir, "layform", "apply", "--auto-approve")
			tool(t, dir, "layform", "plan", "--detailed-exitcode")
			layouts, err := filepath.Glob(filepath.Join(dir, "dist", "*", "index.json"))
			if err != nil || len(layouts) != 1 {
				t.Fatalf("found %d layouts: %v", len(layouts), err)
			}
			before := blobsOf(t, filepath.Dir(layouts[0]))
			tool(t, dir, "layform", "apply", "--auto-approve")
			after := blobsOf(t, filepath.Dir(layouts[0]))
			for blob, what := range before {
				if after[blob] != what {
					t.Errorf("a second apply touched blob %s", blob)
				}
			}
			ggcrValidate(t, filepath.Dir(layouts[0]))
			tool(t, dir, "layform", "layout", "validate", filepath.Dir(layouts[0]))
		})
	}
}

// generate runs the go:generate line of an example that is a program.
func generate(t *testing.T, dir, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "//go:generate ") {
		t.Fatalf("%s has no go:generate line", dir)
	}
	write(t, dir, map[string]string{"go.mod": "module example.com/" + name + "\n\ngo 1.26\n"})
	cmd := exec.Command("go", "generate", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go generate: %v\n%s", err, out)
	}
}
