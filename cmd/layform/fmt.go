package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layform/layform/layout/durable"
	"github.com/layform/layform/spec"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/spec/edit"
	"github.com/layform/layform/spec/eval"
)

// maxSpecs is the size of all files that are formatted at once, as for a spec.
const maxSpecs = 16 << 20

// fmtCmd formats spec files.
type fmtCmd struct {
	Targets []string `arg:"" optional:"" name:"target" help:"Spec files and directories of spec files, or - for standard input; without any, the working directory."`
	Check   bool     `name:"check" help:"Write nothing; exit with 3 when a file would change."`
	Diff    bool     `name:"diff" help:"Print what changes."`
	List    bool     `name:"list" default:"true" negatable:"" help:"Print the names of files that change."`
	Write   bool     `name:"write" default:"true" negatable:"" help:"Write the files."`
}

// Help gives examples.
func (c *fmtCmd) Help() string {
	return `For example:
  layform fmt                   rewrites the spec files of this directory
  layform fmt --check --diff    for CI: exits with 3 and shows what would change
  layform fmt - < layform.hcl   prints the result`
}

// Run formats the targets. One that does not parse is reported and left as it
// is; the others are still formatted.
func (c *fmtCmd) Run(a *app) error {
	a.files = map[string]*hcl.File{}
	if slices.Contains(c.Targets, "-") {
		if len(c.Targets) > 1 {
			return &failure{message: "- stands for standard input and must be the only target"}
		}
		return c.stream(a)
	}
	names, err := fmtFiles(c.Targets)
	if err != nil {
		return err
	}
	var diags hcl.Diagnostics
	changed := []string{}
	if err := checkSizes(names); err != nil {
		return err
	}
	for _, name := range names {
		differs, err := c.file(a, name)
		if d, ok := err.(hcl.Diagnostics); ok {
			diags = append(diags, d...)
			continue
		}
		if err != nil {
			return err
		}
		if differs {
			changed = append(changed, name)
		}
	}
	if diags.HasErrors() {
		return diags
	}
	if c.Check && len(changed) > 0 {
		a.code = exitUnformatted
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeFiles, Files: changed})
	}
	return nil
}

// stream formats standard input to standard output.
func (c *fmtCmd) stream(a *app) error {
	src, err := readAll(a.stdin, eval.MaxSourceSize)
	if err != nil {
		return &failure{message: fmt.Sprintf("standard input: %v", err)}
	}
	out, err := a.format(src, "<stdin>")
	if err != nil {
		return err
	}
	differs := !bytes.Equal(src, out)
	if c.Check && differs {
		a.code = exitUnformatted
	}
	switch {
	case a.json:
		files := []string{}
		if differs {
			files = append(files, "<stdin>")
		}
		return a.print(view.Document{Type: view.TypeFiles, Files: files})
	case c.Diff:
		return c.printDiff(a, "<stdin>", src, out)
	case c.Check:
		return nil
	}
	_, err = a.stdout.Write(out)
	return err
}

// file formats one file and reports whether it differs.
func (c *fmtCmd) file(a *app, name string) (bool, error) {
	src, err := readRegular(name, eval.MaxSourceSize)
	if err != nil {
		return false, &failure{message: fmt.Sprintf("%s: %v", name, cause(err))}
	}
	out, err := a.format(src, name)
	if err == nil && c.Write && !c.Check {
		err = removeTemporaries(name)
	}
	if err != nil || bytes.Equal(src, out) {
		return false, err
	}
	if c.List && !a.json {
		if err := writeTo(a.stdout, printable.Line(name)+"\n"); err != nil {
			return true, err
		}
	}
	if c.Diff && !a.json {
		if err := c.printDiff(a, name, src, out); err != nil {
			return true, err
		}
	}
	if c.Check || !c.Write {
		return true, nil
	}
	return true, rewrite(name, out)
}

func (a *app) format(src []byte, name string) ([]byte, error) {
	a.files[name] = &hcl.File{Bytes: src}
	out, diags := edit.Format(src, name)
	if diags.HasErrors() {
		return nil, diags
	}
	delete(a.files, name) // it is for the excerpts of errors
	return out, nil
}

// checkSizes refuses files that are more than the files of one spec may be.
func checkSizes(names []string) error {
	var total int64
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			continue // reading it says what is wrong
		}
		if total += info.Size(); total > maxSpecs {
			return &failure{message: fmt.Sprintf("%s: with this file there are more than %d MiB to format, and a spec may have no more", name, maxSpecs>>20), hint: "name fewer files"}
		}
	}
	return nil
}

func (c *fmtCmd) printDiff(a *app, name string, src, out []byte) error {
	text := diff.Diff("old/"+name, src, "new/"+name, out)
	return writeTo(a.stdout, printable.Lines(string(text)))
}

// rewrite replaces a file's content, whole or not at all, and keeps its mode. A
// symlink stays one.
func rewrite(name string, data []byte) error {
	return inPlace(name, func(root *os.Root, base string, mode fs.FileMode) error {
		return durable.WriteFile(root, base, data, mode)
	})
}

// inPlace lets write replace the file that a name leads to, in the directory of that file.
func inPlace(name string, write func(root *os.Root, base string, mode fs.FileMode) error) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(real))
	if err != nil {
		return err
	}
	defer root.Close()
	return write(root, filepath.Base(real), info.Mode().Perm())
}

// fmtFiles expands targets to files: a directory to its spec files and files of
// variables.
func fmtFiles(targets []string) ([]string, error) {
	if len(targets) == 0 {
		targets = []string{"."}
	}
	var names []string
	for _, target := range targets {
		info, err := os.Stat(target)
		if err != nil {
			return nil, &failure{message: fmt.Sprintf("%s: %v", target, cause(err))}
		}
		if !info.IsDir() {
			if strings.HasSuffix(target, ".json") {
				return nil, &failure{message: target + ": fmt formats the native syntax, not JSON"}
			}
			names = append(names, target)
			continue
		}
		entries, err := os.ReadDir(target)
		if err != nil {
			return nil, &failure{message: fmt.Sprintf("%s: %v", target, cause(err))}
		}
		for _, e := range entries {
			if !e.IsDir() && formatted(e.Name()) {
				names = append(names, filepath.Join(target, e.Name()))
			}
		}
	}
	return names, nil
}

// formatted reports whether fmt formats a file of this name in a directory.
func formatted(name string) bool {
	return spec.IsFile(name) && !strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".layformvars")
}
