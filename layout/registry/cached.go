package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout/imagespec"
)

// Source is a repository of another registry, such as a remote.Repository.
type Source interface {
	// Resolve gives the descriptor of a tag, or of the digest of a manifest.
	Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error)
	// Fetch opens a manifest or blob.
	Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error)
}

// Upstream gives the Source of a repository by its name; the error is oras-go's
// ErrNotFound where there is none.
type Upstream func(repo string) (Source, error)

// Cached is a pull-through cache: manifests and blobs that the registry does not have are
// fetched from upstream when they are asked for, and stored. A tag is resolved upstream
// each time, and as it was stored where upstream cannot be reached. Lists hold what is
// stored. It stores also where the registry is read-only for its callers.
func (r *Registry) Cached(upstream Upstream) *Registry {
	out := *r
	out.upstream = upstream
	return &out
}

// once does what several callers ask for at the same time one time. A caller that gives
// up does not stop the others.
func (s *shared) once(ctx context.Context, key string, do func() error) error {
	for {
		result := s.flights.DoChan(key, func() (any, error) { return nil, do() })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case done := <-result:
			if done.Shared && errors.Is(done.Err, context.Canceled) && ctx.Err() == nil {
				continue
			}
			return done.Err
		}
	}
}

// pullManifest is Resolve behind the look at what is stored, which gave have or err.
func (r *Repository) pullManifest(ctx context.Context, reference string, have ocispec.Descriptor, err error) (ocispec.Descriptor, error) {
	if err == nil && strings.Contains(reference, ":") {
		return have, nil
	}
	source, sourceErr := r.reg.upstream(r.name)
	var desc ocispec.Descriptor
	if sourceErr == nil {
		desc, sourceErr = source.Resolve(ctx, reference)
	}
	switch {
	case ctx.Err() != nil:
		return ocispec.Descriptor{}, ctx.Err()
	case err == nil && (sourceErr != nil || desc.Digest == have.Digest):
		return have, nil
	case errors.Is(sourceErr, errdef.ErrNotFound):
		return ocispec.Descriptor{}, err
	case sourceErr != nil:
		return ocispec.Descriptor{}, fmt.Errorf("%s: is not stored, and could not be fetched: %w", spot(r.name, reference), sourceErr)
	}
	err = r.reg.once(ctx, r.full+" "+reference+" "+string(desc.Digest), func() error { return r.storeManifest(ctx, source, reference, desc) })
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return r.resolve(ctx, string(desc.Digest))
}

// storeManifest fetches a manifest. What it names need not be there.
func (r *Repository) storeManifest(ctx context.Context, source Source, reference string, desc ocispec.Descriptor) error {
	if desc.Size > imagespec.MaxDocument {
		return r.tooLarge(desc.Size)
	}
	in, err := source.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(in, desc.Size+1))
	if err := errors.Join(err, in.Close(), r.checkSize(desc, int64(len(data)))); err != nil {
		return err
	}
	p := Put{MediaType: desc.MediaType, Digest: desc.Digest}
	if !strings.Contains(reference, ":") {
		p.Tags = []string{reference}
	}
	_, err = r.pulling().PushManifest(ctx, data, p)
	return err
}

// pulling is the repository for what is stored of upstream.
func (r *Repository) pulling() *Repository {
	reg := *r.reg
	reg.readOnly, reg.upstream, reg.sparse = false, nil, true
	return &Repository{reg: &reg, name: r.name, full: r.full}
}

// pullBlob is ResolveBlob behind the look at what is stored, which gave err. A blob that
// no stored manifest names is not asked for.
func (r *Repository) pullBlob(ctx context.Context, dgst digest.Digest, err error) (ocispec.Descriptor, error) {
	o, s, readErr := r.readScope(ctx)
	if readErr != nil {
		return ocispec.Descriptor{}, readErr
	}
	o.release()
	size, named := s.blobs[dgst]
	if !named {
		return ocispec.Descriptor{}, err
	}
	source, sourceErr := r.reg.upstream(r.name)
	if sourceErr == nil {
		desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: dgst, Size: size}
		sourceErr = r.reg.once(ctx, r.full+" "+string(dgst), func() error { return r.storeBlob(ctx, source, desc) })
	}
	switch {
	case ctx.Err() != nil:
		return ocispec.Descriptor{}, ctx.Err()
	case errors.Is(sourceErr, errdef.ErrNotFound):
		return ocispec.Descriptor{}, err
	case sourceErr != nil:
		return ocispec.Descriptor{}, fmt.Errorf("%s: is not stored, and could not be fetched: %w", spot(r.name, string(dgst)), sourceErr)
	}
	return r.resolveBlob(ctx, dgst)
}

// storeBlob fetches a blob.
func (r *Repository) storeBlob(ctx context.Context, source Source, desc ocispec.Descriptor) error {
	in, err := source.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	err = r.pulling().Push(ctx, desc, in)
	if errors.Is(err, errdef.ErrAlreadyExists) {
		err = nil
	}
	return errors.Join(err, in.Close())
}
