package transfer

import (
	"context"
	"fmt"
	"slices"

	"github.com/layform/layform/layout/imagespec"
)

// attach adds the images that belong to manifests by their tags. What is attached to
// those is found in turn.
func (d *differ) attach(ctx context.Context, level []*node) ([]*node, error) {
	if !d.opts.Referrers || d.opts.Attached == nil {
		return nil, nil
	}
	var fresh []*node
	for _, n := range level {
		if n.gone {
			continue
		}
		attached, err := d.opts.Attached(ctx, n.desc.Digest)
		if err != nil {
			return nil, err
		}
		for _, root := range attached {
			if !imagespec.IsManifest(root.Descriptor.MediaType) || d.hasRoot(root) {
				continue
			}
			roots := []Root{root}
			if err := d.tags(ctx, roots); err != nil {
				return nil, err
			}
			d.roots = append(d.roots, roots...)
			m, isNew := d.add(&node{desc: root.Descriptor, manifest: true, depth: n.depth + 1})
			if m.depth > imagespec.MaxGraphDepth {
				return nil, fmt.Errorf("signatures of %s are nested more than %d deep", n.desc.Digest, imagespec.MaxGraphDepth)
			}
			if isNew {
				fresh = append(fresh, m)
			}
		}
	}
	return fresh, nil
}

// hasRoot reports whether a root with one of the tags is there already.
func (d *differ) hasRoot(root Root) bool {
	return slices.ContainsFunc(d.roots, func(other Root) bool {
		return slices.ContainsFunc(other.Tags, func(tag Tag) bool {
			return slices.ContainsFunc(root.Tags, func(t Tag) bool { return t.Name == tag.Name })
		})
	})
}
