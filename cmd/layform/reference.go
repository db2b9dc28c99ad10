package main

import (
	"github.com/layform/layform/spec/schema"
)

// referenceCmd explains the spec language.
type referenceCmd struct {
	Topic string `arg:"" optional:"" topics:"" help:"A block, an attribute such as tags or layer.copy.mode, or a function. Without it, all blocks and functions are listed."`
}

// Help gives examples.
func (c *referenceCmd) Help() string {
	return `For example:
  layform reference                all topics
  layform reference layer.copy     a block
  layform reference config.env     an attribute
  layform reference templatefile   a function`
}

// Run prints the text about the topic.
func (c *referenceCmd) Run(a *app) error {
	if a.json {
		return &failure{message: "reference prints text", hint: "leave --json out; layform schema prints the language as a JSON Schema"}
	}
	text, err := schema.Reference(c.Topic)
	if err != nil {
		return &failure{message: err.Error(), hint: "layform reference lists all blocks and functions"}
	}
	return writeTo(a.stdout, text)
}
