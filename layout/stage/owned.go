package stage

import (
	"cmp"
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// Owned is the content of a layout that belongs to specs.
type Owned struct {
	// Roots are the descriptors of all staged objects, tags and entries, and of
	// all that interrupted applies have built. Sorted by digest, once each.
	Roots []ocispec.Descriptor
	// Blobs are the blobs that layform owns. Those that nothing reaches are
	// swept by the next apply of their spec. Sorted, once each.
	Blobs []digest.Digest
}

// OwnedContent gathers the content that the staging states and journals of all specs own,
// on both sides of a swap that has not been confirmed. A staging state that cannot be
// read is an error, that of Read. A caller that deletes by the result holds the lock of the
// layout.
func OwnedContent(ctx context.Context, store *layout.Store) (Owned, error) {
	names, err := Names(store)
	if err != nil {
		return Owned{}, err
	}
	var owned Owned
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return Owned{}, err
		}
		st, _, err := Read(store, name)
		if err != nil {
			return Owned{}, err
		}
		for ; st != nil; st = st.Was {
			owned.add(st)
		}
		records, err := Journalled(store, name)
		if err != nil {
			return Owned{}, err
		}
		for _, r := range records {
			owned.Roots = append(owned.Roots, r.Descriptor)
			if r.Created {
				owned.Blobs = append(owned.Blobs, r.Descriptor.Digest)
			}
		}
	}
	byDigest := func(a, b ocispec.Descriptor) int {
		return cmp.Or(cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.MediaType, b.MediaType))
	}
	slices.SortStableFunc(owned.Roots, byDigest)
	owned.Roots = slices.CompactFunc(owned.Roots, func(a, b ocispec.Descriptor) bool { return byDigest(a, b) == 0 })
	owned.Blobs = union(owned.Blobs, nil)
	return owned, nil
}

// Homes gives the repositories, HOST/REPOSITORY, of the blobs that stay in registries by
// the staging states of all specs.
func Homes(ctx context.Context, store *layout.Store) (map[digest.Digest]string, error) {
	all, err := All(ctx, store)
	if err != nil {
		return nil, err
	}
	homes := map[digest.Digest]string{}
	for _, st := range all {
		for _, o := range st.Objects {
			for blob, home := range o.Remote {
				if was := homes[blob]; was == "" || home < was {
					homes[blob] = home
				}
			}
		}
	}
	return homes, nil
}

// add adds the content of one staging state.
func (owned *Owned) add(st *Stage) {
	for _, o := range st.Objects {
		owned.Roots = append(append(owned.Roots, o.Descriptor), o.Implied...)
	}
	for _, d := range st.Tags {
		owned.Roots = append(owned.Roots, d)
	}
	owned.Roots = append(owned.Roots, st.Untagged...)
	owned.Blobs = append(owned.Blobs, st.Blobs...)
}
