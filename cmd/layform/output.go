package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// outputCmd prints output values of the last apply.
type outputCmd struct {
	Name string `arg:"" optional:"" help:"Print this output alone."`
	Raw  bool   `name:"raw" help:"Print a string, number or bool as it is, without quotes or a line feed."`
	specFlags
	valueFlags
}

// Help gives examples.
func (c *outputCmd) Help() string {
	return `For example:
  layform output               all of them
  layform output --raw digest  one value alone, for scripts`
}

// Run reads the outputs from the staging state.
func (c *outputCmd) Run(ctx context.Context, a *app) error {
	if c.Raw && c.Name == "" {
		return &failure{message: "--raw prints one output", hint: "name it: layform output --raw NAME"}
	}
	if c.Raw && a.json {
		return &failure{message: "--raw and --json exclude each other", hint: "leave one of them out"}
	}
	st, err := a.stage(ctx, c.specFlags, c.valueFlags)
	if err != nil {
		return err
	}
	if c.Name != "" {
		return c.one(a, st)
	}
	outputs := outputsOf(st)
	if a.json {
		return a.print(view.Document{Type: view.TypeOutputs, Outputs: outputs})
	}
	if len(outputs) == 0 {
		return writeTo(a.stderr, "layform: the last apply left no outputs\n")
	}
	return a.show(view.OutputsReport(outputs))
}

// stage reads the staging state of the spec.
func (a *app) stage(ctx context.Context, f specFlags, v valueFlags) (*stage.Stage, error) {
	sp, err := a.loadPlace(f, v)
	if err != nil {
		return nil, err
	}
	store, err := openLayout(f.dir(), sp.LayoutPath)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return stageOf(ctx, store, sp)
}

// stageOf reads the staging state of a spec in its layout. A state of the same name
// from another directory is an error.
func stageOf(ctx context.Context, store *layout.Store, sp *spec.Spec) (*stage.Stage, error) {
	st, _, err := stage.Load(ctx, store, sp.Name)
	if err != nil {
		return nil, err
	}
	return st, st.CheckPlace(store, sp.Dir, sp.File)
}

// one prints the named output.
func (c *outputCmd) one(a *app, st *stage.Stage) error {
	o, ok := st.Outputs[c.Name]
	if !ok {
		hint := "the last apply left no outputs"
		if len(st.Outputs) > 0 {
			hint = "there are: " + strings.Join(slices.Sorted(maps.Keys(st.Outputs)), ", ")
		}
		return &failure{message: fmt.Sprintf("there is no output %q", c.Name), hint: hint}
	}
	if o.Sensitive {
		return &failure{
			message: fmt.Sprintf("output %q is sensitive", c.Name),
			hint:    "no file of the layout holds a sensitive value, only a digest of it",
		}
	}
	if c.Raw {
		text, err := rawValue(c.Name, o.Value)
		if err != nil {
			return err
		}
		return writeTo(a.stdout, text)
	}
	if a.json {
		v := view.Output{Name: c.Name, Description: o.Description, Value: json.RawMessage(o.Value)}
		return a.print(view.Document{Type: view.TypeOutputs, Outputs: []view.Output{v}})
	}
	return writeTo(a.stdout, printable.Line(o.Value)+"\n")
}

// rawValue is a string, number or bool without quotes. It is meant for
// programs and is not escaped.
func rawValue(name, value string) (string, error) {
	var s string
	if json.Unmarshal([]byte(value), &s) == nil {
		return s, nil
	}
	if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") || value == "null" {
		return "", &failure{message: fmt.Sprintf("output %q is no string, number or bool", name), hint: "use --json"}
	}
	return value, nil
}
