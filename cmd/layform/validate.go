package main

import (
	"github.com/layform/layform/cmd/layform/view"
)

// validateCmd checks the spec without looking at the layout.
type validateCmd struct {
	specFlags
	valueFlags
}

// Run loads the spec and reports all of its mistakes.
func (c *validateCmd) Run(a *app) error {
	if _, err := a.epoch(); err != nil {
		return err
	}
	if _, err := a.load(c.specFlags, c.valueFlags); err != nil {
		return err
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeDiagnostics})
	}
	return writeTo(a.stdout, "The spec is valid.\n")
}
