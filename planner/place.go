package planner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// table is the table of contents of a layer; nil where it cannot be had.
type table struct{ toc *layer.TOC }

// errNotThere says that a layer of a base is not there to be read yet.
var errNotThere = errors.New("the layers of the base are not there yet")

// place places the trees that need it, stack by stack.
func (s *stacks) place(ctx context.Context) error {
	var diags hcl.Diagnostics
	for _, k := range s.all {
		more, err := s.placeStack(ctx, k)
		if err != nil {
			return err
		}
		diags = diags.Extend(more)
	}
	for _, step := range s.e.graph.Steps {
		if l := s.layers[step.Address]; l != nil && l.strays() {
			diags = diags.Append(l.stray())
		}
	}
	if diags.HasErrors() {
		return diags
	}
	return nil
}

// strays reports whether symlinks below a layer lead its entries to other paths, and a
// manifest has nothing below it: it would have them there without the symlinks.
func (l *stackLayer) strays() bool {
	return !l.bottom.IsZero() && l.placed != nil &&
		!slices.EqualFunc(l.seen.Tree.Entries, l.placed.Entries, func(a, b source.Entry) bool { return a.Path == b.Path })
}

// stray is the diagnostic of a layer that strays.
func (l *stackLayer) stray() *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Layer with two forms", Subject: l.object.Range.Ptr(),
		Detail: fmt.Sprintf("In %s a directory of %s is a symlink of the layers below it, which is followed, and in %s nothing lies below it. "+
			"Write to the path that the symlink leads to, set on_symlink_parent, or write a layer for each, with for_each.",
			l.by, l.object.Address, l.bottom),
	}
}

// placeStack places the trees of one stack, as far up as there is something to place.
func (s *stacks) placeStack(ctx context.Context, k *stack) (hcl.Diagnostics, error) {
	top := -1
	whiteouts := false
	for i, l := range k.layers {
		if l.needs() && (i > 0 || k.base != nil) {
			top = i
			whiteouts = whiteouts || slices.ContainsFunc(l.layer.Tree, func(n spec.Node) bool { return n.Kind == spec.NodeWhiteout })
		}
	}
	if top < 0 {
		return nil, nil
	}
	pile := &pile{whole: whiteouts}
	pile.below.OmitDigests = true
	if k.base != nil {
		switch err := s.pileBase(ctx, k, pile); {
		case errors.Is(err, errNotThere):
			for _, l := range k.layers {
				l.unplaced = l.unplaced || l.needs()
			}
			return nil, nil
		case err != nil:
			return nil, err
		}
	}
	var diags hcl.Diagnostics
	for i, l := range k.layers[:top+1] {
		more, err := s.lay(ctx, k, pile, l, l.needs() && (i > 0 || k.base != nil))
		diags = diags.Extend(more)
		if err != nil || diags.HasErrors() {
			return diags, err
		}
	}
	return diags, nil
}

// pileBase lays the layers of the base.
func (s *stacks) pileBase(ctx context.Context, k *stack, pile *pile) error {
	base := k.on.Body.(*spec.Base)
	for _, d := range k.base.Layers {
		toc, err := s.baseTable(ctx, base, d)
		if err != nil {
			return err
		}
		pile.add(&stacked{object: k.on, toc: toc})
	}
	return nil
}

// baseTable is the table of contents of a layer of a base; nil where nobody can tell.
func (s *stacks) baseTable(ctx context.Context, base *spec.Base, d ocispec.Descriptor) (*layer.TOC, error) {
	if t, ok := s.tables[d.Digest]; ok {
		return t.toc, nil
	}
	if !imagespec.IsLayer(d.MediaType) {
		return nil, nil
	}
	there, err := s.store.Exists(ctx, d)
	if err != nil {
		return nil, err
	}
	var toc *layer.TOC
	switch {
	case there:
		toc, err = contentsOf(ctx, s.store, d)
	case base.From.Transport == ref.Registry || s.e.opts.Bases == nil:
		return nil, errNotThere
	default:
		toc, err = s.deriveBase(ctx, base, d)
	}
	if err != nil {
		return nil, err
	}
	s.tables[d.Digest] = &table{toc}
	return toc, nil
}

