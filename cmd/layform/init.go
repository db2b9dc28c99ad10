package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/durable"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/edit"
)

const starterName = "layform.hcl"

// initCmd writes a starter spec.
type initCmd struct {
	Architecture string `name:"architecture" placeholder:"ARCH" help:"Architecture of the image, such as amd64 or arm64."`
	OS           string `name:"os" placeholder:"OS" help:"Operating system of the image; linux unless set."`
	Tag          string `name:"tag" placeholder:"TAG" help:"Tag of the image; latest unless set."`
	Path         string `name:"path" placeholder:"DIR" help:"The directory of the layout, relative to the spec; dist/app unless set."`
	Bare         bool   `name:"bare" help:"Write the layout block alone, for layform add to fill."`
}

// Help gives examples.
func (c *initCmd) Help() string {
	return `For example:
  layform init                                         asks on a terminal
  layform init --architecture arm64 --tag v1           asks nothing
  layform -C web init                                  in another directory
  layform init --bare --path my-image                  the layout alone, for layform add`
}

// Run asks for what the flags leave open, on a terminal, and writes layform.hcl
// and nothing else. It refuses where there is a spec already.
func (c *initCmd) Run(ctx context.Context, a *app) error {
	if err := refuseSpecs(); err != nil {
		return err
	}
	opts := edit.Options{Architecture: runtime.GOARCH, OS: "linux", Tag: "latest", Path: c.Path, Bare: c.Bare}
	if problem := starterProblem(opts); problem != "" {
		return &failure{message: fmt.Sprintf("--path %q: %s", c.Path, problem), hint: "nothing was written"}
	}
	if c.Bare {
		if c.Architecture+c.OS+c.Tag != "" {
			return &failure{message: "--bare writes no image that a platform or tag could be of", hint: "give them to layform add config and layform add manifest"}
		}
		return c.write(a, opts, "  layform add layer FILE\n  layform add config\n  layform add manifest\n  layform apply\n")
	}
	for _, q := range []question{
		{"--os", "Operating system", c.OS, &opts.OS},
		{"--architecture", "Architecture", c.Architecture, &opts.Architecture},
		{"--tag", "Tag", c.Tag, &opts.Tag},
	} {
		if err := a.answer(ctx, q, &opts); err != nil {
			return err
		}
	}
	return c.write(a, opts, "  layform plan\n  layform apply\n")
}

// write writes the spec, and names the commands that come next.
func (c *initCmd) write(a *app, opts edit.Options, next string) error {
	if err := writeNew(starterName, edit.Starter(opts)); err != nil {
		return err
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeFiles, Files: []string{starterName}})
	}
	return writeTo(a.stdout, "Wrote "+starterName+". Next:\n"+next)
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

// question is one that init asks, unless its flag has the answer.
type question struct {
	flag, text, given string
	// value is the default before it is answered, and the answer after it.
	value *string
}

// answer sets the value of a question by its flag or, on a terminal, by asking: again
// as long as the answer makes no valid spec.
func (a *app) answer(ctx context.Context, q question, opts *edit.Options) error {
	fallback := *q.value
	if q.given != "" {
		*q.value = q.given
		if problem := starterProblem(*opts); problem != "" {
			return &failure{message: fmt.Sprintf("%s %q: %s", q.flag, q.given, problem), hint: "nothing was written; layform init --help says what there is"}
		}
		return nil
	}
	for a.terminal.in && !a.json {
		text, err := a.readLine(ctx, fmt.Sprintf("%s [%s]: ", q.text, fallback))
		if err != nil {
			return err
		}
		if *q.value = text; text == "" {
			*q.value = fallback
		}
		problem := starterProblem(*opts)
		if problem == "" {
			return nil
		}
		if text == "" { // the default does not go with an earlier answer
			return &failure{message: problem, hint: "nothing was written"}
		}
		if err := writeTo(a.stderr, problem+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// starterProblem says why answers make no valid spec; empty where they make one.
func starterProblem(opts edit.Options) string {
	_, diags := spec.Load(".", spec.LoadOptions{
		Sources: []spec.Source{{Name: starterName, Text: string(edit.Starter(opts))}},
		Version: version(),
	})
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return d.Detail
		}
	}
	return ""
}

// writeNew writes a file that must not exist into the working directory: whole or
// not at all.
func writeNew(name string, data []byte) error {
	root, err := os.OpenRoot(".")
	if err != nil {
		return err
	}
	defer root.Close()
	return writeNewIn(root, name, data)
}

// writeNewIn writes a file that must not exist: whole or not at all.
func writeNewIn(root *os.Root, name string, data []byte) error {
	err := durable.WriteNewFile(root, name, data, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &failure{message: name + " exists already", hint: "nothing is overwritten"}
	}
	return err
}
