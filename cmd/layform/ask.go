package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
)

// ask asks whether a plan shall be carried out. Anything but yes is an error.
func (a *app) ask(ctx context.Context, p *planner.Plan) error {
	if !a.terminal.in {
		return &failure{
			message: "standard input is no terminal, so nobody can approve the plan",
			hint:    "add --auto-approve, or save the plan with layform plan --out FILE and apply that",
		}
	}
	what := "Do you want to make these changes in"
	if p.Options.Destroy {
		what = "Do you really want to remove all of this from"
	}
	question := fmt.Sprintf("\n%s %s?\n  Only 'yes' will be accepted.\n\n  Enter a value: ", what, printable.Line(view.PlanLayout(p)))
	answer, err := a.readLine(ctx, question)
	if err != nil {
		return err
	}
	if answer != "yes" {
		return &failure{message: "not approved; nothing was changed"}
	}
	return nil
}

// readLine asks on standard error and reads one line from standard input. The
// end of the input counts as an empty line.
func (a *app) readLine(ctx context.Context, question string) (string, error) {
	if err := writeTo(a.stderr, question); err != nil {
		return "", err
	}
	if a.lines == nil {
		a.lines = bufio.NewReader(a.stdin)
	}
	type line struct {
		text string
	}
	read := make(chan line, 1)
	go func() {
		// An error is the end of the input: what was read until then counts.
		text, _ := a.lines.ReadString('\n')
		read <- line{text}
	}()
	select {
	case <-ctx.Done():
		_ = writeTo(a.stderr, "\n")
		return "", ctx.Err()
	case l := <-read:
		return strings.TrimSpace(l.text), nil
	}
}
