package main

import (
	"github.com/layform/layform/cmd/layform/view"
)

// validateCmd checks the spec without looking at the layout.
type validateCmd struct {
	specFlags
	valueFlags
}

// Help gives examples.
func (c *validateCmd) Help() string {
	return `For example:
  layform validate
  layform validate --var version=v1.2 -f web.layform.hcl`
}

// Run loads the spec and reports all of its mistakes: without values of variables
// that have none, as far as it can be judged.
func (c *validateCmd) Run(a *app) error {
	if _, err := a.epoch(); err != nil {
		return err
	}
	if err := a.check(c.specFlags, c.valueFlags); err != nil {
		return err
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeDiagnostics})
	}
	return writeTo(a.stdout, "The spec is valid.\n")
}
