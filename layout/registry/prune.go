package registry

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// Images are the digests of entries of index.json and of what indexes among them name. An
// index that is missing or damaged leads nowhere. What refers to an image does not lead
// to it.
func Images(ctx context.Context, in *layout.Reader, entries []ocispec.Descriptor) (map[digest.Digest]bool, error) {
	found := map[digest.Digest]bool{}
	return found, addImages(ctx, in, entries, found)
}

func addImages(ctx context.Context, in *layout.Reader, next []ocispec.Descriptor, found map[digest.Digest]bool) error {
	for len(next) > 0 {
		desc := next[len(next)-1]
		next = next[: len(next)-1 : len(next)-1]
		if found[desc.Digest] {
			continue
		}
		found[desc.Digest] = true
		if !imagespec.IsIndex(desc.MediaType) {
			continue
		}
		doc, err := in.Document(ctx, desc)
		if err != nil && !layout.IsDamaged(err) {
			return err
		}
		if err == nil {
			next = append(next, doc.Manifests...)
		}
	}
	return nil
}

// Prune removes from index.json what registries keep by its digest alone, entries named
// REPO@DIGEST, and tells which: manifests that are older than a time, and refer to nothing
// that stays. Those whose tag has moved away pile up otherwise. Their blobs go with the
// next GC. With look set it only tells.
func Prune(ctx context.Context, store *layout.Store, before time.Time, look bool) ([]ocispec.Descriptor, error) {
	if look {
		x, err := store.Index(ctx)
		if err != nil {
			return nil, err
		}
		return prunable(ctx, store, x, before)
	}
	var pruned []ocispec.Descriptor
	_, _, err := store.Swap(ctx, func(x *layout.Index) (err error) {
		if pruned, err = prunable(ctx, store, x, before); err != nil {
			return err
		}
		for _, desc := range pruned {
			x.Remove(layout.RefName(desc))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pruned, nil
}

// prunable lists the entries that Prune removes.
func prunable(ctx context.Context, store *layout.Store, x *layout.Index, before time.Time) ([]ocispec.Descriptor, error) {
	var stays, old []ocispec.Descriptor
	for _, desc := range x.Descriptors() {
		_, tag, ok := naming{}.parse(desc)
		if ok = ok && tag == ""; ok {
			changed, there, err := store.Changed(ctx, desc.Digest)
			if err != nil {
				return nil, err
			}
			ok = there && changed.Before(before)
		}
		if ok {
			old = append(old, desc)
		} else {
			stays = append(stays, desc)
		}
	}
	kept, err := Images(ctx, store.Reader, stays)
	if err != nil {
		return nil, err
	}
	for again := true; again; {
		again = false
		var rest []ocispec.Descriptor
		for _, desc := range old {
			keep, err := refers(ctx, store.Reader, desc, kept)
			if err != nil {
				return nil, err
			}
			if !keep {
				rest = append(rest, desc)
				continue
			}
			again = true
			if err := addImages(ctx, store.Reader, []ocispec.Descriptor{desc}, kept); err != nil {
				return nil, err
			}
		}
		old = rest
	}
	return old, nil
}

// refers reports whether a manifest refers to one of those that are kept. One that cannot
// be understood may.
func refers(ctx context.Context, in *layout.Reader, desc ocispec.Descriptor, kept map[digest.Digest]bool) (bool, error) {
	doc, err := in.Document(ctx, desc)
	if err != nil {
		if layout.IsDamaged(err) {
			return true, nil
		}
		return false, err
	}
	return doc.Subject != nil && kept[doc.Subject.Digest], nil
}