// deriveBase reads a layer of a base where the base is.
func (s *stacks) deriveBase(ctx context.Context, base *spec.Base, d ocispec.Descriptor) (*layer.TOC, error) {
	in, err := s.e.opts.Bases.OpenBlob(ctx, base, d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotThere
	}
	if err != nil {
		return nil, err
	}
	toc, err := layer.DeriveTOC(ctx, in, d.MediaType)
	if closeErr := in.Close(); err == nil {
		err = closeErr
	}
	var breach *layer.Breach
	if errors.As(err, &breach) {
		return nil, nil
	}
	return toc, err
}

// lay places a layer where that is to be done, and lays it on the pile.
func (s *stacks) lay(ctx context.Context, k *stack, pile *pile, l *stackLayer, place bool) (hcl.Diagnostics, error) {
	tree := l.result().Tree
	switch {
	case tree == nil || tree.Unchanged:
		toc, err := s.table(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.key, err)
		}
		pile.add(&stacked{object: l.object, toc: toc})
	case place:
		return s.layTree(ctx, k, pile, l), nil
	default:
		pile.add(&stacked{object: l.object, entries: tree.Entries})
	}
	return nil, nil
}

// layTree places a tree and lays it on the pile.
func (s *stacks) layTree(ctx context.Context, k *stack, pile *pile, l *stackLayer) hcl.Diagnostics {
	tree, opts := l.seen.Tree, source.Options{
		Epoch: Seconds(s.e.Epoch), Range: l.object.Range, Parallelism: s.e.opts.Parallelism, Hash: true, Digests: s.e.opts.Digests,
	}
	said := source.Whiteouts(tree, l.layer, &pile.below, opts)
	pile.hide(&stacked{object: l.object, entries: tree.Entries})
	if pile.closed {
		l.say(said, fmt.Sprintf("%s: %s is not compared with what lies below it in %s, which is too much or cannot be unpacked.", place(l.object.Range), l.object.Address, k.manifest.Address))
		return l.agree(k, tree)
	}
	placed, diags := source.Place(tree, l.layer, &pile.below, opts)
	if placed != tree && l.raw == "" && !unknown(tree) {
		// Another plan can tell that the sources are the same by their content alone.
		if l.seen, diags = source.Observe(ctx, s.e.root, l.layer, opts); !diags.HasErrors() {
			l.raw, _ = l.seen.Fingerprint(l.layer)
			placed, diags = source.Place(l.seen.Tree, l.layer, &pile.below, opts)
		}
	}
	if diags.HasErrors() {
		return diags
	}
	on := &stacked{object: l.object, entries: placed.Entries}
	l.say(said, pile.resets(on))
	pile.rest(on)
	return l.agree(k, placed)
}

// unknown reports whether content of a tree is known after apply.
func unknown(t *source.Tree) bool {
	return slices.ContainsFunc(t.Entries, func(e source.Entry) bool { return e.Unknown })
}

// say keeps what is to be said of a layer, once whatever the number of its stacks.
func (l *stackLayer) say(diags hcl.Diagnostics, resets string) {
	texts := warningTexts(diags)
	if resets != "" {
		texts = append(texts, resets)
	}
	for _, text := range texts {
		if !slices.Contains(l.said, text) {
			l.said = append(l.said, text)
		}
	}
}

// agree keeps the tree of a layer, which is one layer for all manifests that have it.
func (l *stackLayer) agree(k *stack, placed *source.Tree) hcl.Diagnostics {
	if l.placed == nil {
		l.placed, l.by = placed, k.manifest.Address
		return nil
	}
	at, one, two := difference(l.placed.Entries, placed.Entries)
	if at == "" {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Layer with two forms", Subject: l.object.Range.Ptr(),
		Detail: fmt.Sprintf("%s takes over from the layers below it, and these differ: in %s, %s is %s, and in %s %s. "+
			"Declare it with a directory block that says its mode, uid and gid, set on_symlink_parent, or write a layer for each, with for_each.",
			l.object.Address, l.by, quoted(at), one, k.manifest.Address, two),
	}}
}

