package planner

import (
	"context"
	"maps"
	"os"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// Evaluated is a step as far as it is known when a plan is made.
type Evaluated struct {
	// Object is evaluated with all that is known of what it refers to.
	Object *spec.Object
	// Fingerprint covers everything that decides the blob; empty when something of
	// that is known after apply.
	Fingerprint digest.Digest
	// Built is what was built from the same before, or left alone, where Known is
	// set; it is known after apply otherwise.
	Built spec.Built
	Known bool
	// Imported is set where that was in the layout without being the spec's.
	Imported bool
	// Differs says of each document that import blocks name why it is not taken over.
	Differs []string
	// Raw is the fingerprint that the sources of a layer give without what lies below
	// it, and Below identifies that; empty where they are not known, and for all but the
	// trees of layers that have something below them.
	Raw, Below digest.Digest
}

// evaluator evaluates steps in build order.
type evaluator struct {
	*Prior
	graph *Graph
	store *layout.Store
	opts  RefreshOptions
	// imports are the import blocks of the spec.
	imports map[spec.Address][]spec.Import
	root    *os.Root
	// built maps what objects were built from to them.
	built map[recipe]spec.Built
	// directories are those of all layers; nil where there is no more than one.
	directories *source.Directories
	// stacks are the layers that lie over each other.
	stacks *stacks
}

// recipe is what an object is built from: objects of one recipe have equal blobs.
type recipe struct {
	kind        spec.Kind
	fingerprint digest.Digest
}

// evaluate finds out what is known of every step, and observes the sources of the
// layers that the plan will hold.
func (p *Prior) evaluate(ctx context.Context, g *Graph, store *layout.Store, opts RefreshOptions) error {
	root, err := os.OpenRoot(g.spec.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	built, err := p.recipes(g)
	if err != nil {
		return err
	}
	e := &evaluator{Prior: p, graph: g, store: store, imports: importsOf(g.spec), opts: opts, root: root, built: built}
	maps.Copy(p.Evaluated, g.evaluatedBases())
	isLayer := func(s Step) bool { return s.Address.Kind == spec.KindLayer }
	if first := slices.IndexFunc(g.Steps, isLayer); first >= 0 && slices.ContainsFunc(g.Steps[first+1:], isLayer) {
		e.directories = &source.Directories{}
	}
	chosen := g.chosen(opts.Plan.Targets)
	e.stacks = newStacks(e, store, chosen)
	if diags := e.stacks.observe(ctx); diags.HasErrors() {
		return diags
	}
	if err := e.stacks.placeAll(ctx); err != nil {
		return err
	}
	var diags hcl.Diagnostics
	for _, s := range g.Steps {
		o, more := g.Evaluate(s.Address, p.knownBuilt)
		diags = diags.Extend(more)
		if more.HasErrors() {
			continue
		}
		if chosen != nil && !chosen[s.Key] {
			was, staged := p.Stage.Objects[s.Key]
			p.Evaluated[s.Key] = Evaluated{Object: o, Built: BuiltOf(was), Known: staged}
			continue
		}
		now, more := e.step(ctx, s, o)
		diags = diags.Extend(more)
		p.Evaluated[s.Key] = now
	}
	if diags.HasErrors() {
		return diags
	}
	var more hcl.Diagnostics
	if p.Outputs, more = g.spec.Outputs(p.knownBuilt); more.HasErrors() {
		return more
	}
	p.Inputs = g.spec.Inputs()
	return nil
}

// step evaluates one step that the plan will hold. What it warns of goes into the
// warnings of the plan.
func (e *evaluator) step(ctx context.Context, s Step, o *spec.Object) (Evaluated, hcl.Diagnostics) {
	now := Evaluated{Object: o}
	var mediaType string
	var whole bool
	var diags hcl.Diagnostics
	if l, ok := o.Body.(*spec.Layer); ok {
		if diags = e.layer(ctx, s, l, o.Range, &now); diags.HasErrors() {
			return now, diags
		}
		mediaType, whole = LayerType(l, e.Observed[s.Address]), now.Fingerprint != ""
	} else {
		mediaType = MediaType(o)
		if diag := e.checkStoredConfig(ctx, s, o); diag != nil {
			return now, diags.Append(diag)
		}
		now.Fingerprint, whole = Fingerprint(o, Dependencies(s, o, func(key string) Evaluated { return e.Evaluated[key] }), Seconds(e.Epoch))
	}
	if !whole {
		return now, diags
	}
	if now.Built, now.Known = e.builtBefore(s, now.Fingerprint); now.Known {
		now.Built.Descriptor.MediaType = mediaType
		return e.rebuilt(s, now), diags
	}
	if err := e.takeOver(ctx, s, &now); err != nil {
		return now, diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unreadable blob", Detail: err.Error() + ".", Subject: o.Range.Ptr()})
	}
	return now, diags
}

// rebuilt is a step that was built before. A document of somebody else that is to be
// replaced comes out as layform writes it.
func (e *evaluator) rebuilt(s Step, now Evaluated) Evaluated {
	if !e.Stage.Objects[s.Key].Imported || stored(now.Object) != "" || !e.opts.Plan.replaces(s) {
		return now
	}
	data, err := e.graph.Document(s, now.Object, Seconds(e.Epoch), func(key string) Evaluated { return e.Evaluated[key] })
	if err == nil { // else apply says what is wrong
		now.Built.Descriptor.Digest, now.Built.Descriptor.Size = digest.FromBytes(data), int64(len(data))
	}
	return now
}

// layer finds out what a layer is made of: where others lie below it, on those.
func (e *evaluator) layer(ctx context.Context, s Step, l *spec.Layer, at hcl.Range, now *Evaluated) hcl.Diagnostics {
	on := e.stacks.layers[s.Address]
	if on == nil || on.seen.Tree == nil && !on.object.Known() {
		seen, diags := e.observe(ctx, s, l, at, e.unchangedFingerprint(s, &e.opts.Plan))
		if diags.HasErrors() {
			return diags
		}
		e.warn(diags)
		e.Observed[s.Address] = seen
		now.Fingerprint, _ = seen.Fingerprint(l)
		return diags
	}
	e.warn(on.warnings)
	e.Warnings = append(e.Warnings, on.notes...)
	seen := on.toBuild()
	if seen.Tree != nil && !on.object.Known() { // its content may be known now
		seen = &source.Observed{Tree: seen.Tree.Fill(l)}
	}
	e.Observed[s.Address] = seen
	if on.hasBelow && seen.Tree != nil {
		now.Raw, now.Below = on.raw, on.below
	}
	switch {
	case on.unplaced:
		e.Unplaced[s.Address] = true
	case on.unchanged:
		now.Fingerprint = e.Stage.Objects[s.Key].Fingerprint
	default:
		now.Fingerprint, _ = seen.Fingerprint(l)
	}
	return on.warnings
}

// observe looks at the sources of a layer. One that still has the fingerprint known may
// come without its entries.
func (e *evaluator) observe(ctx context.Context, s Step, l *spec.Layer, at hcl.Range, known digest.Digest) (*source.Observed, hcl.Diagnostics) {
	if l.Digest != "" {
		return e.observeStored(s, l), nil
	}
	return source.Observe(ctx, e.root, l, source.Options{
		Epoch:       Seconds(e.opts.Epoch),
		Parallelism: e.opts.Parallelism,
		Hash:        !e.opts.Lazy || e.mayMatch(s.Key),
		Digests:     e.opts.Digests,
		Known:       known,
		Range:       at,
		Directories: e.directories,
	})
}

// recipes maps what objects were built from to what was built.
func (p *Prior) recipes(g *Graph) (map[recipe]spec.Built, error) {
	built := map[recipe]spec.Built{}
	for _, r := range p.Journalled {
		id, err := addr.ParseID(r.Key)
		if err != nil {
			continue // of a journal that is not believed, all is built again
		}
		built[recipe{id.Address.Kind, r.Fingerprint}] = spec.Built{Descriptor: r.Descriptor, DiffID: r.DiffID}
	}
	ids, err := IDsOf(p.Stage, g)
	if err != nil {
		return nil, err
	}
	for _, key := range InBuildOrder(ids) {
		o := p.Stage.Objects[key]
		built[recipe{ids[key].Address.Kind, o.Fingerprint}] = BuiltOf(o)
	}
	return built, nil
}

// builtBefore is what was built for the step, or else for another one of its kind,
// with this fingerprint.
func (e *evaluator) builtBefore(s Step, fingerprint digest.Digest) (spec.Built, bool) {
	if o, ok := e.Stage.Objects[s.Key]; ok && o.Fingerprint == fingerprint {
		return BuiltOf(o), true
	}
	built, ok := e.built[recipe{s.Address.Kind, fingerprint}]
	return built, ok
}

// BuiltOf is the part of a staged object that others are built from.
func BuiltOf(o stage.Object) spec.Built {
	return spec.Built{Descriptor: o.Descriptor, DiffID: o.DiffID}
}

// knownBuilt is the spec.Known of a Prior. A config of several uses has no digest of its own.
func (p *Prior) knownBuilt(a spec.Address) (spec.Built, bool) {
	e := p.Evaluated[a.String()]
	return e.Built, e.Known
}

// mayMatch reports whether an earlier apply may have built a layer of an equal fingerprint.
func (p *Prior) mayMatch(key string) bool {
	_, staged := p.Stage.Objects[key]
	return staged || len(p.Journalled) > 0
}

// unchangedFingerprint is the fingerprint with which nothing is to be done for a layer, so
// that nobody will ask for its entries; empty where there is none.
func (p *Prior) unchangedFingerprint(s Step, opts *Options) digest.Digest {
	was := p.Stage.Objects[s.Key]
	if was.Entries == 0 || p.Blobs[was.Descriptor.Digest] != layout.Intact || opts.replaces(s) {
		return ""
	}
	return was.Fingerprint
}
