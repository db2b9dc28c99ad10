//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/layform/layform/layout/registrytest"
)

// TestExamples applies every example in a copy, checks the layout, and finds
// nothing to do the second time.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "layform.hcl"))
	if err != nil || len(dirs) < 3 {
		t.Fatalf("found %d examples: %v", len(dirs), err)
	}
	w := newWitnesses()
	ran := 0 // -run may ask for some of them
	t.Cleanup(func() { w.report(t, ran) })
	for _, name := range dirs {
		name = filepath.Dir(name)
		t.Run(filepath.Base(name), func(t *testing.T) {
			ran++
			dir := filepath.Join(t.TempDir(), "example")
			if err := os.CopyFS(dir, os.DirFS(name)); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "dist")); err != nil {
				t.Fatal(err)
			}
			generate(t, dir, filepath.Base(name))
			vendorBase(t, dir)
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
			w.look(dir)
			tool(t, dir, "layform", "layout", "validate", filepath.Dir(layouts[0]))
		})
	}
}

// vendorBase builds the base of an example that has one, and packs it into a tar.
func vendorBase(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "vendor", "layform.hcl")); err != nil {
		return
	}
	tool(t, dir, "layform", "-C", "vendor", "fmt", "--check")
	tool(t, dir, "layform", "-C", "vendor", "apply", "--auto-approve")
	layouts, err := filepath.Glob(filepath.Join(dir, "vendor", "*", "index.json"))
	if err != nil || len(layouts) != 1 {
		t.Fatalf("found %d layouts of bases: %v", len(layouts), err)
	}
	base := filepath.Dir(layouts[0])
	tool(t, dir, "layform", "layout", "export", base, base+".tar")
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

// TestExampleDocs runs the commands in the console blocks of the examples'
// README files and compares what they print. A line … stands for any lines; a
// command that is followed by nothing may print anything. The hosts of registries
// are registries of the test.
func TestExampleDocs(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "README.md"))
	if err != nil || len(names) == 0 {
		t.Fatalf("found %d README files of examples: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "example")
			if err := os.CopyFS(dir, os.DirFS(filepath.Dir(name))); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "dist")); err != nil {
				t.Fatal(err)
			}
			hosts := strings.NewReplacer("registry.example.com", registrytest.New(t).Host(), "mirror.example.com", registrytest.New(t).Host())
			sessions := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1)
			if len(sessions) == 0 {
				t.Skip("no console block")
			}
			for _, session := range sessions {
				for _, step := range strings.Split("\n"+hosts.Replace(session[1]), "\n$ ")[1:] {
					command, want, _ := strings.Cut(step, "\n")
					args := strings.Fields(command)
					got := tool(t, dir, args[0], args[1:]...)
					if want = strings.TrimSpace(want); want != "" && !printed(want, got) {
						t.Errorf("%s prints:\n%s\nbut the text says:\n%s", command, got, want)
					}
				}
			}
		})
	}
}

// printed reports whether got is want, in which a line … stands for any lines.
func printed(want, got string) bool {
	parts := strings.Split(regexp.QuoteMeta(want), "\n")
	for i, part := range parts {
		if part == "…" {
			parts[i] = `[\s\S]*`
		}
	}
	return regexp.MustCompile(`^` + strings.Join(parts, "\n") + `\s*$`).MatchString(got)
}

// TestReadme makes the site of the README, and compares the two plans that the
// README shows with what layform prints.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	source := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindStringSubmatch(string(text))
	plans := regexp.MustCompile("(?s)```console\n\\$ layform plan\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if source == nil || len(plans) < 2 {
		t.Fatalf("the README shows %d plans", len(plans))
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"layform.hcl":       source[1],
		"public/index.html": "<h1>Hello</h1>\n",
		"public/style.css":  "body { margin: 2em }\n",
	})
	for _, plan := range plans[:2] {
		if got := tool(t, dir, "layform", "plan"); strings.TrimSpace(got) != strings.TrimSpace(plan[1]) {
			t.Errorf("plan prints:\n%s\nbut the README says:\n%s", got, plan[1])
		}
		tool(t, dir, "layform", "apply", "--auto-approve")
		write(t, dir, map[string]string{"public/index.html": "<h1>Hello, world</h1>\n"})
	}
}
