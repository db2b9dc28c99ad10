package main

import "github.com/layform/layform/spec/schema"

// schemaCmd prints the JSON Schema of the spec language.
type schemaCmd struct{}

// Help describes the use of the schema.
func (c *schemaCmd) Help() string {
	return `Editors complete and check *.layform.json files with it:
  layform schema > layform.schema.json`
}

// Run prints the schema, which is a document of its own with --json as well.
func (c *schemaCmd) Run(a *app) error {
	text, err := schema.JSONSchema()
	if err != nil {
		return err
	}
	return writeTo(a.stdout, string(text)+"\n")
}
