package planner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// cachedTOC is a table of contents that was read, or nil for one that cannot be had.
type cachedTOC struct{ toc *layer.TOC }

// errNotThere says that a layer of a base is not there to be read yet.
var errNotThere = errors.New("the layers of the base are not there yet")

// placeAll places the trees that need it, stack by stack.
func (s *stacks) placeAll(ctx context.Context) error {
	var diags hcl.Diagnostics
	for _, k := range s.all {
		more, err := s.placeStack(ctx, k)
		if err != nil {
			return err
		}
		diags = diags.Extend(more)
	}
	for _, step := range s.e.graph.Steps {
		if l := s.layers[step.Address]; l != nil && l.hasOtherPaths() {
			diags = diags.Append(l.otherPathsError())
		}
	}
	if diags.HasErrors() {
		return diags
	}
	return nil
}

// hasOtherPaths reports whether symlinks below a layer lead its entries to other paths, and a
// manifest has nothing below it: it would have them there without the symlinks.
func (l *stackLayer) hasOtherPaths() bool {
	return !l.bottom.IsZero() && l.placed != nil && !slices.Equal(filePaths(l.seen.Tree), filePaths(l.placed))
}

// filePaths are the paths of the entries of a tree without its whiteouts, which may be
// opaque in one form of it and explicit in the other.
func filePaths(t *source.Tree) []string {
	var paths []string
	for i := range t.Entries {
		if p := t.Entries[i].Path; !imagespec.IsWhiteout(path.Base(p)) {
			paths = append(paths, p)
		}
	}
	return paths
}

// otherPathsError is the diagnostic of a layer whose paths differ so.
func (l *stackLayer) otherPathsError() *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Layer with two forms", Subject: l.object.Range.Ptr(),
		Detail: fmt.Sprintf("In %s a directory of %s is a symlink of the layers below it, which is followed, and in %s nothing lies below it. "+
			"Write to the path that the symlink leads to, set on_symlink_parent, or write a layer for each, with for_each.",
			l.placedBy, l.object.Address, l.bottom),
	}
}

// placeStack places the trees of one stack, as far up as there is something to place.
func (s *stacks) placeStack(ctx context.Context, k *stack) (hcl.Diagnostics, error) {
	top := -1
	whiteouts := false
	for i, l := range k.layers {
		if l.needsPlacing() && (i > 0 || k.base != nil) {
			top = i
			whiteouts = whiteouts || slices.ContainsFunc(l.layer.Tree, func(n spec.FileOp) bool { return n.Kind == spec.OpWhiteout })
		}
	}
	if top < 0 {
		return nil, nil
	}
	below := &overlayBuilder{allFiles: whiteouts}
	below.overlay.OmitDigests = true
	if k.base != nil {
		switch err := s.addBase(ctx, k, below); {
		case errors.Is(err, errNotThere):
			for _, l := range k.layers {
				l.unplaced = l.unplaced || l.needsPlacing()
			}
			return nil, nil
		case err != nil:
			return nil, err
		}
	}
	var diags hcl.Diagnostics
	for i, l := range k.layers[:top+1] {
		more, err := s.addLayer(ctx, k, below, l, l.needsPlacing() && (i > 0 || k.base != nil))
		diags = diags.Extend(more)
		if err != nil || diags.HasErrors() {
			return diags, err
		}
	}
	return diags, nil
}

// addBase adds the layers of the base to the overlay.
func (s *stacks) addBase(ctx context.Context, k *stack, below *overlayBuilder) error {
	if k.remote() {
		for range k.base.Layers {
			below.add(&layerContents{object: k.baseObject})
		}
		below.incomplete, below.remote = true, true
		return nil
	}
	base := k.baseObject.Body.(*spec.Base)
	for _, d := range k.base.Layers {
		toc, err := s.baseTOC(ctx, base, d)
		if err != nil {
			return err
		}
		below.add(&layerContents{object: k.baseObject, toc: toc})
		below.incomplete = below.incomplete || toc == nil
	}
	return nil
}

