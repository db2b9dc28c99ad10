package main

import (
	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/markdown"
)

// formatFlag says how a result is drawn.
type formatFlag struct {
	Format string `name:"format" default:"text" enum:"text,markdown" placeholder:"FORMAT" help:"Draw the result as text, or as markdown for a pull request or a job summary: cut to what a comment can hold, with what is left out counted."`
}

func (f formatFlag) check(a *app) error {
	if a.json && f.Format != "text" {
		return &failure{message: "--format and --json exclude each other", hint: "leave one of them out"}
	}
	return nil
}

// draw writes a report that is the command's result.
func (f formatFlag) draw(a *app, r *view.Report) error {
	if f.Format == "markdown" {
		return markdown.Render(a.stdout, r, markdown.Options{})
	}
	return a.show(r)
}
