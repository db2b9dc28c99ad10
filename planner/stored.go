package planner

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// stored is the digest of the blob in the layout that an object is, as it is; empty for
// one that is built, and for none.
func stored(o *spec.Object) digest.Digest {
	if o == nil {
		return ""
	}
	switch b := o.Body.(type) {
	case *spec.Layer:
		return b.Digest
	case *spec.Config:
		return b.Digest
	}
	return ""
}

// readStored finds the blobs that objects of the spec are, as they are. One that the
// layout does not have, whole, is reported as hcl.Diagnostics.
func (p *Prior) readStored(ctx context.Context, g *Graph, store *layout.Store, parallelism int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelism)
	var mu sync.Mutex
	var diags hcl.Diagnostics
	for _, s := range g.Steps {
		o := g.first(s.Address)
		dgst := stored(o)
		if dgst == "" {
			continue
		}
		group.Go(func() error {
			built, state, problem, err := p.storedBlob(ctx, store, s, o, dgst)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			p.Blobs[dgst], p.Stored[s.Address] = state, built
			if problem != "" {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError, Summary: "Blob is not in the layout", Subject: o.Range.Ptr(),
					Detail: fmt.Sprintf("%s is the blob %s of the layout, %s. Put it there, as with `layform copy`, or say what it is made of.", s.Address, dgst, problem),
				})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if diags.HasErrors() {
		return diags
	}
	return nil
}

// storedBlob is what a blob of the layout is as an object, and what is wrong with it;
// empty for nothing.
func (p *Prior) storedBlob(ctx context.Context, store *layout.Store, s Step, o *spec.Object, dgst digest.Digest) (spec.Built, layout.BlobState, string, error) {
	desc := ocispec.Descriptor{Digest: dgst, MediaType: MediaType(o)}
	l, isLayer := o.Body.(*spec.Layer)
	if isLayer {
		desc.MediaType = l.MediaType
	}
	built := spec.Built{Descriptor: desc}
	size, exists, err := store.Size(ctx, dgst)
	if err != nil || !exists {
		return built, layout.Missing, "which is not there", err
	}
	desc.Size, built.Descriptor.Size = size, size
	state, err := store.Check(ctx, desc)
	if err != nil || state != layout.Intact {
		return built, state, "whose content is not what its name says", err
	}
	if !isLayer {
		return built, state, "", nil
	}
	if !imagespec.IsLayer(desc.MediaType) {
		built.DiffID = dgst // as images of attestations and signatures have it, which nobody unpacks
		return built, state, "", nil
	}
	if was := p.Stage.Objects[s.Key]; was.Descriptor.Digest == dgst && was.DiffID != "" {
		built.DiffID = was.DiffID
		return built, state, "", nil
	}
	blob, err := store.Fetch(ctx, desc)
	if err != nil {
		return built, state, "", err
	}
	defer blob.Close()
	built.DiffID, err = layer.DiffID(ctx, blob, desc.MediaType)
	return built, state, "", err
}

// observeStored is a layer that is a blob of the layout, as an observation of its
// sources.
func (p *Prior) observeStored(s Step, l *spec.Layer) *source.Observed {
	return &source.Observed{File: &source.File{Digest: l.Digest, Size: p.Stored[s.Address].Descriptor.Size}}
}

// checkStoredConfig checks that an image config that is used as it is tells the diffIDs of
// the layers of its manifest; nil where it does, and for all other steps.
func (e *evaluator) checkStoredConfig(ctx context.Context, s Step, o *spec.Object) *hcl.Diagnostic {
	m, ok := o.Body.(*spec.Manifest)
	config := e.Evaluated[s.Config]
	if !ok || stored(config.Object) == "" || MediaType(config.Object) != ocispec.MediaTypeImageConfig {
		return nil
	}
	diag := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Config of other layers", Subject: o.Range.Ptr()}
	data, err := e.store.ReadBlob(ctx, config.Built.Descriptor, 0)
	var image ocispec.Image
	if err == nil {
		err = jsondoc.Decode(data, jsondoc.Limits{Bytes: imagespec.MaxDocument}, &image)
	}
	if err != nil {
		diag.Detail = fmt.Sprintf("%s cannot be read: %s.", s.Config, err)
		return diag
	}
	var diffIDs []digest.Digest
	if base := e.graph.Image(s.Base); base != nil {
		diffIDs = append(diffIDs, base.DiffIDs...)
	}
	for _, a := range m.Layers {
		diffIDs = append(diffIDs, e.Evaluated[a.String()].Built.DiffID)
	}
	if slices.Equal(image.RootFS.DiffIDs, diffIDs) {
		return nil
	}
	diag.Detail = fmt.Sprintf("%s is the blob %s as it is, whose rootfs.diff_ids are not those of the layers of %s. Describe the config with attributes: its rootfs follows from the layers then.",
		s.Config, config.Built.Descriptor.Digest, s.Key)
	return diag
}