// difference is the first path at which two trees of one layer differ, with what each
// has there; empty where there is none.
func difference(a, b []source.Entry) (at, one, two string) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return b[i].Path, "not there", describe(&b[i])
		case i >= len(b):
			return a[i].Path, describe(&a[i]), "not there"
		case a[i].Path != b[i].Path:
			return a[i].Path, describe(&a[i]), "at another path, " + quoted(b[i].Path)
		case describe(&a[i]) != describe(&b[i]) || !maps.Equal(a[i].Xattrs, b[i].Xattrs):
			return a[i].Path, describe(&a[i]), describe(&b[i])
		}
	}
	return "", "", ""
}

func describe(e *source.Entry) string { return fmt.Sprintf("%04o %d:%d", e.Mode, e.UID, e.GID) }

// table gives the table of contents of a layer that is no tree, or an unchanged one: of
// its blob where the layer is as it was, else of its archive. It is nil where it cannot
// be had: the archive is read again when the layer is built, and what is wrong with it
// said then.
func (s *stacks) table(ctx context.Context, l *stackLayer) (*layer.TOC, error) {
	was, staged := s.e.Stage.Objects[l.key]
	same := staged && (was.Fingerprint == l.raw || was.Below != "" && was.Raw == l.raw) && l.raw != ""
	if t, ok := s.tables[was.Descriptor.Digest]; ok && same {
		return t.toc, nil
	}
	if same && s.e.Blobs[was.Descriptor.Digest] == layout.Intact && imagespec.IsLayer(was.Descriptor.MediaType) {
		toc, err := contentsOf(ctx, s.store, was.Descriptor)
		s.tables[was.Descriptor.Digest] = &table{toc}
		return toc, err
	}
	if l.seen.File == nil || l.layer.Archive == "" {
		return nil, nil
	}
	return s.archive(ctx, l.seen.File)
}

// archive reads the table of contents of an archive.
func (s *stacks) archive(ctx context.Context, file *source.File) (*layer.TOC, error) {
	key := digest.Digest("file:" + file.Path)
	if t, ok := s.tables[key]; ok {
		return t.toc, nil
	}
	files := source.NewFiles(s.e.root)
	defer func() { _ = files.Close() }()
	f, _, err := files.Open(file.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	toc, err := layer.DeriveTOC(ctx, f, "")
	if err != nil {
		return nil, ctx.Err()
	}
	s.tables[key] = &table{toc}
	return toc, nil
}

// pile is the overlay of the layers of one stack as it grows. An overlay takes no layer
// over one that no program can unpack: nothing above that is judged.
type pile struct {
	below layer.Overlay
	from  []spec.Object
	// whole keeps all files, and not only those that matter to what lies above.
	whole  bool
	closed bool
}

// add lays a layer on the pile.
func (p *pile) add(l *stacked) {
	p.hide(l)
	p.rest(l)
}

// hide takes away what a layer whites out: it is no longer there for what the layer has
// itself.
func (p *pile) hide(l *stacked) {
	p.from = append(p.from, l.object)
	p.half(l, true)
}

// rest lays all but the whiteouts of a layer.
func (p *pile) rest(l *stacked) { p.half(l, false) }

// half adds the whiteouts of a layer, or what else matters to those above it.
func (p *pile) half(l *stacked, whiteouts bool) {
	if p.closed {
		return
	}
	err := p.below.AddLayer(func(add func(*layer.Entry) error) error {
		return l.each(func(e *layer.Entry) error {
			if imagespec.IsWhiteout(path.Base(e.Path)) != whiteouts || !whiteouts && !p.matters(e) {
				return nil
			}
			return add(e)
		})
	})
	p.closed = err != nil
}

// matters reports whether those above a layer have to know of an entry: of a file where
// it takes the place of something.
func (p *pile) matters(e *layer.Entry) bool {
	if p.whole || e.Type == layer.Directory || e.Type == layer.Symlink {
		return true
	}
	_, err := p.below.Lookup(e.Path, false)
	return err == nil
}
