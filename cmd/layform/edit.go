package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/durable"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/edit"
	"github.com/layform/layform/spec/eval"
)

// editFlags are those of the commands that edit the spec.
type editFlags struct {
	specFlags
	valueFlags
	executeFlags
	DryRun      bool `name:"dry-run" help:"Show the difference and write nothing."`
	Apply       bool `name:"apply" help:"Apply the spec afterwards: plan, ask, and do it."`
	AutoApprove bool `name:"auto-approve" help:"With --apply, do not ask before acting."`
}

// editing is one edit of a spec.
type editing struct {
	*edit.Editor
	a *app
	// dir is the directory of the spec, and names the names that were made.
	dir   string
	names []view.GivenName
}

// run edits the spec: it reads all of its files, has them changed by do, checks what
// comes out, shows the difference, and writes it. Before all of that is right, nothing
// is written.
func (f *editFlags) run(ctx context.Context, a *app, do func(*editing) error) error {
	if err := f.refuse(a); err != nil {
		return err
	}
	files, err := readSpec(f.specFlags)
	if err != nil {
		return err
	}
	a.files = map[string]*hcl.File{}
	for _, file := range files {
		a.files[file.Name] = &hcl.File{Bytes: []byte(eval.SourceText(string(file.Text)))}
	}
	editor, diags := edit.New(files)
	if diags.HasErrors() {
		return &unedited{diags}
	}
	e := &editing{Editor: editor, a: a, dir: f.dir()}
	if err := do(e); err != nil {
		return err
	}
	if err := e.refuseMistakes(f.specFlags, files); err != nil {
		return err
	}
	changes := e.Changes()
	if err := e.show(f, changes); err != nil {
		return err
	}
	if !f.DryRun {
		if err := replaceAll(f.dir(), changes); err != nil {
			return err
		}
	}
	if !f.Apply {
		return nil
	}
	if err := writeTo(a.stderr, "layform: the spec is edited; what follows is about the layout\n"); err != nil {
		return err
	}
	return a.applyNew(ctx, f.specFlags, f.valueFlags, shapeFlags{}, f.executeFlags, false, f.AutoApprove)
}

// refuse refuses flags that do not go together, before anything is edited.
func (f *editFlags) refuse(a *app) error {
	switch {
	case f.Apply && f.DryRun:
		return &failure{message: "--apply and --dry-run exclude each other", hint: "leave one of them out"}
	case f.Apply && !f.AutoApprove && a.json:
		return &failure{message: "--json does not ask", hint: "add --auto-approve, or leave --apply out"}
	case f.Apply && !f.AutoApprove && !a.terminal.in:
		return &failure{message: "standard input is no terminal, so nobody can approve the plan", hint: "add --auto-approve, or leave --apply out"}
	case f.AutoApprove && !f.Apply:
		return &failure{message: "--auto-approve has no meaning without --apply", hint: "leave it out, or add --apply"}
	}
	return f.executeFlags.check()
}

// unedited is the error of an edit that finds or would make mistakes in the spec.
type unedited struct{ hcl.Diagnostics }

// Unwrap returns the mistakes.
func (u *unedited) Unwrap() error { return u.Diagnostics }

// Hint says that the files are as they were.
func (u *unedited) Hint() string { return "the spec was not edited, and no file was written" }

// readSpec reads the files of a spec, layform.hcl first.
func readSpec(f specFlags) ([]edit.File, error) {
	names := []string{f.name()}
	if f.name() == "" {
		entries, err := os.ReadDir(f.dir())
		if err != nil {
			return nil, err
		}
		names = names[:0]
		for _, entry := range entries {
			if spec.IsFile(entry.Name()) {
				names = append(names, entry.Name())
			}
		}
	}
	if len(names) == 0 {
		return nil, &failure{message: "there is no layform.hcl and no *.layform.hcl file to edit", hint: "start a spec with layform init, or name its directory with -C"}
	}
	if i := slices.Index(names, starterName); i > 0 {
		names = append([]string{starterName}, slices.Delete(names, i, i+1)...)
	}
	var files []edit.File
	total := 0
	for _, name := range names {
		path := filepath.Join(f.dir(), name)
		text, err := readRegular(path, eval.MaxSourceSize)
		if err != nil {
			return nil, &failure{message: fmt.Sprintf("%s: %v", path, cause(err))}
		}
		if total += len(text); total > maxSpecs {
			return nil, &failure{message: fmt.Sprintf("%s: with this file the spec has more than %d MiB", path, maxSpecs>>20)}
		}
		files = append(files, edit.File{Name: name, Text: text, Override: len(names) > 1 && spec.IsOverride(name)})
	}
	return files, nil
}

