package planner

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// stacks looks at the layers of each manifest together, as far as they change,
// and warns where one resets directories of those below it. A plan in which
// nothing changes reads nothing for that.
type stacks struct {
	p     *Prior
	dir   string
	store *layout.Store
	// changed are the layers that are not as the last apply left them.
	changed map[spec.Address]bool
	tocs    map[spec.Address]*layer.TOC
}

// checkStacks warns of layers that reset what lies below them.
func (p *Prior) checkStacks(ctx context.Context, g *Graph, store *layout.Store) error {
	s := &stacks{p: p, dir: g.spec.Dir, store: store, changed: map[spec.Address]bool{}, tocs: map[spec.Address]*layer.TOC{}}
	for _, step := range g.Steps {
		now := p.Evaluated[step.Key].Fingerprint
		if was, staged := p.Stage.Objects[step.Key]; p.Observed[step.Address] != nil && (now == "" || !staged || now != was.Fingerprint) {
			s.changed[step.Address] = true
		}
	}
	if len(s.changed) == 0 {
		return nil
	}
	for _, step := range g.Steps {
		if m, ok := p.Evaluated[step.Key].Object.Body.(*spec.Manifest); ok {
			if err := s.check(ctx, m.Layers); err != nil {
				return err
			}
		}
	}
	return nil
}

// check compares the layers of one manifest, as far as the trees go that change or
// have something below them that does. What lies above them is not looked at.
func (s *stacks) check(ctx context.Context, all []spec.Address) error {
	first := slices.IndexFunc(all, func(a spec.Address) bool { return s.changed[a] })
	top := 0
	for i, a := range all {
		seen := s.p.Observed[a]
		if first >= 0 && i >= first && seen != nil && seen.Tree != nil && (seen.Tree.Unchanged || slices.ContainsFunc(seen.Tree.Entries, isDirectory)) {
			top = i
		}
	}
	if top == 0 {
		return nil
	}
	var stack []stacked
	for i, a := range all[:top+1] {
		l, err := s.layer(ctx, a, i > first)
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
		stack = append(stack, l)
	}
	for _, text := range resetWarnings(stack) {
		if !slices.Contains(s.p.Warnings, text) {
			s.p.Warnings = append(s.p.Warnings, text)
		}
	}
	return nil
}

func isDirectory(e source.Entry) bool { return e.Type == layer.Directory }

// layer is what is known of a layer. An unchanged tree over something that changes
// is walked, for only a tree tells which blocks its entries come from.
func (s *stacks) layer(ctx context.Context, a spec.Address, over bool) (stacked, error) {
	out := stacked{object: s.p.Evaluated[a.String()].Object}
	l, ok := out.object.Body.(*spec.Layer)
	seen := s.p.Observed[a]
	switch {
	case seen == nil || !ok:
		return out, nil
	case seen.Tree != nil && !seen.Tree.Unchanged:
		out.entries = seen.Tree.Entries
		return out, nil
	case seen.Tree != nil && over:
		again, err := s.walk(ctx, l, out.object)
		if err == nil {
			out.entries = again.Tree.Entries
		}
		return out, err
	}
	toc, known := s.tocs[a]
	if !known {
		var err error
		if toc, err = s.read(ctx, a, l, seen); err != nil {
			return out, err
		}
		s.tocs[a] = toc
	}
	out.toc = toc
	return out, nil
}

// walk lists the entries of a tree, whose files are not read for it.
func (s *stacks) walk(ctx context.Context, l *spec.Layer, object spec.Object) (*source.Observed, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	seen, diags := source.Observe(ctx, root, l, source.Options{Epoch: Seconds(s.p.Epoch), Range: object.Range})
	if diags.HasErrors() {
		return nil, diags
	}
	return seen, nil
}

// read gives the table of contents of a layer: of its blob where the layer is as
// it was, else of its archive. It is nil where it cannot be had: the archive is
// read again when the layer is built, and what is wrong with it said then.
func (s *stacks) read(ctx context.Context, a spec.Address, l *spec.Layer, seen *source.Observed) (*layer.TOC, error) {
	was, staged := s.p.Stage.Objects[a.String()]
	if staged && !s.changed[a] && s.p.Blobs[was.Descriptor.Digest] == layout.Intact && imagespec.IsLayer(was.Descriptor.MediaType) {
		return contentsOf(ctx, s.store, was.Descriptor)
	}
	if seen.File == nil || l.Archive == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	files := source.NewFiles(root)
	defer func() { _ = files.Close() }()
	f, _, err := files.Open(seen.File.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	toc, err := layer.DeriveTOC(ctx, f, "")
	if err != nil {
		return nil, ctx.Err()
	}
	return toc, nil
}
