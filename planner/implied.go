package planner

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/spec"
)

// impliedBy lists the blobs that an object refers to without an object of the spec
// being behind them, each once: the content of the empty descriptor, for a manifest
// without a config or without layers, the layers of its base, and all of a base that
// is in an index or a subject.
func (g *Graph) impliedBy(o *spec.Object) []ocispec.Descriptor {
	var all []ocispec.Descriptor
	remote := g.remoteBy(o)
	add := func(blobs []ocispec.Descriptor) {
		for _, b := range blobs {
			if remote[b.Digest] == "" && !slices.ContainsFunc(all, func(d ocispec.Descriptor) bool { return d.Digest == b.Digest }) {
				all = append(all, ocispec.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size, Data: b.Data})
			}
		}
	}
	whole := func(a spec.Address) {
		if image := g.Image(a); image != nil {
			add(image.Blobs)
		}
	}
	switch b := o.Body.(type) {
	case *spec.Manifest:
		if b.Config == nil || len(b.Layers) == 0 && b.Base == nil {
			add([]ocispec.Descriptor{ocispec.DescriptorEmptyJSON})
		}
		if image := g.Image(spec.BaseOf(b)); image != nil {
			add(image.Layers)
		}
		if b.Subject != nil {
			whole(*b.Subject)
		}
	case *spec.Index:
		for _, m := range b.Manifests {
			whole(m)
		}
		if b.Subject != nil {
			whole(*b.Subject)
		}
	}
	return all
}

// remoteBy gives the repositories of the blobs that an object refers to and that stay in
// registries, as its bases say.
func (g *Graph) remoteBy(o *spec.Object) map[digest.Digest]string {
	var from []spec.Address
	switch b := o.Body.(type) {
	case *spec.Manifest:
		from = append(from, spec.BaseOf(b))
		if b.Subject != nil {
			from = append(from, *b.Subject)
		}
	case *spec.Index:
		from = slices.Clone(b.Manifests)
		if b.Subject != nil {
			from = append(from, *b.Subject)
		}
	}
	var all map[digest.Digest]string
	for _, a := range from {
		base := g.base(a)
		if base == nil || !base.Remote || base.Image == nil {
			continue
		}
		for _, blob := range base.Image.Blobs {
			if blob.Data != nil {
				continue // a manifest, index or config
			}
			if all == nil {
				all = map[digest.Digest]string{}
			}
			all[blob.Digest] = base.From.Image.Name()
		}
	}
	return all
}

// remoteBase is the first base, in order, whose layers stay in a registry; zero for none.
func (g *Graph) remoteBase() spec.Address {
	for _, a := range g.bases() {
		if base := g.Bases[a].Body.(*spec.Base); base.Remote && base.Image != nil {
			return a
		}
	}
	return spec.Address{}
}

// remoteWarnings says which bases make the layout sparse.
func (g *Graph) remoteWarnings() []string {
	var all []string
	for _, a := range g.bases() {
		o := g.Bases[a]
		base := o.Body.(*spec.Base)
		if !base.Remote || base.Image == nil {
			continue
		}
		n := len(slices.DeleteFunc(slices.Clone(base.Image.Blobs), func(d ocispec.Descriptor) bool { return d.Data != nil }))
		all = append(all, fmt.Sprintf("%s: %s leaves %s in %s, so the layout is sparse: layform push brings what is missing to where the image goes, and layform layout complete %s into the layout.",
			location(o.Range), a, countOf(n, "layer"), base.From.Image.Name(), g.LayoutPath))
	}
	return all
}

// diffImplied compares the implied blobs of a step with those in the layout: what is
// not intact is written, and is drift where an earlier apply put it there, as had
// reports; nil for a step that none carried out.
func (d *differ) diffImplied(change *Change, s Step, had func(digest.Digest) bool) {
	for _, desc := range s.Implied {
		state := d.prior.Blobs[desc.Digest]
		if state == layout.Intact {
			continue
		}
		change.Implied = append(change.Implied, desc.Digest)
		if had == nil || !had(desc.Digest) {
			continue
		}
		if drift, ok := blobDrift(s.Key, desc.Digest, state); ok {
			d.plan.Drift = append(d.plan.Drift, drift)
			change.add(ReasonDrift, "", impliedName(desc)+" that it refers to "+impliedText(drift.Kind))
		}
	}
}

// impliedName says what an implied blob is.
func impliedName(desc ocispec.Descriptor) string {
	if desc.Digest == ocispec.DescriptorEmptyJSON.Digest {
		return "the empty blob"
	}
	return "the blob " + string(desc.Digest) + " of a base"
}

// impliedText says a drift of an implied blob in words.
func impliedText(kind DriftKind) string {
	if kind == DriftTorn {
		return "is not what its digest says"
	}
	return "is gone from the layout"
}

// writtenImplied are the implied blobs that the plan writes, once each.
func (p *Plan) writtenImplied() []digest.Digest {
	var all []digest.Digest
	for _, c := range p.Changes {
		if c.Action != NoOp {
			all = append(all, c.Implied...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
