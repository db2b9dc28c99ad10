package stage

import (
	"cmp"
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// Held is the content that the specs of a layout own.
type Held struct {
	// Roots are the descriptors of all staged objects, tags and entries, and of
	// all that interrupted applies have built. Sorted by digest, once each.
	Roots []ocispec.Descriptor
	// Blobs are the blobs that layform owns. Those that nothing reaches are
	// swept by the next apply of their spec. Sorted, once each.
	Blobs []digest.Digest
}

// Holds gathers the content that the staging states and journals of all specs own, on
// both sides of a swap that has not been confirmed. A staging state that cannot be read
// is an error, that of Read: what it holds is not known. Whoever deletes by the answer holds the lock
// of the layout.
func Holds(ctx context.Context, store *layout.Store) (Held, error) {
	names, err := Names(store)
	if err != nil {
		return Held{}, err
	}
	var h Held
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return Held{}, err
		}
		st, _, err := Read(store, name)
		if err != nil {
			return Held{}, err
		}
		for ; st != nil; st = st.Was {
			h.add(st)
		}
		records, err := Built(store, name)
		if err != nil {
			return Held{}, err
		}
		for _, r := range records {
			h.Roots = append(h.Roots, r.Descriptor)
			if r.Created {
				h.Blobs = append(h.Blobs, r.Descriptor.Digest)
			}
		}
	}
	byDigest := func(a, b ocispec.Descriptor) int {
		return cmp.Or(cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.MediaType, b.MediaType))
	}
	slices.SortStableFunc(h.Roots, byDigest)
	h.Roots = slices.CompactFunc(h.Roots, func(a, b ocispec.Descriptor) bool { return byDigest(a, b) == 0 })
	h.Blobs = union(h.Blobs, nil)
	return h, nil
}

// add adds what one staging state holds.
func (h *Held) add(st *Stage) {
	for _, o := range st.Objects {
		h.Roots = append(append(h.Roots, o.Descriptor), o.Implied...)
	}
	for _, d := range st.Tags {
		h.Roots = append(h.Roots, d)
	}
	h.Roots = append(h.Roots, st.Untagged...)
	h.Blobs = append(h.Blobs, st.Blobs...)
}
