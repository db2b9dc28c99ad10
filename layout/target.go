package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout/layer"
)

// Push stores what r gives as the blob of desc. When size or digest of the
// content are not those of desc, nothing is stored. The error is oras-go's
// ErrAlreadyExists when the blob is there and intact. Push does not touch
// index.json: see Tag.
func (s *Store) Push(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	in, err := s.begin(ctx, desc)
	if err != nil {
		return err
	}
	defer in.Abort() // after Commit there is nothing to abort
	if err := in.copyFrom(ctx, desc, r); err != nil {
		return err
	}
	if in.Size() != desc.Size {
		return fmt.Errorf("content pushed for %s does not have the %d bytes that its descriptor says", desc.Digest, desc.Size)
	}
	if got := in.Digest(); got != desc.Digest {
		return fmt.Errorf("content pushed for %s has the digest %s", desc.Digest, got)
	}
	return s.end(ctx, in)
}

// begin starts the blob of desc, which is not there yet.
func (s *Store) begin(ctx context.Context, desc ocispec.Descriptor) (*Ingest, error) {
	if _, err := blobPath(desc.Digest); err != nil {
		return nil, fmt.Errorf("%w: %w", errdef.ErrInvalidDigest, err)
	}
	state, err := s.Check(ctx, desc)
	if err != nil {
		return nil, err
	}
	if state == Intact {
		return nil, fmt.Errorf("blob %s: %w", desc.Digest, errdef.ErrAlreadyExists)
	}
	return s.ingest(ctx, desc.Digest.Algorithm())
}

// copyFrom writes the content of desc, which r gives. One byte more than desc allows is
// enough to know that there is too much.
func (i *Ingest) copyFrom(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	limited := io.LimitReader(layer.ContextReader(ctx, r), desc.Size+1)
	_, err := io.CopyBuffer(struct{ io.Writer }{i}, limited, make([]byte, 256<<10))
	return err
}

// verifiedWriter stores the content of an Ingest without hashing it.
type verifiedWriter struct{ i *Ingest }

func (w verifiedWriter) Write(p []byte) (int, error) { return w.i.store(p) }

// CopyVerified writes the whole content of desc, which r gives and has to verify: io.EOF
// comes only after exactly the bytes of desc, as from the readers that Fetch returns,
// here and in layout/remote. So it is hashed once. After an error the Ingest cannot be
// committed.
func (i *Ingest) CopyVerified(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	if i.err == nil && (i.size > 0 || i.known != "" || desc.Digest.Algorithm() != i.algorithm) {
		i.err = fmt.Errorf("blob %s cannot follow other content", desc.Digest)
	}
	if i.err != nil {
		return i.err
	}
	i.err = errUnread
	if _, err := io.CopyBuffer(verifiedWriter{i}, struct{ io.Reader }{layer.ContextReader(ctx, r)}, make([]byte, 256<<10)); err != nil {
		return err
	}
	if i.size != desc.Size {
		return fmt.Errorf("the content that came for blob %s has %d bytes, not %d", desc.Digest, i.size, desc.Size)
	}
	i.known, i.err = desc.Digest, nil
	return nil
}

// takeClone clones a file and reads it to its end. The error is errors.ErrUnsupported
// where it cannot be cloned.
func (i *Ingest) takeClone(ctx context.Context, f *os.File) error {
	clone, err := i.Clone(f)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, layer.ContextReader(ctx, clone), make([]byte, 256<<10))
	return err
}

// end makes the content a blob, durably.
func (s *Store) end(ctx context.Context, in *Ingest) error {
	if _, _, _, err := in.Commit(ctx); err != nil {
		return err
	}
	return s.SyncBlobs(ctx)
}

// Resolve finds the descriptor for ref: a ref name of index.json, or the digest
// of something that its entries reach. The error is oras-go's ErrNotFound when
// there is none, and another when several entries have the ref name.
func (r *Reader) Resolve(ctx context.Context, ref string) (ocispec.Descriptor, error) {
	x, err := r.Index(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	switch found := x.Resolve(ref); len(found) {
	case 1:
		return found[0], nil
	case 0:
	default:
		return ocispec.Descriptor{}, fmt.Errorf("%q names %d entries of index.json of %s; use a digest", ref, len(found), r.name)
	}
	if dgst, err := digest.Parse(ref); err == nil {
		return r.find(ctx, x, dgst)
	}
	return ocispec.Descriptor{}, r.notFound(ref)
}

func (r *Reader) notFound(ref string) error {
	return fmt.Errorf("%q in %s: %w", ref, r.name, errdef.ErrNotFound)
}

// find looks for a digest in what the entries of x reach.
func (r *Reader) find(ctx context.Context, x *Index, dgst digest.Digest) (ocispec.Descriptor, error) {
	for _, desc := range x.Descriptors() {
		if desc.Digest == dgst {
			return desc, nil
		}
	}
	var broken error
	for desc, err := range r.Reachable(ctx, x.Descriptors()) {
		if desc.Digest == dgst {
			return desc, nil
		}
		if err != nil && !errors.Is(err, errdef.ErrNotFound) {
			broken = err
		}
	}
	if broken != nil {
		return ocispec.Descriptor{}, broken
	}
	return ocispec.Descriptor{}, r.notFound(dgst.String())
}

// Tag makes ref a name of desc in index.json, by a Swap; the blob of desc must
// be in the layout. When ref is the digest of desc, the entry gets no name.
func (s *Store) Tag(ctx context.Context, desc ocispec.Descriptor, ref string) error {
	if ref == "" {
		return fmt.Errorf("an empty ref name for %s: %w", desc.Digest, errdef.ErrMissingReference)
	}
	if err := s.mustExist(ctx, desc); err != nil {
		return err
	}
	if ref == desc.Digest.String() {
		desc = WithRefName(desc, "")
	} else {
		desc = WithRefName(desc, ref)
	}
	_, _, err := s.Swap(ctx, func(x *Index) error {
		// Under the lock, so that no GC comes between the look and the entry.
		if err := s.mustExist(ctx, desc); err != nil {
			return err
		}
		return x.Set(desc)
	})
	return err
}

// mustExist is Exists, with an error where there is nothing.
func (r *Reader) mustExist(ctx context.Context, desc ocispec.Descriptor) error {
	ok, err := r.Exists(ctx, desc)
	if err != nil {
		return err
	}
	if !ok {
		return r.notFound(desc.Digest.String())
	}
	return nil
}
