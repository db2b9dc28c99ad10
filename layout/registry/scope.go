package registry

import (
	"cmp"
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// scope is all that a repository reaches: blobs and manifests that no entry of it leads
// to are not in it, whatever else the layout holds. A subject is not followed: what
// refers to a manifest does not bring it into the repository.
type scope struct {
	// manifests are the entries, and what indexes among them name; roots are the digests
	// of the entries alone.
	manifests map[digest.Digest]ocispec.Descriptor
	roots     map[digest.Digest]bool
	// loose are the digests of entries without a ref name that refer to a manifest.
	loose map[digest.Digest]bool
	// blobs are the sizes of configs and layers.
	blobs map[digest.Digest]int64
	// parents are the digests of indexes by those of the manifests that they name.
	parents map[digest.Digest][]digest.Digest
	// users are the digests of manifests by those of the blobs that they name first.
	users map[digest.Digest]digest.Digest
	// referrers are those of a subject, in the order of their digests.
	referrers map[digest.Digest][]ocispec.Descriptor
	// missing are the documents that could not be read.
	missing []ocispec.Descriptor
}

// reached gives the scope of the entries.
func (o *opened) reached(ctx context.Context, e *entries) (*scope, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.scope != nil {
		stale, err := o.stale(ctx, e.scope)
		if err != nil || !stale {
			return e.scope, err
		}
	}
	s, err := o.reach(ctx, e)
	if err == nil {
		e.scope = s
	}
	return s, err
}

// stale reports whether a document is there now that was missing.
func (o *opened) stale(ctx context.Context, s *scope) (bool, error) {
	for _, desc := range s.missing {
		there, err := o.store.Exists(ctx, desc)
		if err != nil || there {
			return there, err
		}
	}
	return false, nil
}

// reach reads all documents that the entries lead to.
func (o *opened) reach(ctx context.Context, e *entries) (*scope, error) {
	s := &scope{
		manifests: make(map[digest.Digest]ocispec.Descriptor, len(e.roots)), roots: make(map[digest.Digest]bool, len(e.roots)),
		loose: map[digest.Digest]bool{}, blobs: map[digest.Digest]int64{}, users: map[digest.Digest]digest.Digest{},
		parents: map[digest.Digest][]digest.Digest{}, referrers: map[digest.Digest][]ocispec.Descriptor{},
	}
	if err := o.extend(ctx, e, s, e.roots); err != nil {
		return nil, err
	}
	loose := slices.Clone(e.loose)
	for found := true; found; {
		found = false
		for i, desc := range loose {
			if desc.Digest == "" {
				continue
			}
			doc, err := o.lenient(ctx, s, desc)
			if err != nil {
				return nil, err
			}
			_, ours := s.manifests[doc.subject]
			if !ours {
				continue
			}
			loose[i], found = ocispec.Descriptor{}, true
			s.loose[desc.Digest] = true
			if err := o.extend(ctx, e, s, []ocispec.Descriptor{desc}); err != nil {
				return nil, err
			}
		}
	}
	for _, list := range s.referrers {
		slices.SortFunc(list, func(a, b ocispec.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	}
	return s, nil
}

// extend adds entries and all that they lead to.
func (o *opened) extend(ctx context.Context, e *entries, s *scope, roots []ocispec.Descriptor) error {
	for _, desc := range roots {
		s.roots[desc.Digest] = true
	}
	next := slices.Clone(roots)
	for len(next) > 0 {
		desc := next[len(next)-1]
		next = next[:len(next)-1]
		if _, seen := s.manifests[desc.Digest]; seen {
			continue
		}
		if !imagespec.IsManifest(desc.MediaType) {
			s.blobs[desc.Digest] = desc.Size
			continue
		}
		s.manifests[desc.Digest] = desc
		doc, err := o.lenient(ctx, s, desc)
		if err != nil {
			return err
		}
		for _, to := range doc.blobs {
			if len(to.URLs) > 0 && e.many {
				continue // whoever pushed the manifest need not have had the blob
			}
			if _, seen := s.blobs[to.Digest]; !seen {
				s.blobs[to.Digest], s.users[to.Digest] = to.Size, desc.Digest
			}
		}
		for _, to := range doc.manifests {
			s.parents[to.Digest] = append(s.parents[to.Digest], desc.Digest)
		}
		if doc.subject != "" {
			s.referrers[doc.subject] = append(s.referrers[doc.subject], doc.referrer)
		}
		next = append(next, doc.manifests...)
	}
	return nil
}

// lenient is document for a walk: one that is missing or damaged leads nowhere. What
// could not be read is an error.
func (o *opened) lenient(ctx context.Context, s *scope, desc ocispec.Descriptor) (*document, error) {
	doc, err := o.document(ctx, desc)
	if err == nil {
		return doc, nil
	}
	if ctx.Err() != nil || !layout.IsDamaged(err) {
		return nil, err
	}
	s.missing = append(s.missing, desc)
	return &document{}, nil
}
