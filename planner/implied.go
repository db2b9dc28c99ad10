package planner

import (
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/spec"
)

// impliedBy lists the blobs, with their data, that an object refers to without an
// object of the spec being behind them: the content of the empty descriptor, for
// a manifest without a config or without layers.
func impliedBy(o spec.Object) []ocispec.Descriptor {
	if m, ok := o.Body.(*spec.Manifest); ok && (m.Config == nil || len(m.Layers) == 0) {
		return []ocispec.Descriptor{ocispec.DescriptorEmptyJSON}
	}
	return nil
}

// implied compares the implied blobs of a step with those in the layout: what is
// not intact is written, and is drift where an earlier apply put it there.
func (d *differ) implied(change *Change, s Step, staged bool) {
	for _, desc := range s.Implied {
		state := d.prior.Blobs[desc.Digest]
		if state == layout.Intact {
			continue
		}
		change.Implied = append(change.Implied, desc.Digest)
		if !staged {
			continue
		}
		if drift, ok := blobDrift(s.Key, desc.Digest, state); ok {
			d.plan.Drift = append(d.plan.Drift, drift)
			change.add(ReasonDrift, "", "the empty blob that it refers to "+impliedText(drift.Kind))
		}
	}
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
