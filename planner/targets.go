package planner

import (
	"fmt"
	"maps"
	"slices"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// selected reports whether one of the texts is the address of a, or that of the
// block that a is an instance of. Diff refuses texts that are no addresses.
func selected(texts []string, a spec.Address) bool {
	return slices.ContainsFunc(texts, func(text string) bool {
		written, err := addr.Parse(text)
		return err == nil && written.Selects(a)
	})
}

// checkAddresses checks that each text is an address that names something in the
// spec or, for what was removed from it, in the staging state.
func checkAddresses(flag string, texts []string, g *Graph, staged map[string]addr.ID) error {
	for _, text := range texts {
		written, err := addr.Parse(text)
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		found := slices.ContainsFunc(g.Steps, func(s Step) bool { return written.Selects(s.Address) })
		for _, id := range staged {
			found = found || written.Selects(id.Address)
		}
		if !found {
			return fmt.Errorf("%s: the spec has no %s that is built; `layform status` lists what there is", flag, text)
		}
	}
	return nil
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
		if set[s.Key] || selected(targets, s.Address) {
			set[s.Key] = true
			for _, n := range s.Needs {
				set[n] = true
			}
		}
	}
	return set
}

// IDsOf are the identities of the objects of a staging state, by their keys. Those
// of the steps of g, which may be nil, need no parsing. The error is a *StateError
// about a key that names nothing.
func IDsOf(st *stage.Stage, g *Graph) (map[string]addr.ID, error) {
	ids := make(map[string]addr.ID, len(st.Objects))
	if g != nil {
		for _, s := range g.Steps {
			if _, staged := st.Objects[s.Key]; staged {
				ids[s.Key] = s.ID
			}
		}
	}
	for key := range st.Objects {
		if _, ok := ids[key]; ok {
			continue
		}
		id, err := addr.ParseID(key)
		if err == nil && id.String() != key {
			err = fmt.Errorf("its name is written %s", id)
		}
		if err != nil {
			return nil, &StateError{Key: key, Layout: "the spec " + st.Spec, Problem: err.Error()}
		}
		ids[key] = id
	}
	return ids, nil
}

// InBuildOrder lists the keys of identities in the order in which their objects are
// built.
func InBuildOrder(ids map[string]addr.ID) []string {
	return slices.SortedFunc(maps.Keys(ids), func(a, b string) int { return ids[a].Compare(ids[b]) })
}
