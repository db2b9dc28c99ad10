package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Diff compares the graphs of roots at src with dst, and writes nothing. A root
// has a descriptor and the names of its tags; all else of it is filled in. The
// errors of src and dst are returned as they are; only what is errdef.ErrNotFound
// is taken for absent.
func Diff(ctx context.Context, src Source, dst Destination, roots []Root, opts Options) (*Plan, error) {
	if opts.Parallelism <= 0 {
		opts.Parallelism = parallelism
	}
	d := &differ{src: src, dst: dst, opts: opts, nodes: map[stepKey]*node{}, referring: map[digest.Digest]bool{}}
	p := &Plan{Referrers: []Referrer{}}
	for _, r := range roots {
		root, err := d.root(ctx, r)
		if err != nil {
			return nil, err
		}
		d.roots = append(d.roots, root)
	}
	if err := d.tags(ctx, d.roots); err != nil {
		return nil, err
	}
	if err := d.walk(ctx); err != nil {
		return nil, err
	}
	p.Roots = d.roots
	if err := d.compare(ctx); err != nil {
		return nil, err
	}
	nested := d.nested()
	for _, r := range d.referrers {
		r.Nested = nested[r.Descriptor.Digest]
		p.Referrers = append(p.Referrers, r)
	}
	p.Steps = d.steps(p.Roots)
	return p, nil
}

// differ is one run of Diff.
type differ struct {
	src  Source
	dst  Destination
	opts Options

	// roots grow by what is attached to manifests.
	roots []Root

	mu    sync.Mutex
	nodes map[stepKey]*node
	// order are the nodes as they were found.
	order     []*node
	referrers []Referrer
	referring map[digest.Digest]bool
	// listed are the referrers that the destination knows as such.
	listed map[digest.Digest]bool
	bytes  int
}

// node is one blob or manifest of the graph.
type node struct {
	desc     ocispec.Descriptor
	manifest bool
	data     []byte
	content  []ocispec.Descriptor
	// subject is the manifest's subject; it need not be there.
	subject  *ocispec.Descriptor
	referrer bool
	optional bool
	presence Presence
	depth    int
	height   int
	gone     bool
}

// root resolves a root, and filters its platforms.
func (d *differ) root(ctx context.Context, r Root) (Root, error) {
	if !imagespec.IsManifest(r.Descriptor.MediaType) {
		return r, fmt.Errorf("%s is a %s, not a manifest or an index: it cannot be copied on its own", r.Descriptor.Digest, r.Descriptor.MediaType)
	}
	r.Tags = slices.Clone(r.Tags)
	if len(d.opts.Platforms) == 0 {
		return r, nil
	}
	data, err := d.read(ctx, r.Descriptor)
	if err != nil {
		return r, err
	}
	desc, filtered, err := filter(ctx, d.read, r.Descriptor, data, d.opts.Platforms)
	if err != nil || desc.Digest == r.Descriptor.Digest {
		return r, err
	}
	r.Was, r.Descriptor = r.Descriptor.Digest, desc
	d.add(&node{desc: desc, manifest: true, data: filtered})
	return r, nil
}

