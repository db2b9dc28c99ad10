package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/layform/layform/layout/durable"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/edit"
)

const starterName = "layform.hcl"

// initCmd writes a starter spec.
type initCmd struct {
	Architecture string `name:"architecture" placeholder:"ARCH" help:"Architecture of the image, such as amd64 or arm64."`
	OS           string `name:"os" placeholder:"OS" help:"Operating system of the image; linux unless set."`
	Tag          string `name:"tag" placeholder:"TAG" help:"Tag of the image; latest unless set."`
}

// Run asks for what the flags leave open, on a terminal, and writes layform.hcl
// and nothing else. It refuses where there is a spec already.
func (c *initCmd) Run(ctx context.Context, a *app) error {
	if err := refuseSpecs(); err != nil {
		return err
	}
	questions := []struct {
		value          *string
		text, fallback string
	}{
		{&c.Architecture, "Architecture", runtime.GOARCH},
		{&c.OS, "Operating system", "linux"},
		{&c.Tag, "Tag", "latest"},
	}
	for _, q := range questions {
		if *q.value != "" {
			continue
		}
		if a.terminal.in && !a.json {
			answer, err := a.readLine(ctx, fmt.Sprintf("%s [%s]: ", q.text, q.fallback))
			if err != nil {
				return err
			}
			*q.value = answer
		}
		if *q.value == "" {
			*q.value = q.fallback
		}
	}
	text := edit.Starter(edit.Options{Architecture: c.Architecture, OS: c.OS, Tag: c.Tag})
	if err := a.checkStarter(text); err != nil {
		return err
	}
	if err := writeNew(starterName, text); err != nil {
		return err
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeFiles, Files: []string{starterName}})
	}
	return writeTo(a.stdout, "Wrote "+starterName+". Next:\n  layform plan\n  layform apply\n")
}

// refuseSpecs refuses to write a starter spec beside another spec.
func refuseSpecs() error {
	entries, err := os.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if spec.IsFile(e.Name()) {
			return &failure{
				message: fmt.Sprintf("there is a spec already: %s", e.Name()),
				hint:    "init overwrites nothing; use another directory with -C DIR",
			}
		}
	}
	return nil
}

// checkStarter loads the starter spec before it is written, so that an answer
// that makes no valid spec is an error and leaves nothing behind.
func (a *app) checkStarter(text []byte) error {
	sp, diags := spec.Load(".", spec.LoadOptions{
		Sources: []spec.Source{{Name: starterName, Text: string(text)}},
		Version: version(),
	})
	a.files = sp.Files
	if diags.HasErrors() {
		return diags
	}
	return nil
}

// writeNew writes a file that must not exist into the working directory: whole or
// not at all.
func writeNew(name string, data []byte) error {
	root, err := os.OpenRoot(".")
	if err != nil {
		return err
	}
	defer root.Close()
	err = durable.WriteNewFile(root, name, data, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &failure{message: name + " exists already", hint: "init overwrites nothing"}
	}
	return err
}
