package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestWrongCommandLines has command lines that are wrong, each in its own way, and what
// layform says about them. None of them changes anything.
func TestWrongCommandLines(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "command_lines.golden"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	const spec = "layout { path = \"dist\" }\nvariable \"version\" { default = \"1\" }\nlayer \"app\" {\n  file \"/a\" { content = \"a\" }\n}\n"
	if err := os.WriteFile("layform.hcl", []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	lines := 0
	for line := range strings.Lines(string(want)) {
		args, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ layform ")
		if !ok {
			continue
		}
		lines++
		got.WriteString(line)
		a := newApp(os.Stdin, os.Stdout, os.Stderr, []string{"XDG_CACHE_HOME=" + t.TempDir(), "HOME=" + t.TempDir()})
		a.terminal.in, a.terminal.out, a.terminal.err = false, false, false
		a.stdout, a.stderr = &got, &got
		if code := a.run(t.Context(), strings.Fields(args)); code != exitError {
			t.Errorf("layform %s exits with %d", args, code)
		}
		os.Chdir(dir) // -C went elsewhere
	}
	if lines < 40 {
		t.Errorf("%d command lines are tried", lines)
	}
	if files, err := os.ReadDir("."); err != nil || len(files) != 1 {
		t.Errorf("the directory holds %v afterwards: %v", files, err)
	}
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("messages differ (-want +got); -update rewrites them:\n%s", diff)
	}
}

// TestHelpHasExamples: the help of each command has an example that the parser takes.
func TestHelpHasExamples(t *testing.T) {
	parser := wholeParser(t)
	for _, node := range parser.Model.Leaves(true) {
		found := false
		for line := range strings.Lines(node.Detail) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  ")
			args, ok := strings.CutPrefix(line, "layform ")
			if !ok {
				continue
			}
			args, _, _ = strings.Cut(strings.ReplaceAll(args, "'", ""), " > ")
			args, _, _ = strings.Cut(args, " | ")
			args, _, _ = strings.Cut(args, " < ")
			kctx, err := wholeParser(t).Parse(strings.Fields(args))
			if err != nil {
				t.Errorf("%s: %s: %v", node.FullPath(), line, err)
			} else {
				found = found || kctx.Selected().FullPath() == node.FullPath()
			}
		}
		if !found {
			t.Errorf("the help of %s has no example: give its type a method Help with \"For example:\" and indented lines", node.FullPath())
		}
	}
}

func wholeParser(t *testing.T) *kong.Kong {
	t.Helper()
	a := newApp(os.Stdin, os.Stdout, os.Stderr, nil)
	parser, err := newParser(&grammar{}, a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// TestSingleDash: long flags with one dash are understood where they cannot be short ones.
func TestSingleDash(t *testing.T) {
	root := wholeParser(t).Model.Node
	for _, tt := range []struct{ args, want string }{
		{"plan -out=x", "plan --out=x"},
		{"plan -out x -var a=b", "plan --out x --var a=b"},
		{"plan -destroy -target=layer.x", "plan --destroy --target=layer.x"},
		{"-chdir=x plan", "--chdir=x plan"},
		{"plan -help", "plan --help"},
		{"plan -h", "plan -h"},
		{"-Cx plan -fy", "-Cx plan -fy"},
		{"plan -f=y -fx.hcl", "plan -f=y -fx.hcl"},
		{"fmt -", "fmt -"},
		{"plan -- -out=x", "plan -- -out=x"},
		{"plan --parallelism -1", "plan --parallelism -1"},
	} {
		got, err := doubled(root, strings.Fields(tt.args))
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s is taken for %s, %v, want %s", tt.args, got, err, tt.want)
		}
	}
	if _, err := doubled(root, []string{"plan", "-format=markdown"}); err == nil {
		t.Error("-format=markdown may be -f ormat=markdown, and is no error")
	}
}
