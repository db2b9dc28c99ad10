package executor

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
)

// Several specs of one layout may build the same blob. The first one writes it;
// each that uses it owns it as well, and one that no longer does leaves it to
// the others, so that the last one that goes removes it.

// others are the staging states of the other specs of the layout.
func (r *run) others(ctx context.Context) ([]*stage.Stage, error) {
	all, err := stage.All(ctx, r.store)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s *stage.Stage) bool { return s.Spec == r.plan.Spec.Name }), nil
}

// used are the blobs of the objects in a staging state, implied ones included.
func used(next *stage.Stage) []digest.Digest {
	var out []digest.Digest
	for _, o := range next.Objects {
		out = append(out, o.Descriptor.Digest)
		for _, desc := range o.Implied {
			out = append(out, desc.Digest)
		}
	}
	return union(out, nil)
}

// unused are the blobs that the spec owns and that no object in its staging state
// uses: only these may go.
func unused(next *stage.Stage) []digest.Digest {
	needed := used(next)
	return slices.DeleteFunc(slices.Clone(next.Blobs), func(b digest.Digest) bool {
		_, ok := slices.BinarySearch(needed, b)
		return ok
	})
}

// ownedBy are those of the blobs, which are sorted, that one of the specs owns.
func ownedBy(specs []*stage.Stage, blobs []digest.Digest) []digest.Digest {
	var out []digest.Digest
	for _, s := range specs {
		for _, b := range s.Blobs {
			if _, ok := slices.BinarySearch(blobs, b); ok {
				out = append(out, b)
			}
		}
	}
	return union(out, nil)
}

// handOver leaves blobs that another spec owns too, and that next does not use,
// to that spec. Both lists are sorted.
func handOver(next *stage.Stage, theirs, used []digest.Digest) {
	next.Blobs = slices.DeleteFunc(next.Blobs, func(b digest.Digest) bool {
		_, shared := slices.BinarySearch(theirs, b)
		_, needed := slices.BinarySearch(used, b)
		return shared && !needed
	})
}

// union is both lists in one, sorted, each blob once.
func union(a, b []digest.Digest) []digest.Digest {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
