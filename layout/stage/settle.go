package stage

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// Settle decides by index.json on which side of its swap a Pending state is: swapped
// reports whether the swap has happened. A state that is Done is settled.
func (s *Stage) Settle(ctx context.Context, store *layout.Store) (settled *Stage, swapped bool, err error) {
	if s.State == Done {
		return s, true, nil
	}
	x, err := store.Index(ctx)
	if err != nil {
		return nil, false, err
	}
	if !s.swapped(x) {
		return s.BeforeSwap(), false, nil
	}
	done := *s
	done.State, done.Was = Done, nil
	return &done, true, nil
}

// swapped reports whether index.json shows that the swap of a pending state has
// happened: it is what was announced or, where somebody has written it since, it has
// an entry that only the swap can have put there.
func (s *Stage) swapped(x *layout.Index) bool {
	switch x.Digest() {
	case s.After:
		return true
	case s.Before:
		return false
	}
	put := entryDigests(s)
	if s.Was != nil {
		for e := range entryDigests(s.Was) {
			delete(put, e)
		}
	}
	return slices.ContainsFunc(x.Descriptors(), func(d ocispec.Descriptor) bool {
		return put[placed{layout.RefName(d), d.Digest}]
	})
}

// placed is the ref name of an entry of index.json, empty for none, with its digest.
type placed struct {
	ref  string
	dgst digest.Digest
}

// entryDigests are the entries of index.json that a state owns.
func entryDigests(s *Stage) map[placed]bool {
	out := map[placed]bool{}
	for ref, d := range s.Tags {
		out[placed{ref, d.Digest}] = true
	}
	for _, d := range s.Untagged {
		out[placed{"", d.Digest}] = true
	}
	return out
}

// BeforeSwap is the state before a swap that did not happen; it owns the blobs that were
// written for that. A spec that was about to take over the state of another one had none.
func (s *Stage) BeforeSwap() *Stage {
	was := empty(s.Spec)
	switch {
	case s.Was != nil:
		*was = *s.Was
		was.State = Done
		was.Blobs = union(was.Blobs, s.Blobs)
	case s.From == "":
		was.Blobs = s.Blobs
	}
	// The serial never goes back, also over a swap that did not happen.
	was.Serial = s.Serial
	return was
}

// union is all of a and b, sorted, once each. The blobs of a swap that did not
// happen were put there all the same: they stay owned, so that they can be swept.
func union(a, b []digest.Digest) []digest.Digest {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
