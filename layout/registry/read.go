package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// Resolve finds the descriptor of a tag, or of the digest of a manifest: its media type,
// digest and size. The error is CodeManifestUnknown where the repository has none.
func (r *Repository) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	desc, err := r.resolve(ctx, reference)
	if r.reg.upstream == nil || err != nil && !isUnknown(err) {
		return desc, err
	}
	return r.pullManifest(ctx, reference, desc, err)
}

// isUnknown reports whether an error says that something does not exist.
func isUnknown(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code.unknown()
}

func (r *Repository) resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	dgst := digest.Digest(reference)
	byDigest := strings.Contains(reference, ":")
	check := func() error { return checkTag(r.name, reference) }
	if byDigest {
		check = func() error { return checkDigest(r.name, dgst) }
	}
	if err := check(); err != nil {
		return ocispec.Descriptor{}, err
	}
	o, e, err := r.read(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer o.release()
	var desc ocispec.Descriptor
	var found bool
	if byDigest {
		desc, found, err = o.manifest(ctx, e, dgst)
	} else {
		desc, found, err = e.tag(r.name, reference)
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if found && imagespec.IsManifest(desc.MediaType) {
		// An index may name manifests that are not there.
		if found, err = o.store.Exists(ctx, desc); err != nil {
			return ocispec.Descriptor{}, err
		}
		if found {
			return desc, nil
		}
		if size, there, err := o.store.Size(ctx, desc.Digest); err != nil || there {
			return ocispec.Descriptor{}, cmp.Or[error](err, &layout.BlobError{Digest: desc.Digest, Problem: fmt.Sprintf("is torn: it has %d bytes, not %d", size, desc.Size)})
		}
	}
	return ocispec.Descriptor{}, r.unknown(CodeManifestUnknown, reference, "no such manifest; check the name, or push it", nil)
}

// manifest finds a manifest by its digest: an entry, or one that an index names.
func (o *opened) manifest(ctx context.Context, e *entries, dgst digest.Digest) (ocispec.Descriptor, bool, error) {
	s, err := o.reached(ctx, e)
	if err != nil {
		return ocispec.Descriptor{}, false, err
	}
	desc, ok := s.manifests[dgst]
	return desc, ok, nil
}

// ReadManifest reads the manifest of a tag or digest. What it gives has the digest of
// the descriptor; where the file has another content the error is a *layout.BlobError.
func (r *Repository) ReadManifest(ctx context.Context, reference string) (ocispec.Descriptor, []byte, error) {
	desc, err := r.Resolve(ctx, reference)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	o, err := r.reg.acquire(r.full)
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	defer o.release()
	data, err := o.store.ReadBlob(ctx, desc, 0)
	return desc, data, err
}

// blob finds a blob that the repository has: what its entries lead to, and what was
// pushed to it a while ago.
func (o *opened) blob(ctx context.Context, r *Repository, e *entries, dgst digest.Digest) (ocispec.Descriptor, error) {
	s, err := o.reached(ctx, e)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: dgst}
	want, has := s.blobs[dgst]
	if manifest, ok := s.manifests[dgst]; ok && !has {
		desc.MediaType, has = manifest.MediaType, true
	}
	if !has {
		if has, err = o.store.Leased(ctx, r.full, dgst); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	if has {
		if desc.Size, has, err = o.store.Size(ctx, dgst); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	if want > 0 && desc.Size != want {
		has = false // it is torn, and the next push mends it
	}
	if !has {
		return ocispec.Descriptor{}, r.unknown(CodeBlobUnknown, string(dgst), "no such blob; check the digest, or push it", nil)
	}
	return desc, nil
}

// ResolveBlob finds the size of a blob. The manifests of a repository are blobs as well.
// The error is CodeBlobUnknown where it has none of that digest, whatever other
// repositories have.
func (r *Repository) ResolveBlob(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc, err := r.resolveBlob(ctx, dgst)
	if r.reg.upstream == nil || !isUnknown(err) {
		return desc, err
	}
	return r.pullBlob(ctx, dgst, err)
}

func (r *Repository) resolveBlob(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	if err := checkDigest(r.name, dgst); err != nil {
		return ocispec.Descriptor{}, err
	}
	o, e, err := r.read(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer o.release()
	return o.blob(ctx, r, e, dgst)
}

// OpenBlob opens a blob for reading anywhere, ranges of it as well. It was verified: its
// file is hashed when it is new or has changed. The error is a *layout.BlobError where
// its content is another one. The caller closes it.
func (r *Repository) OpenBlob(ctx context.Context, dgst digest.Digest) (*layout.BlobFile, error) {
	if _, err := r.ResolveBlob(ctx, dgst); err != nil {
		return nil, err
	}
	o, err := r.reg.acquire(r.full)
	if err != nil {
		return nil, err
	}
	defer o.release()
	var file *layout.BlobFile
	if !o.store.Vouched(ocispec.Descriptor{Digest: dgst}) {
		// What takes long is done once, however many ask.
		err = r.reg.once(ctx, r.full+" verify "+string(dgst), func() error {
			first, err := o.store.OpenVerified(ctx, dgst)
			if err != nil {
				return err
			}
			return first.Close()
		})
	}
	if err == nil {
		file, err = o.store.OpenVerified(ctx, dgst)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, r.unknown(CodeBlobUnknown, string(dgst), "the blob was removed just now", err)
	}
	return file, err
}

// Fetch opens a manifest or blob of the repository, as oras-go asks for it. Whoever reads
// to the end gets the bytes of the digest, or an error. The caller closes it.
func (r *Repository) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if imagespec.IsManifest(desc.MediaType) {
		_, data, err := r.ReadManifest(ctx, string(desc.Digest))
		return io.NopCloser(bytes.NewReader(data)), err
	}
	if _, err := r.ResolveBlob(ctx, desc.Digest); err != nil {
		return nil, err
	}
	o, err := r.reg.acquire(r.full)
	if err != nil {
		return nil, err
	}
	defer o.release()
	return o.store.Fetch(ctx, desc)
}

// Exists reports whether the repository has a manifest or blob.
func (r *Repository) Exists(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	var err error
	have := desc
	if imagespec.IsManifest(desc.MediaType) {
		have, err = r.resolve(ctx, string(desc.Digest))
	} else {
		have, err = r.resolveBlob(ctx, desc.Digest)
	}
	if isUnknown(err) {
		return false, nil
	}
	return err == nil && have.Size == desc.Size, err
}

// Predecessors lists the manifests of the repository that name a blob or manifest, or
// refer to it.
func (r *Repository) Predecessors(ctx context.Context, node ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	o, s, err := r.readScope(ctx)
	if err != nil {
		return nil, err
	}
	defer o.release()
	var found []ocispec.Descriptor
	for _, desc := range s.manifests {
		doc, err := o.lenient(ctx, &scope{}, desc)
		if err != nil {
			return nil, err
		}
		names := func(to ocispec.Descriptor) bool { return to.Digest == node.Digest }
		if doc.subject == node.Digest || slices.ContainsFunc(doc.manifests, names) || slices.ContainsFunc(doc.blobs, names) {
			found = append(found, desc)
		}
	}
	slices.SortFunc(found, func(a, b ocispec.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return found, nil
}