// refuseMistakes refuses an edit that brings mistakes into the spec. Those that it has already
// stay its own.
func (e *editing) refuseMistakes(f specFlags, before []edit.File) error {
	known := map[string]int{}
	old := map[string][]byte{}
	for _, file := range before {
		old[file.Name] = file.Text
	}
	for _, d := range mistakes(f, old) {
		known[d.Summary+d.Detail]++
	}
	var fresh hcl.Diagnostics
	now := e.Texts()
	for _, d := range mistakes(f, now) {
		if known[d.Summary+d.Detail]--; known[d.Summary+d.Detail] < 0 {
			fresh = append(fresh, d)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	for name, text := range now {
		e.a.files[name] = &hcl.File{Bytes: text}
	}
	return &unedited{fresh}
}

// mistakes are the errors of a spec, as far as it can be judged without the values of
// variables and without its bases.
func mistakes(f specFlags, texts map[string][]byte) hcl.Diagnostics {
	opts := spec.LoadOptions{File: f.name(), CheckOnly: true, Version: version()}
	for name, text := range texts {
		opts.Sources = append(opts.Sources, spec.Source{Name: name, Text: eval.SourceText(string(text))})
	}
	slices.SortFunc(opts.Sources, func(a, b spec.Source) int { return strings.Compare(a.Name, b.Name) })
	_, diags := spec.Load(f.dir(), opts)
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
}

// show prints the difference. With --json and --apply the document is that of the apply.
func (e *editing) show(f *editFlags, changes []edit.Change) error {
	done := &view.SpecEdit{Names: e.names, DryRun: f.DryRun}
	for _, c := range changes {
		name := filepath.ToSlash(filepath.Join(f.dir(), c.Name))
		done.Files = append(done.Files, view.EditedFile{Name: name, Diff: string(diff.Diff("old/"+name, c.Before, "new/"+name, c.After))})
	}
	if e.a.json {
		if f.Apply {
			return nil
		}
		return e.a.print(view.Document{Type: view.TypeSpecEdit, SpecEdit: done})
	}
	if len(changes) == 0 {
		return writeTo(e.a.stdout, "Nothing to change: the spec says so already.\n")
	}
	for _, file := range done.Files {
		if err := writeTo(e.a.stdout, printable.Lines(file.Diff)); err != nil {
			return err
		}
	}
	return nil
}

// replaceAll writes changed files of a directory. One that is not what was read is an
// error; those that were written before it get their content back.
func replaceAll(dir string, changes []edit.Change) error {
	for i, c := range changes {
		err := replaceFile(filepath.Join(dir, c.Name), c.Before, c.After)
		if err == nil {
			continue
		}
		for _, done := range changes[:i] {
			err = errors.Join(err, replaceFile(filepath.Join(dir, done.Name), done.After, done.Before))
		}
		if errors.Is(err, durable.ErrChanged) {
			return &failure{message: fmt.Sprintf("%s: %v", c.Name, err), hint: "nothing was edited; look at the file, and edit again"}
		}
		return err
	}
	return nil
}

// replaceFile replaces what a file holds, whole or not at all, if it is what it was, and
// keeps its mode. A symlink stays one.
func replaceFile(name string, before, after []byte) error {
	return inPlace(name, func(root *os.Root, base string, mode fs.FileMode) error {
		return durable.ReplaceFile(root, base, before, after, mode)
	})
}

// object is the object that a target of the command line means: an address, or a kind
// of which the spec has one block.
func (e *editing) object(target string, kinds ...addr.Kind) (addr.Address, error) {
	kind := addr.Kind(target)
	if !kind.Valid() {
		a, err := addr.Parse(target)
		if err != nil {
			return a, &failure{message: err.Error(), hint: "write KIND.NAME, such as manifest.app, or the kind alone where the spec has one block of it"}
		}
		kind = a.Kind
		if slices.Contains(kinds, kind) {
			return a, nil
		}
	}
	if !slices.Contains(kinds, kind) {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = string(k)
		}
		return addr.Address{}, &failure{message: fmt.Sprintf("%s is a %s, and this is for: %s", target, kind, strings.Join(names, ", ")), hint: "name one of those"}
	}
	return e.Only(kind)
}