// tags looks at what the tags of the roots name now.
func (d *differ) tags(ctx context.Context, roots []Root) error {
	named := map[string]digest.Digest{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.opts.Parallelism)
	for _, root := range roots {
		for i := range root.Tags {
			tag := &root.Tags[i]
			if other, ok := named[tag.Name]; ok && other != root.Descriptor.Digest {
				return fmt.Errorf("the tag %s would name two images, %s and %s: copy one of them", tag.Name, other, root.Descriptor.Digest)
			}
			named[tag.Name] = root.Descriptor.Digest
			group.Go(func() error {
				have, err := d.dst.Resolve(ctx, tag.Name)
				if err != nil && !errors.Is(err, errdef.ErrNotFound) {
					return err
				}
				tag.Have = have.Digest
				switch {
				case err != nil:
					tag.Action, tag.Have = TagMade, ""
				case have.Digest == root.Descriptor.Digest:
					tag.Action = TagKept
				case d.opts.NoClobber:
					return &ClobberError{Tag: tag.Name, Have: have.Digest, Want: root.Descriptor.Digest}
				default:
					tag.Action = TagMoved
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// add takes a node into the graph, once. It is called by one goroutine.
func (d *differ) add(n *node) (*node, bool) {
	key := stepKey{n.desc.Digest, n.manifest}
	if old, ok := d.nodes[key]; ok {
		old.optional = old.optional && n.optional
		old.referrer = old.referrer || n.referrer
		return old, false
	}
	d.nodes[key] = n
	d.order = append(d.order, n)
	return n, true
}

// walk reads all manifests of the graphs, one level after another.
func (d *differ) walk(ctx context.Context) error {
	var level []*node
	for _, root := range d.roots {
		n, _ := d.add(&node{desc: root.Descriptor, manifest: true})
		if !slices.Contains(level, n) {
			level = append(level, n)
		}
	}
	for len(level) > 0 {
		if err := d.each(ctx, level, d.open); err != nil {
			return err
		}
		var next []*node
		for _, n := range level {
			more, err := d.below(n)
			if err != nil {
				return err
			}
			next = append(next, more...)
		}
		referrers, err := d.refer(ctx, level)
		if err != nil {
			return err
		}
		attached, err := d.attach(ctx, level)
		if err != nil {
			return err
		}
		level = slices.Concat(next, referrers, attached)
	}
	return nil
}

// each calls do for several nodes at a time.
func (d *differ) each(ctx context.Context, nodes []*node, do func(context.Context, *node) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.opts.Parallelism)
	for _, n := range nodes {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return do(ctx, n)
		})
	}
	return group.Wait()
}

// open reads and parses the manifest of a node.
func (d *differ) open(ctx context.Context, n *node) error {
	if n.data == nil {
		data, err := d.read(ctx, n.desc)
		if n.optional && errors.Is(err, errdef.ErrNotFound) {
			n.gone = true
			return nil
		}
		if err != nil {
			return err
		}
		n.data = data
	}
	doc, err := layout.ParseDocument(n.data, n.desc.MediaType, jsondoc.Limits{})
	if err != nil {
		return fmt.Errorf("manifest %s cannot be understood: %w", n.desc.Digest, err)
	}
	n.subject = doc.Subject
	doc.Subject = nil
	n.content = doc.Successors()
	return nil
}

// read reads a manifest, whole and verified.
func (d *differ) read(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if d.opts.Local != nil {
		if data, err := readManifest(ctx, d.opts.Local, desc); err == nil {
			return data, nil
		}
	}
	return readManifest(ctx, d.src, desc)
}

// below adds what a manifest leads to, and gives the manifests among it.
func (d *differ) below(n *node) ([]*node, error) {
	var manifests []*node
	visit := func(m *node) error {
		m.depth = n.depth + 1
		m.manifest = imagespec.IsManifest(m.desc.MediaType)
		if m.depth > imagespec.MaxGraphDepth && m.manifest {
			return fmt.Errorf("%s: indexes and subjects are nested more than %d deep", n.desc.Digest, imagespec.MaxGraphDepth)
		}
		m, fresh := d.add(m)
		if len(d.order) > imagespec.MaxDescriptors {
			return fmt.Errorf("there are more than %d descriptors", imagespec.MaxDescriptors)
		}
		if fresh && m.manifest {
			manifests = append(manifests, m)
		}
		return nil
	}
	for _, desc := range n.content {
		if err := visit(&node{desc: desc}); err != nil {
			return nil, err
		}
	}
	if n.subject != nil && imagespec.IsManifest(n.subject.MediaType) {
		n.referrer = true
		d.refers(n.desc, *n.subject)
		// The image spec allows a subject to be missing.
		if err := visit(&node{desc: *n.subject, optional: true}); err != nil {
			return nil, err
		}
	}
	d.bytes += len(n.data)
	return manifests, nil
}

// refer adds the referrers of manifests.
func (d *differ) refer(ctx context.Context, level []*node) ([]*node, error) {
	if !d.opts.Referrers {
		return nil, nil
	}
	found := make(map[*node][]ocispec.Descriptor, len(level))
	err := d.each(ctx, level, func(ctx context.Context, n *node) error {
		if n.gone {
			return nil
		}
		var all []ocispec.Descriptor
		for desc, err := range d.src.Referrers(ctx, n.desc) {
			if err != nil {
				return err
			}
			all = append(all, desc)
		}
		slices.SortFunc(all, func(a, b ocispec.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
		d.mu.Lock()
		defer d.mu.Unlock()
		found[n] = all
		return nil
	})
	if err != nil {
		return nil, err
	}
	var fresh []*node
	for _, n := range level {
		for _, desc := range found[n] {
			if !imagespec.IsManifest(desc.MediaType) {
				continue
			}
			d.refers(desc, n.desc)
			m, isNew := d.add(&node{desc: desc, manifest: true, referrer: true, depth: n.depth + 1})
			if m.depth > imagespec.MaxGraphDepth {
				return nil, fmt.Errorf("referrers of %s are nested more than %d deep", n.desc.Digest, imagespec.MaxGraphDepth)
			}
			if len(d.order) > imagespec.MaxDescriptors {
				return nil, fmt.Errorf("there are more than %d descriptors", imagespec.MaxDescriptors)
			}
			if isNew {
				fresh = append(fresh, m)
			}
		}
	}
	return fresh, nil
}

// refers notes that a manifest has a subject, once.
func (d *differ) refers(desc, subject ocispec.Descriptor) {
	if d.referring[desc.Digest] {
		return
	}
	d.referring[desc.Digest] = true
	entry := identityOf(desc)
	entry.ArtifactType = desc.ArtifactType
	d.referrers = append(d.referrers, Referrer{Descriptor: entry, Subject: identityOf(subject)})
}

// identityOf is a descriptor without what belongs to the place where it was found.
func identityOf(desc ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
}
