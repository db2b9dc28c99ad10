//go:build unix

package layout_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// TestIndexRandomEdits holds random edits against a plain list of descriptors.
func TestIndexRandomEdits(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var want []ocispec.Descriptor
		var elements []string
		for range r.IntN(5) {
			d := descriptor(fmt.Sprint(r.IntN(3)), []string{"", "a", "b"}[r.IntN(3)])
			want = append(want, d)
			elements = append(elements, encoded(t, d))
		}
		x, err := layout.ParseIndex([]byte(`{"schemaVersion":2,"manifests":[` + strings.Join(elements, " , ") + ` ]}`))
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			d := descriptor(fmt.Sprint(r.IntN(3)), []string{"", "a", "b"}[r.IntN(3)])
			ref := layout.RefName(d)
			same := func(e ocispec.Descriptor) bool {
				return layout.RefName(e) == ref && (ref != "" || e.Digest == d.Digest)
			}
			first := slices.IndexFunc(want, same)
			if r.IntN(8) == 0 {
				all := func(e ocispec.Descriptor) bool { return e.Digest == d.Digest }
				if had := slices.ContainsFunc(want, all); x.RemoveWhere(all) != had {
					t.Fatalf("seed %d: an entry was there: %v", seed, had)
				}
				want = slices.DeleteFunc(want, all)
				continue
			}
			switch remove := r.IntN(2) == 0; {
			case !remove && first < 0:
				want = append(want, d)
			case !remove:
				want[first] = d
				want = append(want[:first+1:first+1], slices.DeleteFunc(slices.Clone(want[first+1:]), same)...)
			default:
				want = slices.DeleteFunc(want, same)
			}
			switch {
			case slices.ContainsFunc(want, same):
				err = x.Set(d)
			case ref == "":
				x.RemoveUntagged(d.Digest)
			default:
				x.Remove(ref)
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := layout.ParseIndex(x.Encode())
			if err != nil {
				t.Fatalf("%s: %v", x.Encode(), err)
			}
			for _, got := range []*layout.Index{x, again} {
				if diff := cmp.Diff(append([]ocispec.Descriptor{}, want...), got.Descriptors()); diff != "" {
					t.Fatalf("seed %d: %s", seed, diff)
				}
			}
			if ref != "" && len(x.Resolve(ref)) > 1 != (len(slices.DeleteFunc(slices.Clone(want), func(e ocispec.Descriptor) bool { return !same(e) })) > 1) {
				t.Fatalf("seed %d: %q leads to %v", seed, ref, x.Resolve(ref))
			}
		}
	}
}

// TestIndexOfMany edits an index of so many entries that looking at all of them
// for each edit would take longer than any test may.
func TestIndexOfMany(t *testing.T) {
	x, err := layout.ParseIndex([]byte(`{"schemaVersion":2,"manifests":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1}
	for range 2 {
		for i := range n {
			d.Annotations = map[string]string{ocispec.AnnotationRefName: fmt.Sprint(i)}
			if err := x.Set(d); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range n {
		ref := fmt.Sprint(i)
		if len(x.Resolve(ref)) != 1 || !x.Remove(ref) || x.Remove(ref) {
			t.Fatalf("%s was not there once", ref)
		}
	}
	if len(x.Descriptors()) != 0 {
		t.Errorf("%d entries are left", len(x.Descriptors()))
	}
}
