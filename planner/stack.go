package planner

import (
	"context"
	"os"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// stack is what one manifest lays over each other: a base, if any, and layers, bottom
// first.
type stack struct {
	manifest   *spec.Object
	base       *spec.BaseImage
	baseObject *spec.Object // the base
	layers     []*stackLayer
	// below identify what lies below each layer; empty where that is not known.
	below []digest.Digest
}

// remote reports whether the layers of the base stay in a registry: the plan and the
// apply know nothing of them, whatever the layout may hold of them by chance.
func (k *stack) remote() bool {
	base, ok := k.baseObject.Body.(*spec.Base)
	return ok && base.Remote
}

// stackLayer is a layer of one or more stacks.
type stackLayer struct {
	key    string
	object *spec.Object
	layer  *spec.Layer
	// seen is the layer as its sources give it, raw the fingerprint of that, empty where
	// it is not known, and warnings what was said about the sources.
	seen     *source.Observed
	raw      digest.Digest
	warnings hcl.Diagnostics
	// below identifies what lies below it in all its stacks; empty where that is not known
	// or nothing does.
	below       digest.Digest
	belowOfUses []digest.Digest
	// hasBelow is set where something lies below, and unchanged where the layer is as it
	// was on the same.
	hasBelow, unchanged bool
	// bottom is the first manifest that has nothing below the layer; zero for none.
	bottom spec.Address
	// placed is the tree on what lies below it, first by the manifest placedBy; unplaced is
	// set where what lies below is not there to be read.
	placed   *source.Tree
	placedBy spec.Address
	unplaced bool
	notes    []string
}

// stacks places the trees of layers on what lies below them.
type stacks struct {
	e      *evaluator
	store  *layout.Store
	all    []*stack
	layers map[spec.Address]*stackLayer
	tocs   map[digest.Digest]*cachedTOC
}

// newStacks lists the stacks that a plan has to look at.
func newStacks(e *evaluator, store *layout.Store, chosen map[string]bool) *stacks {
	s := &stacks{e: e, store: store, layers: map[spec.Address]*stackLayer{}, tocs: map[digest.Digest]*cachedTOC{}}
	for _, step := range e.graph.Steps {
		o := e.graph.first(step.Address)
		m, ok := o.Body.(*spec.Manifest)
		if !ok || len(m.Layers) == 0 || len(m.Layers) == 1 && m.Base == nil {
			continue
		}
		if chosen != nil && !slices.ContainsFunc(m.Layers, func(a spec.Address) bool { return chosen[a.String()] }) {
			continue
		}
		k := &stack{manifest: o, base: e.graph.Image(spec.BaseOf(m)), baseObject: e.graph.Bases[spec.BaseOf(m)]}
		for i, a := range m.Layers {
			l := s.layers[a]
			if l == nil {
				l = &stackLayer{key: a.String()}
				s.layers[a] = l
			}
			l.hasBelow = l.hasBelow || i > 0 || k.base != nil
			k.layers = append(k.layers, l)
		}
		s.all = append(s.all, k)
	}
	s.findBottoms()
	return s
}

// findBottoms finds the layers that also are the lowest of a manifest without a base.
func (s *stacks) findBottoms() {
	for _, step := range s.e.graph.Steps {
		m, ok := s.e.graph.first(step.Address).Body.(*spec.Manifest)
		if !ok || m.Base != nil || len(m.Layers) == 0 {
			continue
		}
		if l := s.layers[m.Layers[0]]; l != nil && l.bottom.IsZero() {
			l.bottom = step.Address
		}
	}
}

// observe looks at the sources of all layers of the stacks, and finds those that are
// as they were over the same.
func (s *stacks) observe(ctx context.Context) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, step := range s.e.graph.Steps {
		l := s.layers[step.Address]
		if l == nil {
			continue
		}
		object, more := s.e.graph.Evaluate(step.Address, s.e.knownBuilt)
		diags = diags.Extend(more)
		if more.HasErrors() {
			continue
		}
		l.object, l.layer = object, object.Body.(*spec.Layer)
		l.seen, more = s.e.observe(ctx, step, l.layer, object.Range, s.e.fingerprintBefore(step, l.hasBelow))
		if more.HasErrors() {
			diags = diags.Extend(more)
			continue
		}
		l.warnings = more
		l.raw, _ = l.seen.Fingerprint(l.layer)
	}
	if diags.HasErrors() {
		return diags
	}
	s.identifyBelow()
	for _, step := range s.e.graph.Steps {
		l := s.layers[step.Address]
		if l == nil || l.seen.Tree == nil || !l.hasBelow {
			continue
		}
		was := s.e.Stage.Objects[l.key]
		same := was.Below != "" && was.Below == l.below && was.Raw == l.raw
		if l.unchanged = same && l.seen.Tree.Unchanged; !l.unchanged && l.seen.Tree.Unchanged {
			var more hcl.Diagnostics
			l.seen, more = s.e.observe(ctx, step, l.layer, l.object.Range, "")
			diags = diags.Extend(more)
		}
	}
	return diags
}

