package planner

import (
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// Graph is the dependency graph of a spec: its objects as steps, in the order in
// which they can be built. It evaluates each object once per state of knowledge:
// when the spec is loaded, and again as more of what it refers to has been built.
// Its methods may be called concurrently.
type Graph struct {
	// Spec is what a plan keeps of the spec, and LayoutPath the path of the layout
	// as the spec writes it.
	Spec       Record
	LayoutPath string
	// Steps are in build order.
	Steps []Step
	// Indexed holds the objects that an index of the spec lists.
	Indexed map[spec.Address]bool
	// Bases are the bases that the spec uses, with what they stand for.
	Bases map[spec.Address]*spec.Object

	spec *spec.Spec
	// configs are the keys of the steps of the configs that manifests use.
	configs map[spec.Address]string
	mu      sync.Mutex
	// reevaluated are the last evaluations with something built.
	reevaluated map[spec.Address]evaluation
}

// Step is one thing to build: an object of the spec or, for a config, one use
// of it. Manifests with different layers may share a config block; each layer
// list makes a config blob of its own.
type Step struct {
	addr.ID
	// Key is the text of the ID, which names the step in plans and in the staging
	// state.
	Key string
	// Layers are the layers that a config is built over, bottom first, and Base is the
	// base of these, or of a manifest; zero for none.
	Layers []spec.Address
	Base   spec.Address
	// Config is the key of the step of the config that a manifest uses; empty when
	// it uses none.
	Config string
	// Needs are the keys of the steps that this one is built from, sorted.
	Needs []string
	// Implied are the blobs that the step's blob refers to without a step being behind
	// them: with their data, but for layers and other content of bases.
	Implied []ocispec.Descriptor
	// Remote are the blobs of bases that stay in registries, with their repositories.
	Remote map[digest.Digest]string
}

// evaluation is an object with the state of knowledge that it was evaluated in.
type evaluation struct {
	known  []spec.Built
	object *spec.Object
	diags  hcl.Diagnostics
}

// NewGraph resolves which steps a loaded spec has. The error is hcl.Diagnostics.
func NewGraph(sp *spec.Spec) (*Graph, error) {
	g := &Graph{
		LayoutPath:  sp.LayoutPath,
		Spec:        recordOf(sp),
		Indexed:     map[spec.Address]bool{},
		Bases:       map[spec.Address]*spec.Object{},
		spec:        sp,
		configs:     map[spec.Address]string{},
		reevaluated: map[spec.Address]evaluation{},
	}
	addresses := sp.Addresses()
	bases, _ := sp.Bases()
	for _, o := range bases {
		g.Bases[o.Address] = o
	}
	uses := map[spec.Address][]Step{}
	var diags hcl.Diagnostics
	for _, a := range addresses {
		o, more := sp.Evaluate(a, nil)
		diags = diags.Extend(more)
		switch b := o.Body.(type) {
		case *spec.Manifest:
			if b.Config != nil {
				uses[*b.Config] = addUse(uses[*b.Config], *b.Config, a, b)
			}
		case *spec.Index:
			for _, m := range b.Manifests {
				g.Indexed[m] = true
			}
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	g.addSteps(addresses, uses)
	return g, nil
}

// recordOf is the Record of a spec, without what is read later.
func recordOf(sp *spec.Spec) Record {
	r := Record{Name: sp.Name, Dir: sp.Dir, File: sp.File, Sources: sp.Sources, Variables: sp.Variables}
	if sp.Dir == "." {
		r.Dir = ""
	}
	return r
}

// addUse adds a manifest's base and layers to the uses of its config, once.
func addUse(uses []Step, config, manifest spec.Address, m *spec.Manifest) []Step {
	for _, use := range uses {
		if use.builtOver(m) {
			return uses
		}
	}
	return append(uses, Step{ID: addr.ID{Address: config, Use: manifest}, Layers: m.Layers, Base: spec.BaseOf(m)})
}

// builtOver reports whether a config is built over the base and layers of a manifest.
func (s *Step) builtOver(m *spec.Manifest) bool {
	return slices.Equal(s.Layers, m.Layers) && s.Base == spec.BaseOf(m)
}

// addSteps makes the steps of the objects at the addresses, which are in build order.
func (g *Graph) addSteps(addresses []spec.Address, uses map[spec.Address][]Step) {
	steps := map[spec.Address][]Step{}
	for _, a := range addresses {
		mine := uses[a]
		if len(mine) == 0 {
			mine = []Step{{ID: addr.ID{Address: a}}}
		}
		for i := range mine {
			if len(mine) == 1 {
				mine[i].Use = addr.Address{}
			}
			mine[i].Key = mine[i].ID.String()
			o := g.first(a)
			mine[i].addNeeds(o, steps)
			mine[i].Implied, mine[i].Remote = g.impliedBy(o), g.remoteBy(o)
			if mine[i].Config != "" {
				g.configs[a] = mine[i].Config
			}
		}
		steps[a] = mine
		g.Steps = append(g.Steps, mine...)
	}
}

// addNeeds sets the Needs of a step; steps are those that come before it.
func (s *Step) addNeeds(o *spec.Object, steps map[spec.Address][]Step) {
	manifest, _ := o.Body.(*spec.Manifest)
	for _, ref := range o.Refs {
		for _, needed := range steps[ref] {
			if manifest != nil && manifest.Config != nil && ref == *manifest.Config {
				if len(steps[ref]) > 1 && !needed.builtOver(manifest) {
					continue
				}
				s.Config = needed.Key
			} else if len(steps[ref]) > 1 {
				continue // it has no digest of its own
			}
			s.Needs = append(s.Needs, needed.Key)
		}
	}
	for _, l := range s.Layers {
		s.Needs = append(s.Needs, l.String())
	}
	if manifest != nil {
		s.Base = spec.BaseOf(manifest)
	}
	slices.Sort(s.Needs)
	s.Needs = slices.Compact(s.Needs)
}

// first is the object at an address as it is with nothing built.
func (g *Graph) first(a spec.Address) *spec.Object {
	o, _ := g.spec.Evaluate(a, nil) // NewGraph has seen to what is wrong with it
	return o
}

// Evaluate evaluates the object at an address with what known tells of those that
// it refers to, unless that was done before: an object whose values are all known
// stays as it is, whatever is built, and equal knowledge gives an equal object.
func (g *Graph) Evaluate(a spec.Address, known spec.Known) (*spec.Object, hcl.Diagnostics) {
	first := g.first(a)
	if first.Known() {
		return g.spec.Evaluate(a, nil)
	}
	state := make([]spec.Built, len(first.Refs))
	for i, ref := range first.Refs {
		state[i], _ = known(ref)
	}
	if !slices.ContainsFunc(state, func(b spec.Built) bool { return b.Descriptor.Digest != "" }) {
		return g.spec.Evaluate(a, nil)
	}
	g.mu.Lock()
	last, ok := g.reevaluated[a]
	g.mu.Unlock()
	if !ok || !slices.EqualFunc(last.known, state, sameBuilt) {
		last = evaluation{known: state}
		last.object, last.diags = g.spec.Evaluate(a, known)
		g.mu.Lock()
		g.reevaluated[a] = last
		g.mu.Unlock()
	}
	return last.object, slices.Clone(last.diags)
}

// sameBuilt reports whether two objects look the same to one that refers to them.
func sameBuilt(a, b spec.Built) bool {
	return a.DiffID == b.DiffID && a.Descriptor.Digest == b.Descriptor.Digest &&
		a.Descriptor.Size == b.Descriptor.Size && a.Descriptor.MediaType == b.Descriptor.MediaType
}

// Outputs evaluates the outputs of the spec with what known tells.
func (g *Graph) Outputs(known spec.Known) ([]spec.Output, hcl.Diagnostics) {
	return g.spec.Outputs(known)
}

// InputChanged reads again what functions of the spec have read, and gives the
// first input that is no longer the same.
func (g *Graph) InputChanged() (spec.Input, bool) { return g.spec.InputChanged() }

// IndexEntry is one entry of index.json that a spec asks for.
type IndexEntry struct {
	// Ref is the ref name; empty for an entry without one.
	Ref string
	// Unknown is set when the ref name is known after apply.
	Unknown bool
	Address spec.Address
}

// IndexEntries lists the entries of index.json that an object asks for: one for
// each of its tags or, when it has none and no index of the spec lists it, one
// without a ref name, so that nothing that the spec describes is unreachable.
func (g *Graph) IndexEntries(o *spec.Object) []IndexEntry {
	var entry spec.Entry
	switch b := o.Body.(type) {
	case *spec.Manifest:
		entry = b.Entry
	case *spec.Index:
		entry = b.Entry
	default:
		return nil
	}
	var out []IndexEntry
	for _, ref := range entry.Tags {
		out = append(out, IndexEntry{Ref: ref, Address: o.Address})
	}
	if entry.TagsUnknown {
		out = append(out, IndexEntry{Unknown: true, Address: o.Address})
	}
	if len(out) == 0 && !g.Indexed[o.Address] {
		out = append(out, IndexEntry{Address: o.Address})
	}
	return out
}
