package view

import (
	"fmt"
	"slices"

	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
)

// causes answers why an object changes.
type causes struct {
	changes map[string]planner.Change
	// up is the cause of each change that leads furthest, and far how far.
	up  map[string]string
	far map[string]int
}

// longestChain is how many objects a chain of causes names.
const longestChain = 16

func newCauses(changes []planner.Change) *causes {
	cs := &causes{
		changes: make(map[string]planner.Change, len(changes)),
		up:      map[string]string{},
		far:     map[string]int{},
	}
	for _, c := range changes {
		cs.changes[c.Key()] = c
	}
	return cs
}

// lines are the reasons of a change, one line each. A cause is followed to
// where it comes from: "because manifest.app changes ← layer.app ← /srv/app.js".
// A cause that another line's chain passes through is not said twice.
func (cs *causes) lines(c planner.Change) []string {
	chains := map[string][]string{}
	passed := map[string]bool{}
	for _, r := range c.Reasons {
		if r.Kind == planner.ReasonCause {
			chain := cs.chain(r.Cause)
			chains[r.Cause] = chain
			for _, key := range chain[1:] {
				passed[key] = true
			}
		}
	}
	var out []string
	for _, r := range c.Reasons {
		switch {
		case r.Kind == planner.ReasonNew && c.Action == planner.Create:
		case r.Kind == planner.ReasonCause:
			if !passed[r.Cause] {
				out = append(out, "because "+cs.chainText(chains[r.Cause]))
				passed[r.Cause] = true
			}
		default:
			out = append(out, "because "+printable.Line(r.Text))
		}
	}
	return out
}

// chain is the way from a cause to where it comes from: keys of changes. Where
// a change has several causes, the longest way is taken.
func (cs *causes) chain(key string) []string {
	cs.measure(key, 0)
	chain := []string{key}
	for len(chain) < longestChain {
		next, ok := cs.up[key]
		if !ok || slices.Contains(chain, next) {
			break
		}
		chain = append(chain, next)
		key = next
	}
	return chain
}

// measure finds how far the causes of a change lead. A plan from a file may be
// anything: circles and endless chains end here.
func (cs *causes) measure(key string, depth int) int {
	if far, ok := cs.far[key]; ok || depth > 4*longestChain {
		return far
	}
	cs.far[key] = 0
	best := -1
	for _, r := range cs.changes[key].Reasons {
		if r.Kind != planner.ReasonCause {
			continue
		}
		if far := cs.measure(r.Cause, depth+1); far > best {
			best = far
			cs.up[key] = r.Cause
		}
	}
	cs.far[key] = best + 1
	return best + 1
}

// chainText writes a chain and what happens at its end.
func (cs *causes) chainText(chain []string) string {
	first := cs.changes[chain[0]]
	text := printable.Line(chain[0])
	switch first.Action {
	case planner.Create:
		text += " is new"
	case planner.Delete:
		text += " goes away"
	default:
		text += " changes"
	}
	for _, key := range chain[1:] {
		text += " ← " + printable.Line(key)
	}
	if root := cs.changes[chain[len(chain)-1]]; root.Action != planner.Create {
		text += rootText(root)
	}
	return text
}

// rootText names what changes in the object in which a chain of causes begins.
func rootText(c planner.Change) string {
	switch {
	case len(c.Files) == 1:
		return " ← " + filePath(c.Files[0])
	case len(c.Files) > 1:
		return fmt.Sprintf(" ← %s and %d more", filePath(c.Files[0]), len(c.Files)-1)
	case len(c.Fields) == 1:
		return " ← " + printable.Line(c.Fields[0].Path)
	case len(c.Fields) > 1:
		return fmt.Sprintf(" ← %s and %d more", printable.Line(c.Fields[0].Path), len(c.Fields)-1)
	}
	for _, r := range c.Reasons {
		if r.Kind != planner.ReasonCause && r.Text != "" {
			return " (" + printable.Line(r.Text) + ")"
		}
	}
	return ""
}