// baseTOC is the table of contents of a layer of a base; nil where it cannot be had.
func (s *stacks) baseTOC(ctx context.Context, base *spec.Base, d ocispec.Descriptor) (*layer.TOC, error) {
	if t, ok := s.tocs[d.Digest]; ok {
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
		toc, err = s.deriveBaseTOC(ctx, base, d)
	}
	if err != nil {
		return nil, err
	}
	s.tocs[d.Digest] = &cachedTOC{toc}
	return toc, nil
}

// deriveBaseTOC derives the table of contents of a layer of a base from its blob, where
// the base is.
func (s *stacks) deriveBaseTOC(ctx context.Context, base *spec.Base, d ocispec.Descriptor) (*layer.TOC, error) {
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

// addLayer adds a layer to the overlay, and places it first where place is set.
func (s *stacks) addLayer(ctx context.Context, k *stack, below *overlayBuilder, l *stackLayer, place bool) (hcl.Diagnostics, error) {
	tree := l.toBuild().Tree
	switch {
	case tree == nil || tree.Unchanged:
		toc, err := s.layerTOC(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.key, err)
		}
		below.add(&layerContents{object: l.object, toc: toc})
		below.incomplete = below.incomplete || toc == nil
	case place:
		return s.addTree(ctx, k, below, l), nil
	default:
		below.add(&layerContents{object: l.object, entries: tree.Entries})
	}
	return nil, nil
}

// addTree places a tree and adds it to the overlay.
func (s *stacks) addTree(ctx context.Context, k *stack, below *overlayBuilder, l *stackLayer) hcl.Diagnostics {
	tree, opts := l.seen.Tree, source.Options{
		Epoch: Seconds(s.e.Epoch), Range: l.object.Range, Parallelism: s.e.opts.Parallelism, Hash: true, Digests: s.e.opts.Digests,
	}
	said := source.Whiteouts(tree, l.layer, &below.overlay, opts)
	var lower *source.Lower
	if source.Expands(l.layer) && !below.closed && !below.incomplete {
		lower = source.FindLower(tree, l.layer, &below.overlay)
	}
	below.addWhiteouts(&layerContents{object: l.object, entries: tree.Entries})
	if below.closed {
		l.addNotes(said, fmt.Sprintf("%s: %s is not compared with what lies below it in %s, which is too much or cannot be unpacked.", location(l.object.Range), l.object.Address, k.manifest.Address))
		return l.setPlaced(k, tree)
	}
	placed, diags := source.Place(tree, l.layer, &below.overlay, opts)
	if (placed != tree || lower != nil) && l.raw == "" && !hasUnknown(tree) {
		// Another plan can tell that the sources are the same by their content alone.
		if l.seen, diags = source.Observe(ctx, s.e.root, l.layer, opts); !diags.HasErrors() {
			l.raw, _ = l.seen.Fingerprint(l.layer)
			placed, diags = source.Place(l.seen.Tree, l.layer, &below.overlay, opts)
		}
	}
	if diags.HasErrors() {
		return diags
	}
	expanded := !source.Expands(l.layer)
	if lower != nil {
		placed, expanded = source.Expand(placed, l.layer, lower)
	}
	on := &layerContents{object: l.object, entries: placed.Entries}
	l.addNotes(said, below.resets(on))
	if below.remote {
		l.addNotes(nil, fmt.Sprintf("%s: %s is not compared with the layers of %s, which stay in the registry: no links of it are followed, and no modes and owners taken over.", location(l.object.Range), l.object.Address, k.baseObject.Address))
	}
	if !expanded {
		l.addNotes(nil, fmt.Sprintf("%s: %s keeps its opaque whiteouts in %s: the names that lie below it cannot be told.", location(l.object.Range), l.object.Address, k.manifest.Address))
	}
	below.addRemaining(on)
	return l.setPlaced(k, placed)
}

// hasUnknown reports whether content of a tree is known after apply.
func hasUnknown(t *source.Tree) bool {
	return slices.ContainsFunc(t.Entries, func(e source.Entry) bool { return e.Unknown })
}

