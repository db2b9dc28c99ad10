package repair

import "github.com/layform/layform/layout/printable"

// Remedy is what was done about a problem.
type Remedy string

// The remedies. With Left, Note says what to do.
const (
	Removed Remedy = "removed"
	Moved   Remedy = "moved"
	Written Remedy = "written"
	ModeSet Remedy = "mode set"
	Left    Remedy = "left"
)

// Mended is one problem and what Layout did about it or, in a dry run, would do.
type Mended struct {
	// Object is the file, relative to the layout, made safe for a terminal.
	Object string `json:"object"`
	// Problem says what is wrong.
	Problem string `json:"problem"`
	Remedy  Remedy `json:"remedy"`
	// Note says in words what was done, or what to do.
	Note string `json:"note"`
}

// report gathers what was mended.
type report struct {
	dryRun bool
	lines  []Mended
}

// mend does something about a problem, unless this is a dry run, and reports it.
func (r *report) mend(object, problem string, remedy Remedy, note string, do func() error) error {
	if !r.dryRun && do != nil {
		if err := do(); err != nil {
			return err
		}
	}
	r.lines = append(r.lines, Mended{Object: printable.Line(object), Problem: printable.Line(problem), Remedy: remedy, Note: printable.Line(note)})
	return nil
}

// left reports a problem that is not mended.
func (r *report) left(object, problem, advice string) {
	_ = r.mend(object, problem, Left, advice, nil) // nothing is done that could fail
}
