package planner

import (
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// Diff compares a spec with what Refresh saw. It is pure: equal arguments give
// equal plans. What the user can mend in the spec is reported as hcl.Diagnostics.
func Diff(sp *spec.Spec, prior *Prior, opts Options) (*Plan, error) {
	units, err := UnitsOf(sp)
	if err != nil {
		return nil, err
	}
	staged := slices.Sorted(maps.Keys(prior.Stage.Objects))
	if err := addressesIn("--target", opts.Targets, units, staged); err != nil {
		return nil, err
	}
	if err := addressesIn("--replace", opts.Replace, units, staged); err != nil {
		return nil, err
	}
	d := &differ{
		spec:  sp,
		prior: prior,
		opts:  opts,
		units: units,
		seen:  map[string]*outcome{},
		plan: &Plan{
			FormatVersion: FormatVersion,
			Options:       opts,
			Layout:        LayoutRecord{Path: sp.LayoutPath, Index: prior.Index, Stage: prior.StageDigest},
			Changes:       []Change{},
			Recover:       prior.Interrupted,
			TakenOver:     prior.TakenOver,
		},
	}
	d.index()
	if prior.Unmarked {
		d.drift(Drift{Kind: DriftNoLayout})
	}
	if !opts.Destroy {
		if err := d.diffUnits(); err != nil {
			return nil, err
		}
	}
	d.deletions(staged)
	if err := d.diffTags(); err != nil {
		return nil, err
	}
	if err := d.diffOutputs(); err != nil {
		return nil, err
	}
	d.plan.Spec = Record{
		Name:      sp.Name,
		Dir:       sp.Dir,
		File:      sp.File,
		Sources:   sp.Sources,
		Variables: sp.Variables,
		Inputs:    sp.Inputs(),
		Epoch:     prior.Epoch,
		Encoding:  layer.Encoding,
	}
	if sp.Dir == "." {
		d.plan.Spec.Dir = ""
	}
	d.plan.Warnings = append(d.plan.Warnings, prior.Warnings...)
	d.summarise()
	return d.plan, nil
}

// differ holds what Diff works with.
type differ struct {
	spec  *spec.Spec
	prior *Prior
	opts  Options
	units *Units
	plan  *Plan
	// chosen are the units that the plan is limited to, nil for all.
	chosen map[string]bool
	// seen is what was found out of each unit so far.
	seen map[string]*outcome
	// made maps the kinds and fingerprints of all that was built before.
	made map[recipe]spec.Built
	// named are the entries of index.json by ref name, "" for those without one.
	named map[string][]ocispec.Descriptor
	// described are the keys of all units of the spec.
	described map[string]bool
}

// recipe is what an object is built from: objects of one recipe have equal blobs.
type recipe struct {
	kind        spec.Kind
	fingerprint digest.Digest
}

// outcome is what is known of a unit while the plan is made.
type outcome struct {
	object spec.Object
	built  spec.Built
	// known is set when built will not change.
	known  bool
	action Action
	// entry is set when values change that stand in descriptors of the object.
	entry bool
}

// index prepares the lookups.
func (d *differ) index() {
	d.chosen = d.units.chosen(d.opts.Targets)
	d.described = map[string]bool{}
	for _, u := range d.units.list {
		d.described[u.Key] = true
	}
	d.named = map[string][]ocispec.Descriptor{}
	for _, e := range d.prior.Entries {
		ref := layout.RefName(e)
		d.named[ref] = append(d.named[ref], e)
	}
	d.made = map[recipe]spec.Built{}
	for _, r := range d.prior.Finished {
		d.made[recipe{spec.Kind(head(r.Key)), r.Fingerprint}] = spec.Built{Descriptor: r.Descriptor, DiffID: r.DiffID}
	}
	for _, key := range slices.Sorted(maps.Keys(d.prior.Stage.Objects)) {
		o := d.prior.Stage.Objects[key]
		d.made[recipe{spec.Kind(head(key)), o.Fingerprint}] = spec.Built{Descriptor: o.Descriptor, DiffID: o.DiffID}
	}
}

// builtBefore is what was built for the key, or else for another one of its kind,
// with this fingerprint.
func (d *differ) builtBefore(u Unit, fingerprint digest.Digest) (spec.Built, bool) {
	if o, ok := d.prior.Stage.Objects[u.Key]; ok && o.Fingerprint == fingerprint {
		return spec.Built{Descriptor: o.Descriptor, DiffID: o.DiffID}, true
	}
	built, ok := d.made[recipe{u.Address.Kind, fingerprint}]
	return built, ok
}

// known answers for spec.Evaluate from what was found out so far.
func (d *differ) known(a spec.Address) (spec.Built, bool) {
	key, ok := d.units.Single(a)
	if !ok {
		return spec.Built{}, false
	}
	if o := d.seen[key]; o != nil {
		return o.built, o.known
	}
	return spec.Built{}, false
}

// diffUnits compares every unit that the options select, in build order.
func (d *differ) diffUnits() error {
	var diags hcl.Diagnostics
	for _, u := range d.units.All() {
		o, more := d.spec.Evaluate(u.Address, d.known)
		diags = diags.Extend(more)
		if more.HasErrors() {
			continue
		}
		if d.chosen != nil && !d.chosen[u.Key] {
			d.seen[u.Key] = d.untouched(u, o)
			d.plan.LeftOut++
			continue
		}
		change, out, err := d.diffUnit(u, o)
		if err != nil {
			return err
		}
		d.seen[u.Key] = out
		d.plan.Changes = append(d.plan.Changes, change)
	}
	if diags.HasErrors() {
		return diags
	}
	return nil
}

// untouched is the outcome of a unit that the options leave out.
func (d *differ) untouched(u Unit, o spec.Object) *outcome {
	out := &outcome{object: o, action: NoOp}
	if was, ok := d.prior.Stage.Objects[u.Key]; ok {
		out.built, out.known = spec.Built{Descriptor: was.Descriptor, DiffID: was.DiffID}, true
	}
	return out
}

// diffUnit compares one unit with what the last apply made of it.
func (d *differ) diffUnit(u Unit, o spec.Object) (Change, *outcome, error) {
	change := Change{
		Address: u.Address.String(),
		Use:     u.Use,
		Kind:    u.Address.Kind,
		Action:  NoOp,
		Place:   place(o.Range),
		Needs:   u.Needs,
	}
	content := d.content(u, o)
	out := &outcome{object: o, action: NoOp, built: content.built, known: content.known}
	change.After = &State{
		MediaType:   content.mediaType,
		Fingerprint: content.fingerprint,
		Content:     content.size,
		Form:        content.form,
		FileBytes:   content.files,
		Entries:     content.count,
		Fields:      withheld(o.Fields),
	}
	if content.known {
		change.After.Digest, change.After.Size = content.built.Descriptor.Digest, content.built.Descriptor.Size
		change.After.DiffID = content.built.DiffID
	}
	was, staged := d.prior.Stage.Objects[u.Key]
	if staged {
		change.Before = before(was)
	}
	if staged && was.Fingerprint == content.fingerprint {
		change.After.FileBytes = 0 // the entries of a tree that is as it was may be left out
	}
	d.explain(&change, u, o, was, staged, content)
	if d.opts.replaces(u) {
		if change.Action == NoOp || change.Action == Update {
			change.Action = Replace
		}
		change.Reasons = append(change.Reasons, Reason{Kind: ReasonRequested, Text: "a replacement was requested"})
	}
	change.Write = content.write && change.Action != NoOp
	out.action = change.Action
	for _, f := range change.Fields {
		if h := head(f.Path); h == "descriptor_annotations" || h == "platform" {
			out.entry = true
		}
	}
	return change, out, nil
}

// place writes the file and line of a block.
func place(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return r.Filename + ":" + strconv.Itoa(r.Start.Line)
}

// before is the state that the last apply left.
func before(o stage.Object) *State {
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

// withheld are fields without the digests of sensitive values: a short value could
// be guessed by its digest.
func withheld(fields []spec.Field) []spec.Field {
	out := slices.Clone(fields)
	for i := range out {
		if out[i].Sensitive {
			out[i].Value = ""
		}
	}
	return out
}

// replaces reports whether the user asked for a replacement of the unit.
func (o *Options) replaces(u Unit) bool {
	return slices.ContainsFunc(o.Replace, func(text string) bool { return selects(text, u.Address) })
}

// content is what a unit's blob is going to be.
type content struct {
	fingerprint digest.Digest
	mediaType   string
	built       spec.Built
	// known is set when the same was built before, so that built is known;
	// write is set when the blob has to be written all the same.
	known, write bool
	// size is the length of what becomes a layer, in its form, files that of the
	// files in it, and count the number of its entries. The entries themselves may
	// be left out of one that is as it was.
	size    int64
	form    Form
	files   int64
	count   int
	entries []source.Entry
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

// bytesOf is the number of bytes in the files of a tree.
func bytesOf(entries []source.Entry) (n int64) {
	for i := range entries {
		if entries[i].Type == layer.Regular {
			n += entries[i].Size
		}
	}
	return n
}

// content finds out what a unit's blob is going to be.
func (d *differ) content(u Unit, o spec.Object) content {
	var c content
	var whole bool
	if l, ok := o.Body.(*spec.Layer); ok {
		seen := d.prior.Observed[u.Address]
		if seen == nil {
			return c
		}
		if seen.Tree != nil {
			seen = &source.Observed{Tree: seen.Tree.Fill(l)}
			c.size, c.count, c.entries = seen.Tree.TarSize(), len(seen.Tree.Entries), seen.Tree.Entries
			if seen.Tree.Unchanged {
				was := d.prior.Stage.Objects[u.Key]
				c.size, c.count = was.Content, was.Entries
			}
		} else {
			c.size = seen.File.Size
		}
		c.form, c.files = formOf(l, seen), bytesOf(c.entries)
		c.fingerprint, whole = seen.Fingerprint(l)
		c.mediaType = LayerType(l, seen)
	} else {
		c.mediaType = MediaType(o)
		c.fingerprint, whole = Fingerprint(o, NeedsOf(d.units, u, o, d.need), Seconds(d.prior.Epoch))
	}
	c.write = true
	if !whole {
		return c
	}
	if c.built, c.known = d.builtBefore(u, c.fingerprint); c.known {
		c.built.Descriptor.MediaType = c.mediaType
		c.write = d.opts.replaces(u) || d.prior.Blobs[c.built.Descriptor.Digest] != layout.Intact
	}
	return c
}

// need answers NeedsOf from what was found out so far.
func (d *differ) need(key string) Need {
	o := d.seen[key]
	if o == nil {
		return Need{}
	}
	return Need{Object: o.object, Built: o.built, Known: o.known}
}
