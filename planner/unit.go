package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/spec"
)

// Unit is one thing to build: an object of the spec or, for a config, one use
// of it. Manifests with different layers may share a config block; each layer
// list makes a config blob of its own.
type Unit struct {
	// Key names the unit in plans and in the staging state.
	Key     string
	Address spec.Address
	// Use is the first manifest of a config's use, where there are several.
	Use string
	// Layers are the layers that a config is built over, bottom first.
	Layers []spec.Address
	// Needs are the keys of the units that this one is built from, sorted.
	Needs []string
	// Implied are the blobs, with their data, that the unit refers to without a
	// unit being behind them.
	Implied []ocispec.Descriptor
}

// Units are the units of a spec in the order in which they can be built.
type Units struct {
	list []Unit
	// config tells which unit of its config a manifest uses.
	config map[spec.Address]string
	// single is the key of each object that has exactly one unit.
	single map[spec.Address]string
	// inIndex holds the objects that stand in an index of the spec.
	inIndex map[spec.Address]bool
}

// All lists the units in build order. The slice belongs to the Units.
func (u *Units) All() []Unit { return u.list }

// ConfigOf is the key of the config unit that a manifest uses; empty when it
// uses none.
func (u *Units) ConfigOf(manifest spec.Address) string { return u.config[manifest] }

// Single is the key of an object's only unit; false for a config of several uses.
func (u *Units) Single(a spec.Address) (string, bool) {
	key, ok := u.single[a]
	return key, ok
}

// InIndex reports whether an index of the spec lists the object.
func (u *Units) InIndex(a spec.Address) bool { return u.inIndex[a] }

// Unknown answers that nothing has been built.
func Unknown(spec.Address) (spec.Built, bool) { return spec.Built{}, false }

// UnitsOf resolves which units a spec has. The error is hcl.Diagnostics.
func UnitsOf(sp *spec.Spec) (*Units, error) {
	u := &Units{
		config:  map[spec.Address]string{},
		single:  map[spec.Address]string{},
		inIndex: map[spec.Address]bool{},
	}
	objects := map[spec.Address]spec.Object{}
	uses := map[spec.Address][]Unit{}
	var diags hcl.Diagnostics
	for _, a := range sp.Addresses() {
		o, more := sp.Evaluate(a, Unknown)
		diags = diags.Extend(more)
		objects[a] = o
		switch b := o.Body.(type) {
		case *spec.Manifest:
			if b.Config != nil {
				uses[*b.Config] = addUse(uses[*b.Config], *b.Config, a, b.Layers)
			}
		case *spec.Index:
			for _, m := range b.Manifests {
				u.inIndex[m] = true
			}
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	for _, a := range sp.Addresses() {
		u.add(a, uses[a])
	}
	for i := range u.list {
		u.list[i].Needs = u.needs(u.list[i], objects[u.list[i].Address])
		u.list[i].Implied = impliedBy(objects[u.list[i].Address])
	}
	return u, nil
}

// addUse adds a manifest's layer list to the uses of its config, once.
func addUse(uses []Unit, config, manifest spec.Address, layers []spec.Address) []Unit {
	for _, use := range uses {
		if slices.Equal(use.Layers, layers) {
			return uses
		}
	}
	return append(uses, Unit{Address: config, Use: manifest.String(), Layers: layers})
}

// add appends the units of the object at a.
func (u *Units) add(a spec.Address, uses []Unit) {
	if len(uses) <= 1 {
		unit := Unit{Key: a.String(), Address: a}
		if len(uses) == 1 {
			unit.Layers = uses[0].Layers
		}
		u.single[a] = unit.Key
		u.list = append(u.list, unit)
		return
	}
	for _, unit := range uses {
		unit.Key = Change{Address: a.String(), Use: unit.Use}.Key()
		u.list = append(u.list, unit)
	}
}

// needs lists the keys that a unit is built from, and notes which config unit
// a manifest uses.
func (u *Units) needs(unit Unit, o spec.Object) []string {
	var keys []string
	manifest, _ := o.Body.(*spec.Manifest)
	for _, ref := range o.Refs {
		if manifest != nil && manifest.Config != nil && ref == *manifest.Config {
			key := u.useOf(ref, manifest.Layers)
			u.config[unit.Address] = key
			keys = append(keys, key)
			continue
		}
		if key, ok := u.single[ref]; ok {
			keys = append(keys, key)
		}
	}
	for _, l := range unit.Layers {
		keys = append(keys, l.String())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// useOf is the key of the unit of config that is built over layers.
func (u *Units) useOf(config spec.Address, layers []spec.Address) string {
	if key, ok := u.single[config]; ok {
		return key
	}
	for _, unit := range u.list {
		if unit.Address == config && slices.Equal(unit.Layers, layers) {
			return unit.Key
		}
	}
	return ""
}

// selects reports whether the address text names a, or the block that a is an
// instance of.
func selects(text string, a spec.Address) bool {
	return text == a.String() || text == a.Block().String()
}

// addressesIn checks that each text is an address that names something in the
// spec or, for what was removed from it, in the staging state.
func addressesIn(flag string, texts []string, units *Units, staged []string) error {
	for _, text := range texts {
		if _, err := spec.ParseAddress(text); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		named := slices.ContainsFunc(units.list, func(u Unit) bool { return selects(text, u.Address) }) ||
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

// chosen is the set of units that the options select, with all that these
// need; nil when they select everything.
func (u *Units) chosen(targets []string) map[string]bool {
	if len(targets) == 0 {
		return nil
	}
	needs := map[string][]string{}
	for _, unit := range u.list {
		needs[unit.Key] = unit.Needs
	}
	set := map[string]bool{}
	var mark func(key string)
	mark = func(key string) {
		if set[key] {
			return
		}
		set[key] = true
		for _, n := range needs[key] {
			mark(n)
		}
	}
	for _, unit := range u.list {
		for _, t := range targets {
			if selects(t, unit.Address) {
				mark(unit.Key)
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
