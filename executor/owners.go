package executor

import (
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
)

// Several specs of one layout may build the same blob. The first one writes it;
// each that uses it owns it as well, and one that no longer does leaves it to
// the others, so that the last one that goes removes it.

// otherStages are the staging states of the other specs of the layout.
func (r *applier) otherStages(ctx context.Context) ([]*stage.Stage, error) {
	return stage.All(ctx, r.store, r.stage.Spec, r.stage.From)
}

// usedBlobs are the blobs of the objects in a staging state, implied ones included.
func usedBlobs(st *stage.Stage) map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, o := range st.Objects {
		out[o.Descriptor.Digest] = true
		for _, desc := range o.Implied {
			out[desc.Digest] = true
		}
	}
	return out
}

// ownedBlobs are the blobs that belong to the spec of a staging state, with those that it
// has created since, in a layout that it shares with others.
func ownedBlobs(st *stage.Stage, created []digest.Digest, others []*stage.Stage) []digest.Digest {
	needed, mine, theirs := usedBlobs(st), map[digest.Digest]bool{}, map[digest.Digest]bool{}
	for _, b := range slices.Concat(st.Blobs, created) {
		mine[b] = true
	}
	for _, other := range others {
		for _, b := range other.Blobs {
			theirs[b] = true
			mine[b] = mine[b] || needed[b]
		}
	}
	maps.DeleteFunc(mine, func(b digest.Digest, is bool) bool { return !is || theirs[b] && !needed[b] })
	return slices.Sorted(maps.Keys(mine))
}