// addNotes adds warnings about a layer, each once whatever the number of its stacks.
func (l *stackLayer) addNotes(diags hcl.Diagnostics, resets string) {
	texts := warningTexts(diags)
	if resets != "" {
		texts = append(texts, resets)
	}
	for _, text := range texts {
		if !slices.Contains(l.notes, text) {
			l.notes = append(l.notes, text)
		}
	}
}

// layerTOC gives the table of contents of a layer that is no tree, or an unchanged one: of
// its blob where the layer is as it was, else of its archive. It is nil where it cannot
// be had: the archive is read again when the layer is built, and what is wrong with it
// said then.
func (s *stacks) layerTOC(ctx context.Context, l *stackLayer) (*layer.TOC, error) {
	was, staged := s.e.Stage.Objects[l.key]
	same := staged && (was.Fingerprint == l.raw || was.Below != "" && was.Raw == l.raw) && l.raw != ""
	if t, ok := s.tocs[was.Descriptor.Digest]; ok && same {
		return t.toc, nil
	}
	if same && s.e.Blobs[was.Descriptor.Digest] == layout.Intact && imagespec.IsLayer(was.Descriptor.MediaType) {
		toc, err := contentsOf(ctx, s.store, was.Descriptor)
		s.tocs[was.Descriptor.Digest] = &cachedTOC{toc}
		return toc, err
	}
	if built := s.e.Stored[l.object.Address]; built.DiffID != "" {
		toc, err := contentsOf(ctx, s.store, built.Descriptor)
		s.tocs[built.Descriptor.Digest] = &cachedTOC{toc}
		return toc, err
	}
	if l.seen.File == nil || l.layer.Archive == "" {
		return nil, nil
	}
	return s.archiveTOC(ctx, l.seen.File)
}

// archiveTOC reads the table of contents of an archive.
func (s *stacks) archiveTOC(ctx context.Context, file *source.File) (*layer.TOC, error) {
	key := digest.Digest("file:" + file.Path)
	if t, ok := s.tocs[key]; ok {
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
	s.tocs[key] = &cachedTOC{toc}
	return toc, nil
}

// overlayBuilder is the overlay of the layers of one stack as it grows. An overlay takes no layer
// over one that no program can unpack: nothing above that is judged.
type overlayBuilder struct {
	overlay layer.Overlay
	origins []*spec.Object
	// allFiles keeps all files, and not only those that matter to what lies above.
	allFiles bool
	closed   bool
	// incomplete is set where it cannot be told what a layer holds.
	incomplete bool
	// remote is set where that is so because the layers of a base stay in a registry.
	remote bool
}

// add adds a layer to the overlay.
func (p *overlayBuilder) add(l *layerContents) {
	p.addWhiteouts(l)
	p.addRemaining(l)
}

// addWhiteouts adds the whiteouts of a layer: what they hide no longer exists for its own
// entries.
func (p *overlayBuilder) addWhiteouts(l *layerContents) {
	p.origins = append(p.origins, l.object)
	p.addHalf(l, true)
}

// addRemaining adds all but the whiteouts of a layer.
func (p *overlayBuilder) addRemaining(l *layerContents) { p.addHalf(l, false) }

// addHalf adds the whiteouts of a layer, or what else matters to those above it.
func (p *overlayBuilder) addHalf(l *layerContents, whiteouts bool) {
	if p.closed {
		return
	}
	err := p.overlay.AddLayer(func(add func(*layer.Entry) error) error {
		return l.each(func(e *layer.Entry) error {
			if imagespec.IsWhiteout(path.Base(e.Path)) != whiteouts || !whiteouts && !p.isNeeded(e) {
				return nil
			}
			return add(e)
		})
	})
	p.closed = err != nil
}

// isNeeded reports whether layers above depend on an entry: on a file only where it
// replaces something.
func (p *overlayBuilder) isNeeded(e *layer.Entry) bool {
	if p.allFiles || e.Type == layer.Directory || e.Type == layer.Symlink {
		return true
	}
	_, err := p.overlay.Lookup(e.Path, false)
	return err == nil
}
