package planner

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
)

// summarise counts what the plan does.
func (d *differ) summarise() {
	s := &d.plan.Summary
	// Objects that are made of the same have one blob.
	written, recipes := map[digest.Digest]bool{}, map[recipe]bool{}
	for _, c := range d.plan.Changes {
		s.Count(c.Action)
		if !c.Write {
			continue
		}
		from := recipe{c.Kind, c.After.Fingerprint}
		// What is replaced may be there, and be rebuilt for nothing.
		if recipes[from] || written[c.After.Digest] || d.prior.Blobs[c.After.Digest] == layout.Intact {
			continue
		}
		recipes[from], written[c.After.Digest] = from.fingerprint != "", c.After.Digest != ""
		s.WriteBlobs++
		s.WriteContent += c.After.Content
	}
	s.WriteBlobs += len(d.plan.writtenImplied())
	s.Entries = CountEntries(slices.Values(d.plan.Tags))
	for _, b := range d.plan.Sweep {
		s.DeleteBlobs++
		s.DeleteBytes += b.Size
	}
}
