package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMemoryOfManyFiles holds three tenths of what a million files may take: 700 MB
// for the first plan and for the apply, 300 MB for a plan with nothing changed.
func TestMemoryOfManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("300,000 files")
	}
	dir := t.TempDir()
	for i := range 300_000 {
		below := filepath.Join(dir, "tree", fmt.Sprintf("d%02d/e%02d", i/10_000, i/100%100))
		if i%100 == 0 {
			if err := os.MkdirAll(below, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		// Links of one file are files to a copy that normalises, and made in less time.
		first := filepath.Join(dir, fmt.Sprint("first", i/10_000))
		if i%10_000 == 0 {
			writeText(t, first, fmt.Sprintf("file %d\n", i))
		}
		if err := os.Link(first, filepath.Join(below, fmt.Sprintf("f%06d", i))); err != nil {
			t.Fatal(err)
		}
	}
	writeText(t, filepath.Join(dir, "layform.hcl"), `
layout { path = "out" }
layer "x" {
  copy {
    from = "tree"
    to   = "/usr/local/tree"
  }
}
config "x" { platform = "linux/amd64" }
manifest "x" {
  config = config.x
  layers = [layer.x]
  tags   = ["x"]
}
`)
	for _, c := range []struct {
		args string
		most int64
	}{
		{"plan", 224},
		{"apply --auto-approve", 224},
		{"plan --detailed-exitcode", 100}, // 0: nothing changed
		{"plan --detailed-exitcode", 92},
	} {
		if got := runBounded(t, dir, c.args, hostileInput{most: c.most}); got.Exit != 0 {
			t.Fatalf("%s exits with %d", c.args, got.Exit)
		}
	}
}

// TestMemoryOfManyLayers holds what 10,000 layers of one image may take before they are built.
func TestMemoryOfManyLayers(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 layers")
	}
	dir := t.TempDir()
	var text, names strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "layer \"l%d\" {\n  file \"/f%d\" { content = \"%d\" }\n}\n", i, i, i)
		fmt.Fprintf(&names, "layer.l%d, ", i)
	}
	writeText(t, filepath.Join(dir, "layform.hcl"), "layout { path = \"out\" }\nconfig \"c\" { platform = \"linux/amd64\" }\n"+text.String()+
		"manifest \"m\" {\n  config = config.c\n  layers = ["+names.String()+"]\n  tags   = [\"x\"]\n}\n")
	for args, most := range map[string]int64{"validate": 100, "plan": 136} {
		if got := runBounded(t, dir, args, hostileInput{most: most}); got.Exit != 0 {
			t.Fatalf("%s exits with %d", args, got.Exit)
		}
	}
}
