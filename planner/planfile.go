package planner

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/spec"
)

// MaxPlanSize is the largest plan file that Decode reads, in bytes.
const MaxPlanSize = 256 << 20

// planLimits bound plan files. Values may be nested as deep as the spec allows,
// below the members of the plan that hold them.
var planLimits = jsondoc.Limits{Bytes: MaxPlanSize, Depth: spec.MaxDepth + 16}

// Encode writes a plan in its canonical JSON form: equal plans give equal bytes.
func Encode(p *Plan) ([]byte, error) { return jsondoc.Encode(p) }

// Begins reports whether a file with these first bytes, 64 of them, can be one
// that Encode wrote: it begins with the version of the format. Decode says what is
// wrong with any other, from these bytes alone.
func Begins(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	return bytes.HasPrefix(head, []byte("{")) && bytes.HasPrefix(bytes.TrimLeft(head[1:], " \t\r\n"), []byte(`"format_version"`))
}

// ErrFormat says that a plan file has a version that this layform does not read.
var ErrFormat = errors.New("plan format is not supported")

// Decode reads what Encode wrote. Anything else is an error: another version
// (ErrFormat), members that are unknown or stand twice, trailing data, actions that do
// not exist.
func Decode(data []byte) (*Plan, error) {
	if !Begins(data) {
		return nil, errors.New("not a plan of layform: it does not begin with format_version")
	}
	var version struct {
		FormatVersion int `json:"format_version"`
	}
	if err := jsondoc.Decode(data, planLimits, &version); err != nil {
		return nil, fmt.Errorf("not a plan of layform: %w", err)
	}
	if version.FormatVersion != FormatVersion {
		return nil, fmt.Errorf("%w: the file has version %d and this layform reads %d; make the plan again", ErrFormat, version.FormatVersion, FormatVersion)
	}
	var p Plan
	known := planLimits
	known.RefuseUnknown = true // apply would pass over what it says
	if err := jsondoc.Decode(data, known, &p); err != nil {
		return nil, fmt.Errorf("not a plan of this layform: %w", err)
	}
	for _, c := range p.Changes {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("not a plan of layform: %s: %w", c.Address, err)
		}
	}
	return &p, nil
}

// check finds changes that Diff never makes.
func (c Change) check() error {
	switch c.Action {
	case Create, Update, Replace, NoOp:
		if c.After == nil {
			return fmt.Errorf("action %q without a state after it", c.Action)
		}
	case Delete:
		if c.Before == nil {
			return fmt.Errorf("action %q without a state before it", c.Action)
		}
	default:
		return fmt.Errorf("action %q does not exist", c.Action)
	}
	for _, f := range c.Files {
		if err := f.check(); err != nil {
			return fmt.Errorf("file %q: %w", f.Path, err)
		}
	}
	return nil
}

// check finds changes of files that Diff never makes.
func (f FileChange) check() error {
	var before, after bool
	switch f.Action {
	case Create:
		after = true
	case Update:
		before, after = true, true
	case Delete:
		before = true
	default:
		return fmt.Errorf("action %q does not exist", f.Action)
	}
	if before != (f.Before != nil) || after != (f.After != nil) {
		return fmt.Errorf("action %q has not the properties before and after it that it must have", f.Action)
	}
	return nil
}

// StaleError says that something that a plan was made from has moved since.
type StaleError struct {
	// What moved, in words: "index.json of the layout", "the file app.conf".
	What string
	// Layout is set when it was the layout or the staging state that moved, as
	// another run does.
	Layout bool
}

// Error says what moved and what to do.
func (e *StaleError) Error() string {
	return fmt.Sprintf("the plan is stale: %s changed after it was made; plan again", e.What)
}
