package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// putBases remembers the bases, which need not be built.
func (r *applier) putBases() {
	for a, o := range r.graph.Bases {
		if image := r.graph.Image(a); image != nil {
			r.addBuilt(a.String(), builtObject{object: o, staged: stage.Object{Descriptor: image.Descriptor}}, planner.NoOp)
		}
	}
}

// placeLayers brings the layers of bases into the layout that must be read before the
// layers above them can be built, and places those.
func (r *applier) placeLayers(ctx context.Context) error {
	if len(r.prior.Unplaced) == 0 || r.plan.Options.Destroy {
		return nil
	}
	for _, u := range r.graph.Steps {
		m, ok := r.prior.Evaluated[u.Key].Object.Body.(*spec.Manifest)
		if !ok || !slices.ContainsFunc(m.Layers, func(a spec.Address) bool { return r.prior.Unplaced[a] }) {
			continue
		}
		if err := r.putAllImplied(ctx, u); err != nil {
			return withAddress(u.Key, err)
		}
	}
	return r.prior.PlaceLayers(ctx, r.graph, r.store, r.root, planner.RefreshOptions{
		Epoch: r.plan.Spec.Epoch, Parallelism: r.opts.Parallelism, Digests: r.opts.Digests, Bases: r.opts.Bases,
	})
}

// impliedAtOnce is how many implied blobs of a step are written at once.
const impliedAtOnce = 4

// putAllImplied puts all blobs that a step implies into the layout.
func (r *applier) putAllImplied(ctx context.Context, u planner.Step) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(impliedAtOnce)
	for _, desc := range u.Implied {
		group.Go(func() error { return r.putImplied(ctx, u, desc) })
	}
	return group.Wait()
}

// impliedBlob is a blob that several steps may imply: one of them writes it, and the
// others wait for that.
type impliedBlob struct {
	sync.Mutex
	// there is set once the blob is in the layout.
	there bool
}

// impliedBlob is the one with the digest.
func (r *applier) impliedBlob(dgst digest.Digest) *impliedBlob {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.impliedBlobs[dgst] == nil {
		r.impliedBlobs[dgst] = &impliedBlob{}
	}
	return r.impliedBlobs[dgst]
}

// putImplied brings a blob that a step implies into the layout.
func (r *applier) putImplied(ctx context.Context, u planner.Step, desc ocispec.Descriptor) error {
	blob := r.impliedBlob(desc.Digest)
	blob.Lock()
	defer blob.Unlock()
	if blob.there {
		return nil
	}
	created, err := r.store.PutBlob(ctx, desc, r.announce(u.Key), func(in *layout.Ingest) error {
		if desc.Data != nil {
			_, err := in.Write(desc.Data)
			return err
		}
		return r.copyBase(ctx, u, desc, in)
	})
	if err != nil {
		return err
	}
	if created {
		if err := r.keepContents(ctx, desc); err != nil {
			return err
		}
	}
	r.countWritten(desc, created)
	blob.there = true
	return nil
}

// keepContents keeps the table of contents of a layer of a base: what lies above it is
// compared with that whenever it changes.
func (r *applier) keepContents(ctx context.Context, desc ocispec.Descriptor) error {
	if !imagespec.IsLayer(desc.MediaType) {
		return nil
	}
	toc, err := stage.DeriveContents(ctx, r.store.Reader, desc)
	var breach *layer.Breach
	if errors.As(err, &breach) {
		return nil // it stays what it is, and says nothing
	}
	if err != nil {
		return err
	}
	return stage.SaveTOC(ctx, r.store, toc, layer.ListOf(toc.Entries))
}

// copyBase writes a blob of one of the bases of a step.
func (r *applier) copyBase(ctx context.Context, u planner.Step, desc ocispec.Descriptor, in *layout.Ingest) error {
	base := r.graph.BaseWith(desc.Digest)
	switch {
	case base == nil:
		return fmt.Errorf("nobody has the blob %s; this is a bug in layform", desc.Digest)
	case r.opts.Bases == nil:
		return errors.New("the content of bases cannot be had: apply with Options.Bases")
	}
	in.Watch(func(n int64) {
		r.report(Event{Kind: EventProgress, Key: u.Key, Digest: desc.Digest, Bytes: n, Total: desc.Size})
	})
	if err := r.opts.Bases.CopyBlob(ctx, base, desc, in); err != nil {
		return fmt.Errorf("the blob %s of the base %s: %w", desc.Digest, base.From, err)
	}
	return nil
}
