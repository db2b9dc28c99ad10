package planner

import (
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/schema"
)

// Diff compares a spec with what Refresh saw. It is pure: it reads and evaluates
// nothing, and equal arguments give equal plans. What the user can mend in the spec
// is reported as hcl.Diagnostics.
func Diff(g *Graph, prior *Prior, opts Options) (*Plan, error) {
	staged, err := IDsOf(prior.Stage, g)
	if err != nil {
		return nil, err
	}
	if err := checkAddresses("--target", opts.Targets, g, staged); err != nil {
		return nil, err
	}
	if err := checkAddresses("--replace", opts.Replace, g, staged); err != nil {
		return nil, err
	}
	d := &differ{
		graph:       g,
		imports:     importsOf(g.spec),
		prior:       prior,
		opts:        opts,
		chosen:      g.chosen(opts.Targets),
		actions:     map[string]Action{},
		redescribed: map[string]bool{},
		owned:       ownedEntriesOf(prior.Stage),
		entries:     map[layout.EntryName][]ocispec.Descriptor{},
		plan: &Plan{
			FormatVersion: FormatVersion,
			Spec:          g.Spec,
			Options:       opts,
			Layout:        LayoutRecord{Path: g.LayoutPath, Index: prior.Index, Stage: prior.StageDigest},
			Changes:       []Change{},
			Recover:       prior.Interrupted,
			TakenOver:     prior.TakenOver,
		},
	}
	d.plan.Spec.Inputs, d.plan.Spec.Epoch, d.plan.Spec.Encoding = prior.Inputs, prior.Epoch, layer.Encoding
	for _, e := range prior.Entries {
		name := layout.NameOf(layout.RefName(e), e.Digest)
		d.entries[name] = append(d.entries[name], e)
	}
	d.plan.Bases = g.baseRecords()
	if prior.NoLayoutFile {
		d.addDrift(Drift{Kind: DriftNoLayout})
	}
	if !opts.Destroy {
		d.diffSteps()
	}
	d.diffDeletions(staged)
	if err := d.diffTags(); err != nil {
		return nil, err
	}
	if err := d.diffArchive(); err != nil {
		return nil, err
	}
	d.diffOutputs()
	d.plan.Warnings = append(append(d.plan.Warnings, prior.Warnings...), g.remoteWarnings()...)
	d.planSweep()
	d.summarise()
	return d.plan, nil
}

// differ holds what Diff works with.
type differ struct {
	graph *Graph
	// imports are the import blocks of the spec.
	imports map[spec.Address][]spec.Import
	prior   *Prior
	opts    Options
	plan    *Plan
	// chosen are the steps that the plan is limited to, nil for all.
	chosen map[string]bool
	// actions are the actions of the steps so far.
	actions map[string]Action
	// redescribed are the steps of which values change that stand in descriptors.
	redescribed map[string]bool
	// owned are the entries of index.json that the last apply left to the spec.
	owned ownedEntries
	// entries are those of index.json by name.
	entries map[layout.EntryName][]ocispec.Descriptor
}

// diffSteps compares every step that the options select, in build order.
func (d *differ) diffSteps() {
	d.plan.Changes = slices.Grow(d.plan.Changes, len(d.graph.Steps))
	for _, s := range d.graph.Steps {
		now, ok := d.prior.Evaluated[s.Key]
		switch {
		case d.chosen != nil && !d.chosen[s.Key]:
			d.plan.LeftOut++
		case ok:
			change := d.diffStep(s, now)
			d.actions[s.Key] = change.Action
			d.plan.Changes = append(d.plan.Changes, change)
		}
	}
}

// diffStep compares one step with what the last apply made of it.
func (d *differ) diffStep(s Step, now Evaluated) Change {
	change := Change{
		Address: s.Address.String(),
		Kind:    s.Address.Kind,
		Action:  NoOp,
		Place:   location(now.Object.Range),
		Needs:   s.Needs,
	}
	if !s.Use.IsZero() {
		change.Use = s.Use.String()
	}
	var entries []source.Entry
	change.After, entries = d.stateAfter(s, now)
	was, staged := d.prior.Stage.Objects[s.Key]
	if staged {
		change.Before = stateBefore(was)
	}
	if staged && was.Fingerprint == now.Fingerprint {
		change.After.FileBytes = 0 // the entries of a tree that is as it was may be left out
	}
	d.explain(&change, s, was, staged, now, entries)
	if d.opts.replaces(s) {
		if change.Action == NoOp || change.Action == Update {
			change.Action = Replace
		}
		change.Reasons = append(change.Reasons, Reason{Kind: ReasonRequested, Text: "a replacement was requested"})
	}
	change.Write = change.Action != NoOp && stored(now.Object) == "" &&
		(!now.Known || d.opts.replaces(s) || d.prior.Blobs[now.Built.Descriptor.Digest] != layout.Intact)
	for _, f := range change.Fields {
		if schema.Decides(s.Address.Kind, attributeName(f.Path))&schema.Descriptor != 0 {
			d.redescribed[s.Key] = true
		}
	}
	return change
}

