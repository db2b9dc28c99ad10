package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
)

// putBases remembers the bases, which need not be built.
func (r *run) putBases() {
	for a, o := range r.graph.Bases {
		if image := r.graph.Image(a); image != nil {
			step := planner.Step{Key: a.String()}
			step.Address = a
			r.put(made{step: step, object: o, staged: stage.Object{Descriptor: image.Descriptor}}, planner.NoOp)
		}
	}
}

// impliedAtOnce is how many implied blobs of a step are written at once.
const impliedAtOnce = 4

// implied puts the blobs that a step implies into the layout.
func (r *run) implied(ctx context.Context, u planner.Step) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(impliedAtOnce)
	for _, desc := range u.Implied {
		group.Go(func() error { return r.putImplied(ctx, u, desc) })
	}
	return group.Wait()
}

// impliedLock is held while an implied blob is written: several steps imply the same
// one, one of them writes it, and the others find it.
func (r *run) impliedLock(dgst digest.Digest) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.implying[dgst] == nil {
		r.implying[dgst] = &sync.Mutex{}
	}
	return r.implying[dgst]
}

// putImplied brings a blob that a step implies into the layout.
func (r *run) putImplied(ctx context.Context, u planner.Step, desc ocispec.Descriptor) error {
	lock := r.impliedLock(desc.Digest)
	lock.Lock()
	defer lock.Unlock()
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
	r.wrote(desc, created)
	return nil
}

// copyBase writes a blob of one of the bases of a step.
func (r *run) copyBase(ctx context.Context, u planner.Step, desc ocispec.Descriptor, in *layout.Ingest) error {
	base := r.graph.BaseWith(desc.Digest)
	switch {
	case base == nil:
		return fmt.Errorf("nobody has the blob %s; this is a bug in layform", desc.Digest)
	case r.opts.Bases == nil:
		return errors.New("the content of bases cannot be had: apply with Options.Bases")
	}
	if err := r.opts.Bases.CopyBlob(ctx, base, desc, in); err != nil {
		return fmt.Errorf("the blob %s of the base %s: %w", desc.Digest, base.From, err)
	}
	return nil
}
