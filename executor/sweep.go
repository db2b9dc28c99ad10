package executor

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// undo removes what this run put into the layout before it failed, and takes nothing
// over.
func (r *applier) undo(ctx context.Context) error {
	others, err := r.otherStages(ctx)
	if err != nil {
		return err
	}
	before := *r.stage
	before.Blobs = r.created
	stopped, err := r.sweep(ctx, &before, others, r.created)
	if err != nil {
		return err
	}
	*r.result = Result{}
	if stopped {
		return nil
	}
	if r.takesOver {
		err = stage.ClearJournal(r.store, r.stage.From)
	}
	return errors.Join(err, stage.Withdraw(ctx, r.store, r.stage.Spec), stage.ClearJournal(r.store, r.stage.Spec))
}

// sweep removes those of the blobs that nothing uses after all, and with them what
// was remembered of them. It reports whether it stopped because another tool wrote
// index.json meanwhile, or kept all since a document was damaged meanwhile. The blobs
// that are gone are not next's any more, with an error too.
func (r *applier) sweep(ctx context.Context, next *stage.Stage, others []*stage.Stage, blobs []digest.Digest) (stopped bool, err error) {
	needed := usedBlobs(next)
	blobs = slices.DeleteFunc(slices.Clone(blobs), func(b digest.Digest) bool { return needed[b] })
	if len(blobs) == 0 {
		return false, nil
	}
	var keep []ocispec.Descriptor
	for _, st := range append(slices.Clone(others), next) {
		for _, o := range st.Objects {
			keep = append(append(keep, o.Descriptor), o.Implied...)
		}
	}
	swept, err := r.store.Sweep(ctx, blobs, keep)
	if layout.IsDamaged(err) {
		r.result.Kept = len(blobs)
		return true, nil // the next plan warns of it
	}
	r.result.DeletedBlobs, r.result.DeletedBytes = len(swept.Blobs), swept.Bytes
	gone := map[digest.Digest]bool{}
	for _, dgst := range swept.Blobs {
		gone[dgst] = true
		err = errors.Join(err, stage.RemoveTOC(ctx, r.store, dgst))
	}
	next.Blobs = slices.DeleteFunc(next.Blobs, func(d digest.Digest) bool { return gone[d] })
	return swept.Stopped, err
}

// forgetMissing forgets blobs that the spec owns, does not use, and that are gone: an
// interrupted sweep removed them without saying so, an interrupted build announced
// them and did not write them, or somebody else deleted them.
func (r *applier) forgetMissing(ctx context.Context, next *stage.Stage) error {
	needed := usedBlobs(next)
	if !r.plan.Recover && !slices.ContainsFunc(next.Blobs, func(b digest.Digest) bool { return !needed[b] }) {
		return nil
	}
	there, err := r.store.BlobDigests(ctx)
	if err != nil {
		return err
	}
	next.Blobs = slices.DeleteFunc(next.Blobs, func(d digest.Digest) bool { return !there[d] })
	_, err = stage.PruneTOCs(ctx, r.store, there)
	return err
}
