package view

import (
	"slices"

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

// chains are the reasons of a change, one chain each. A cause is followed to
// where it comes from: manifest.app changes, layer.app, /srv/app.js. A cause that
// another chain passes through is not reported twice.
func (cs *causes) chains(c planner.Change) [][]Text {
	keys := map[string][]string{}
	passed := map[string]bool{}
	for _, r := range c.Reasons {
		if r.Kind == planner.ReasonCause {
			chain := cs.chain(r.Cause)
			keys[r.Cause] = chain
			for _, key := range chain[1:] {
				passed[key] = true
			}
		}
	}
	var out [][]Text
	for _, r := range c.Reasons {
		switch {
		case r.Kind == planner.ReasonNew && c.Action == planner.Create:
		case r.Kind == planner.ReasonCause:
			if !passed[r.Cause] {
				out = append(out, cs.links(keys[r.Cause]))
				passed[r.Cause] = true
			}
		default:
			out = append(out, []Text{{Name(r.Text)}})
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

// links are the links of a chain, and what happens at its end.
func (cs *causes) links(chain []string) []Text {
	head := " changes"
	switch cs.changes[chain[0]].Action {
	case planner.Create:
		head = " is new"
	case planner.Delete:
		head = " goes away"
	}
	links := []Text{{Name(chain[0]), Words(head)}}
	for _, key := range chain[1:] {
		links = append(links, Text{Name(key)})
	}
	root := cs.changes[chain[len(chain)-1]]
	if root.Action == planner.Create {
		return links
	}
	if last := rootText(root); last != nil {
		return append(links, last)
	}
	for _, r := range root.Reasons {
		if r.Kind != planner.ReasonCause && r.Text != "" {
			last := &links[len(links)-1]
			*last = append(*last, Words(" ("), Name(r.Text), Words(")"))
			break
		}
	}
	return links
}

// rootText names what changes in the object in which a chain of causes begins;
// nil where nothing is known of it.
func rootText(c planner.Change) Text {
	first, n := "", 0
	switch {
	case len(c.Files) > 0:
		first, n = filePath(c.Files[0]), len(c.Files)
	case len(c.Fields) > 0:
		first, n = c.Fields[0].Path, len(c.Fields)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return Text{Name(first)}
	}
	return Text{Name(first), Words(" and "), number(n - 1), Words(" more")}
}
