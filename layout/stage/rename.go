package stage

import (
	"bytes"
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/jsondoc"
)

// CheckRename makes sure that the spec from has a staging state that can become
// that of the spec to: to has none, or the one that a Rename which was interrupted
// has written.
func CheckRename(ctx context.Context, store *layout.Store, from, to string) error {
	_, _, err := renamed(ctx, store, from, to)
	return err
}

// Rename makes all that the spec from has in the layout the spec to's: its staging
// state, and what an interrupted apply has put there. An interrupted Rename leaves
// both states behind, and is finished by the next one. The caller holds the lock of
// the layout.
func Rename(ctx context.Context, store *layout.Store, from, to string) error {
	next, done, err := renamed(ctx, store, from, to)
	if err != nil {
		return err
	}
	if !done {
		if err := Save(ctx, store, next); err != nil {
			return err
		}
	}
	return Remove(ctx, store, from)
}

// renamed is the staging state of from as that of to, and whether to has it already.
func renamed(ctx context.Context, store *layout.Store, from, to string) (next *Stage, done bool, err error) {
	st, dgst, err := Load(ctx, store, from)
	if err != nil {
		return nil, false, err
	}
	if dgst == "" {
		names, err := specs(store)
		if err != nil {
			return nil, false, err
		}
		return nil, false, fmt.Errorf("no spec named %q has anything in the layout %s that could be taken over; those that have are named %q", from, store.Dir(), names)
	}
	records, err := Built(store, from)
	if err != nil {
		return nil, false, err
	}
	var created []digest.Digest
	for _, r := range records {
		if r.Created {
			created = append(created, r.Descriptor.Digest)
		}
	}
	next = st
	next.Spec, next.Blobs = to, union(st.Blobs, created)
	is, dgst, err := Load(ctx, store, to)
	if err != nil || dgst == "" {
		return next, false, err
	}
	if same, err := sameState(next, is); err != nil || same {
		return next, same, err
	}
	return nil, false, fmt.Errorf("the spec named %q has objects of its own in the layout %s, so that it cannot take over those of the spec named %q: destroy one of the two first", to, store.Dir(), from)
}

// sameState reports whether two states say the same, whenever they were written.
func sameState(a, b *Stage) (bool, error) {
	one, two := *a, *b
	one.Version, one.Serial = two.Version, two.Serial
	first, err := jsondoc.Encode(&one)
	if err != nil {
		return false, err
	}
	second, err := jsondoc.Encode(&two)
	return bytes.Equal(first, second), err
}
