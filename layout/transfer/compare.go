package transfer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout/imagespec"
)

// keptContent is how many bytes of manifests a Plan carries; the rest are read
// again.
const keptContent = 16 << 20

// compare asks the destination what it has.
func (d *differ) compare(ctx context.Context) error {
	if err := d.listings(ctx); err != nil {
		return err
	}
	var manifests, blobs []*node
	for _, n := range d.order {
		switch {
		case n.gone:
		case n.manifest:
			manifests = append(manifests, n)
		}
	}
	if err := d.each(ctx, manifests, d.has); err != nil {
		return err
	}
	vouched := map[digest.Digest]bool{}
	for _, n := range manifests {
		for _, desc := range n.content {
			vouched[desc.Digest] = vouched[desc.Digest] || n.presence == Checked
		}
	}
	for _, n := range d.order {
		switch {
		case n.manifest:
		case vouched[n.desc.Digest] && !d.opts.Verify:
			n.presence = Present
		default:
			blobs = append(blobs, n)
		}
	}
	if err := d.each(ctx, blobs, d.has); err != nil {
		return err
	}
	return d.each(ctx, blobs, d.inspect)
}

// inspect looks at a blob in the source that the destination lacks, and that is to be
// brought as Execute brings it.
func (d *differ) inspect(ctx context.Context, n *node) error {
	if n.presence != Absent || d.opts.Inspect == NoInspection || d.mountFrom(n.desc.Digest) != "" {
		return nil
	}
	rc, err := d.src.Fetch(ctx, n.desc)
	if errors.Is(err, errdef.ErrNotFound) && imagespec.IsNondistributable(n.desc.MediaType) && len(n.desc.URLs) > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if d.opts.Inspect == InspectContent {
		_, err = io.Copy(io.Discard, rc)
	}
	return errors.Join(err, rc.Close())
}

// mountFrom is the repository from which a blob is mounted; empty for none.
func (d *differ) mountFrom(blob digest.Digest) string {
	return cmp.Or(d.opts.Homes[blob], d.opts.MountFrom)
}

// has looks at one node. A referrer that the destination does not list as one is
// sent again, for that is what makes it list it.
func (d *differ) has(ctx context.Context, n *node) error {
	if n.referrer && !d.listed[n.desc.Digest] {
		n.presence = Absent
		return nil
	}
	presence, err := d.dst.Has(ctx, n.desc)
	n.presence = presence
	return err
}

// listings reads which referrers the destination lists.
func (d *differ) listings(ctx context.Context) error {
	d.listed = map[digest.Digest]bool{}
	var subjects []*node
	seen := map[digest.Digest]bool{}
	for _, r := range d.referrers {
		if !seen[r.Subject.Digest] {
			seen[r.Subject.Digest] = true
			subjects = append(subjects, &node{desc: r.Subject})
		}
	}
	return d.each(ctx, subjects, func(ctx context.Context, n *node) error {
		for desc, err := range d.dst.Referrers(ctx, n.desc) {
			if err != nil {
				return err
			}
			d.mu.Lock()
			d.listed[desc.Digest] = true
			d.mu.Unlock()
		}
		return nil
	})
}

// steps puts the nodes in order.
func (d *differ) steps(roots []Root) []Step {
	top := 0
	for _, n := range d.order {
		if n.manifest && !n.gone {
			top = max(top, d.heightOf(n))
		}
	}
	isRoot := map[digest.Digest]bool{}
	for _, root := range roots {
		isRoot[root.Descriptor.Digest] = true
	}
	nested := d.nested()
	steps := []Step{}
	for _, n := range d.order {
		if n.gone {
			continue
		}
		step := Step{Descriptor: identityOf(n.desc), Manifest: n.manifest, Phase: n.height}
		step.Descriptor.URLs = n.desc.URLs
		if n.manifest && isRoot[n.desc.Digest] && !nested[n.desc.Digest] {
			step.Phase = top + n.height
		}
		switch {
		case n.presence != Absent:
			step.Action = There
		case !n.manifest && d.mountFrom(n.desc.Digest) != "":
			step.Action, step.From = Mount, d.mountFrom(n.desc.Digest)
		default:
			step.Action = Upload
		}
		if n.manifest && (d.bytes <= keptContent || isRoot[n.desc.Digest]) {
			step.Content = n.data
		}
		steps = append(steps, step)
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.Phase, b.Phase) })
	return steps
}

// nested lists the digests of all that is in a manifest or index.
func (d *differ) nested() map[digest.Digest]bool {
	nested := map[digest.Digest]bool{}
	for _, n := range d.order {
		for _, desc := range n.content {
			nested[desc.Digest] = true
		}
	}
	return nested
}

// heightOf is how far a manifest is above the blobs: at least 1.
func (d *differ) heightOf(n *node) int {
	if !n.manifest || n.height > 0 {
		return n.height
	}
	n.height = 1
	for _, desc := range n.content {
		for _, manifest := range []bool{true, false} {
			if m, ok := d.nodes[stepKey{desc.Digest, manifest}]; ok {
				n.height = max(n.height, d.heightOf(m)+1)
			}
		}
	}
	return n.height
}
