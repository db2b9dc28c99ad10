package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layform/layform/spec"
)

// selects reports whether the address text names a, or the block that a is an
// instance of.
func selects(text string, a spec.Address) bool {
	return text == a.String() || text == a.Block().String()
}

// addressesIn checks that each text is an address that names something in the
// spec or, for what was removed from it, in the staging state.
func addressesIn(flag string, texts []string, g *Graph, staged []string) error {
	for _, text := range texts {
		if _, err := spec.ParseAddress(text); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		named := slices.ContainsFunc(g.Steps, func(s Step) bool { return selects(text, s.Address) }) ||
			slices.ContainsFunc(staged, func(key string) bool { return stagedSelects(text, key) })
		if !named {
			return fmt.Errorf("%s: the spec has no %s that is built; `layform status` lists what there is", flag, text)
		}
	}
	return nil
}

// stagedSelects is selects for a key of the staging state.
func stagedSelects(text, key string) bool {
	address, _ := splitKey(key)
	a, err := spec.ParseAddress(address)
	return err == nil && selects(text, a)
}

// chosen is the set of steps that targets select, with all that these need; nil
// when they select everything.
func (g *Graph) chosen(targets []string) map[string]bool {
	if len(targets) == 0 {
		return nil
	}
	set := map[string]bool{}
	// What a step needs comes before it.
	for _, s := range slices.Backward(g.Steps) {
		if set[s.Key] || slices.ContainsFunc(targets, func(t string) bool { return selects(t, s.Address) }) {
			set[s.Key] = true
			for _, n := range s.Needs {
				set[n] = true
			}
		}
	}
	return set
}

// useMark stands in a key between the address of a config and its use.
const useMark = " for manifest."

// splitKey is the address and the use in a key. Keys of for_each may hold the
// mark as well: the first place that leaves an address before it counts.
func splitKey(key string) (address, use string) {
	for at := 0; ; {
		i := strings.Index(key[at:], useMark)
		if i < 0 {
			return key, ""
		}
		at += i
		if _, err := spec.ParseAddress(key[:at]); err == nil {
			return key[:at], key[at+len(" for "):]
		}
		at++
	}
}