// identifyBelow finds what lies below each layer.
func (s *stacks) identifyBelow() {
	for _, k := range s.all {
		id := digest.Digest("")
		if k.base != nil {
			parts := []string{"base"}
			if k.remote() {
				parts[0] = "remote base" // nothing is taken over from it
			}
			for _, d := range k.base.Layers {
				parts = append(parts, d.Digest.String())
			}
			id = hashJSON(parts)
		}
		known := true
		for i, l := range k.layers {
			k.below = append(k.below, "")
			if i > 0 || k.base != nil {
				if known {
					k.below[i] = id
				}
				l.belowOfUses = append(l.belowOfUses, k.below[i])
			}
			known = known && l.raw != ""
			id = hashJSON([]string{"layer", id.String(), l.raw.String()})
		}
	}
	for _, l := range s.layers {
		if len(l.belowOfUses) == 0 || slices.Contains(l.belowOfUses, "") {
			continue
		}
		slices.Sort(l.belowOfUses)
		if !l.bottom.IsZero() {
			l.belowOfUses = append(l.belowOfUses, "bottom")
		}
		parts := []any{"below", l.layer.OnSymlinkParent, slices.Compact(l.belowOfUses)}
		if source.Expands(l.layer) {
			parts = append(parts, "expand")
		}
		l.below = hashJSON(parts)
	}
}

// needsPlacing reports whether a layer has to be placed.
func (l *stackLayer) needsPlacing() bool {
	return l.hasBelow && !l.unchanged && l.seen.Tree != nil && !l.seen.Tree.Unchanged
}

// toBuild is a layer of a stack in the form in which it is built.
func (l *stackLayer) toBuild() *source.Observed {
	if l.placed == nil {
		return l.seen
	}
	return &source.Observed{Tree: l.placed}
}

// fingerprintBefore is the fingerprint that the sources of a layer, over others or not, had
// when nothing is to be done for it; empty where there is none.
func (e *evaluator) fingerprintBefore(s Step, over bool) digest.Digest {
	settled := e.unchangedFingerprint(s, &e.opts.Plan)
	if was := e.Stage.Objects[s.Key]; over && settled != "" && was.Below != "" {
		return was.Raw
	}
	return settled
}

// PlaceLayers places the layers of Prior.Unplaced, now that the bases below them are in
// the layout. root is the spec's directory. What the user can mend in the spec is
// reported as hcl.Diagnostics.
func (p *Prior) PlaceLayers(ctx context.Context, g *Graph, store *layout.Store, root *os.Root, opts RefreshOptions) error {
	e := &evaluator{Prior: p, graph: g, opts: opts, root: root}
	s := newStacks(e, store, nil)
	for a, l := range s.layers {
		now := p.Evaluated[l.key]
		l.object, l.seen, l.raw, l.below = now.Object, p.Observed[a], now.Raw, now.Below
		l.layer, _ = l.object.Body.(*spec.Layer)
		l.unchanged = !p.Unplaced[a]                      // the others are as they will be
		if was := p.Stage.Objects[l.key]; l.seen == nil { // targets left it out
			l.seen, l.raw = &source.Observed{}, was.Fingerprint
		}
	}
	if err := s.placeAll(ctx); err != nil {
		return err
	}
	for a, l := range s.layers {
		if p.Unplaced[a] {
			p.Observed[a] = l.toBuild()
			now := p.Evaluated[l.key]
			now.Raw = l.raw
			p.Evaluated[l.key] = now
			delete(p.Unplaced, a)
		}
	}
	return nil
}