// location is the file and line of a block.
func location(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return r.Filename + ":" + strconv.Itoa(r.Start.Line)
}

// stateBefore is the state that the last apply left.
func stateBefore(o stage.Object) *State {
	s := &State{
		MediaType:   o.Descriptor.MediaType,
		Digest:      o.Descriptor.Digest,
		Size:        o.Descriptor.Size,
		DiffID:      o.DiffID,
		Fingerprint: o.Fingerprint,
		Content:     o.Content,
		Entries:     o.Entries,
	}
	for _, path := range slices.Sorted(maps.Keys(o.Fields)) {
		s.Fields = append(s.Fields, spec.Field{Path: path, Value: spec.JSON(o.Fields[path])})
	}
	for _, path := range slices.Sorted(maps.Keys(o.Sensitive)) {
		s.Fields = append(s.Fields, spec.Field{Path: path, Sensitive: true})
	}
	return s
}

// redacted are fields without the digests of sensitive values: a short value could
// be guessed by its digest.
func redacted(fields []spec.Field) []spec.Field {
	out := slices.Clone(fields)
	for i := range out {
		if out[i].Sensitive {
			out[i].Value = ""
		}
	}
	return out
}

// replaces reports whether the user asked for a replacement of the step.
func (o *Options) replaces(s Step) bool {
	return selected(o.Replace, s.Address)
}

// formOf is the form of a layer.
func formOf(l *spec.Layer, seen *source.Observed) Form {
	if seen.Tree != nil {
		if l.Compression.Algorithm == imagespec.Uncompressed {
			return FormTar
		}
		return FormTree
	}
	switch _, asItIs := seen.File.Output(l); {
	case asItIs:
		return FormFile
	case seen.File.Compression == imagespec.Uncompressed:
		return FormPlain
	}
	return FormConverted
}

// fileBytes is the number of bytes in the files of a tree.
func fileBytes(entries []source.Entry) (n int64) {
	for i := range entries {
		if entries[i].Type == layer.Regular {
			n += entries[i].Size
		}
	}
	return n
}

// stateAfter is the state of a step after the plan and, of a layer that is a tree, its
// entries; these may be left out of one that is as it was.
func (d *differ) stateAfter(s Step, now Evaluated) (*State, []source.Entry) {
	out := &State{Fingerprint: now.Fingerprint, Fields: redacted(now.Object.Fields)}
	if now.Known {
		out.Digest, out.Size, out.DiffID = now.Built.Descriptor.Digest, now.Built.Descriptor.Size, now.Built.DiffID
	}
	l, ok := now.Object.Body.(*spec.Layer)
	if !ok {
		out.MediaType = MediaType(now.Object)
		out.Inherited = d.inherited(s, now)
		return out, nil
	}
	seen := d.prior.Observed[s.Address]
	if seen == nil {
		return out, nil
	}
	out.MediaType, out.Form, out.Unplaced = LayerType(l, seen), formOf(l, seen), d.prior.Unplaced[s.Address]
	switch {
	case seen.Tree == nil:
		out.Content = seen.File.Size
	case seen.Tree.Unchanged:
		was := d.prior.Stage.Objects[s.Key]
		out.Content, out.Entries = was.Content, was.Entries
	default:
		out.Content, out.Entries = seen.Tree.TarSize(), len(seen.Tree.Entries)
		out.FileBytes = fileBytes(seen.Tree.Entries)
		return out, seen.Tree.Entries
	}
	return out, nil
}

// inherited are the values that a config takes over from its base.
func (d *differ) inherited(s Step, now Evaluated) []spec.Field {
	c, ok := now.Object.Body.(*spec.Config)
	base := d.graph.Image(s.Base)
	if !ok || c.Image == nil || base == nil || base.Config == nil {
		return nil
	}
	_, inherited := c.Over(base.Config)
	return inherited
}
