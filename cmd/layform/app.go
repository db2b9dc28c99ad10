package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/text"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/remote"
	"github.com/layform/layform/planner/base"
)

// app is the environment of a command: its streams, variables, flags and exit code.
type app struct {
	stdin          *os.File
	stdout, stderr io.Writer
	environ        []string
	// terminal holds for each of standard input, output and error whether it is a
	// terminal.
	terminal struct{ in, out, err bool }
	out, err text.Style
	json     bool
	// chdir is the argument of -C, and started the working directory before it.
	chdir, started string
	// files are the parsed files of the spec, for the snippets of diagnostics.
	files map[string]*hcl.File
	// notes are the warnings of this run, for the JSON document.
	notes []view.Diagnostic
	// printed is set when the JSON document was written.
	printed bool
	// lines reads the answers on standard input.
	lines *bufio.Reader
	// patience is how long the command may take to end after a signal.
	patience *patience
	// code is the exit code of a command without error.
	code int
}

func newApp(stdin, stdout, stderr *os.File, environ []string) *app {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ}
	a.terminal.in = isatty.IsTerminal(stdin.Fd())
	a.terminal.out = isatty.IsTerminal(stdout.Fd())
	a.terminal.err = isatty.IsTerminal(stderr.Fd())
	return a
}

// configure decides on colours and JSON.
func (a *app) configure(noColor, json bool) {
	plain := noColor || json || a.getenv("NO_COLOR") != "" || a.getenv("CI") != "" || a.getenv("TERM") == "dumb"
	a.out = text.Style{Color: a.terminal.out && !plain}
	a.err = text.Style{Color: a.terminal.err && !plain}
	if a.getenv("CI") == "" {
		a.out.Width, a.err.Width = columns(a.stdout), columns(a.stderr)
	}
	a.json = json
}

// columns is the width of the terminal that a stream is, and 0 for all else.
func columns(stream io.Writer) int {
	f, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// getenv is the value of an environment variable, empty where it is not set.
func (a *app) getenv(name string) string {
	value, _ := a.lookupEnv(name)
	return value
}

func (a *app) lookupEnv(name string) (string, bool) {
	for _, entry := range a.environ {
		if key, value, ok := strings.Cut(entry, "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

// print writes the JSON document that is the command's result.
func (a *app) print(d view.Document) error {
	a.printed = true
	d.OK = true
	d.Diagnostics = append(a.notes, d.Diagnostics...)
	return view.JSON(a.stdout, d)
}

// printContents is print for the files of an image.
func (a *app) printContents(files iter.Seq[view.File]) error {
	a.printed = true
	return view.JSONContents(a.stdout, view.Document{Type: view.TypeContents, OK: true, Diagnostics: a.notes}, files)
}

// show writes a report that is the command's result.
func (a *app) show(r *view.Report) error { return text.Render(a.stdout, r, a.out) }

// warn shows warnings of the spec and keeps them for the JSON document.
func (a *app) warn(diags hcl.Diagnostics) error {
	if len(diags) == 0 {
		return nil
	}
	a.notes = append(a.notes, view.NewDiagnostics(diags, a.files)...)
	return text.Diagnostics(a.stderr, diags, a.files, a.err)
}

// failure is an error with a hint on what to do next.
type failure struct {
	message, hint string
	// partial is the document that a command with --json prints although it failed.
	partial *view.Document
	// quiet is set when the result on standard output is the message.
	quiet bool
	err   error
}

// Error is the message.
func (f *failure) Error() string {
	if f.message == "" && f.err != nil {
		return f.err.Error()
	}
	return f.message
}

// Unwrap returns the cause, which may be nil.
func (f *failure) Unwrap() error { return f.err }

// Hint is the next step to take.
func (f *failure) Hint() string { return f.hint }

// hinter is an error with a hint: the next step to take.
type hinter interface{ Hint() string }

// fail reports an error and returns the exit code.
func (a *app) fail(ctx context.Context, err error) int {
	diags, message, hint := a.explain(ctx, err)
	var f *failure
	errors.As(err, &f)
	if f == nil || !f.quiet {
		// Nothing is left to be done about an error in reporting an error.
		if len(diags) > 0 {
			_ = text.Diagnostics(a.stderr, diags, a.files, a.err)
		}
		if message != "" {
			_ = text.Error(a.stderr, message, hint, a.err)
		}
	}
	if a.json && !a.printed {
		d := view.Document{Type: view.TypeDiagnostics}
		if f != nil && f.partial != nil {
			d = *f.partial
		}
		d.Diagnostics = append(a.notes, view.NewDiagnostics(diags, a.files)...)
		if len(diags) == 0 && message != "" {
			d.Diagnostics = append(d.Diagnostics, view.Diagnostic{Severity: "error", Summary: message, Hint: hint})
		}
		_ = view.JSON(a.stdout, d)
	}
	return exitError
}

// indexHint says what to do about an index.json that cannot be understood. It is empty for
// one in an archive: layout repair works on directories only.
func indexHint(err *layout.IndexError) string {
	if info, statErr := os.Stat(err.Name); statErr != nil || !info.IsDir() {
		return ""
	}
	return "restore it, or let layform layout repair --move-torn " + shellWord(err.Name) + " put it aside and write one that lists what the layout holds"
}

// explain takes an error apart: diagnostics of the spec, or a message and a hint.
func (a *app) explain(ctx context.Context, err error) (hcl.Diagnostics, string, string) {
	var diags hcl.Diagnostics
	mistakes := errors.As(err, &diags) && diags.HasErrors()
	// Diagnostics of a spec that was not looked at to the end say nothing of it.
	if ctx.Err() != nil && (mistakes || errors.Is(err, context.Canceled)) {
		return nil, "interrupted", ""
	}
	hint := ""
	var h hinter
	var index *layout.IndexError
	if errors.As(err, &h) {
		hint = h.Hint()
	} else if errors.As(err, &index) {
		hint = indexHint(index)
	}
	if mistakes {
		n := 0
		var unusable *base.UnusableError
		for _, d := range diags {
			if d.Severity != hcl.DiagError {
				continue
			}
			n++
			e, ok := d.Extra.(*base.UnusableError)
			if !ok {
				return diags, mistakesText(diags), hint
			}
			unusable = e
		}
		var pin *base.PinError
		var none *remote.NotFoundError
		switch {
		case errors.As(unusable, &h):
			hint = h.Hint()
		case errors.As(unusable, &pin) && errors.As(unusable, &none):
			hint = "layform lock --upgrade pins what the reference leads to today"
		}
		if n == 1 {
			return diags, unusable.Address.String() + " cannot be used", hint
		}
		return diags, fmt.Sprintf("%d bases cannot be used", n), hint
	}
	return nil, err.Error(), hint
}

// mistakesText counts the errors among diagnostics of a spec: mistakes in it, and sources
// that are not there.
func mistakesText(diags hcl.Diagnostics) string {
	n := 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			n++
		}
	}
	if n == 1 {
		return "the spec cannot be used: 1 error"
	}
	return fmt.Sprintf("the spec cannot be used: %d errors", n)
}
