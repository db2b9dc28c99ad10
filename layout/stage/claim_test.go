//go:build unix

package stage_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// What a spec takes over is the other one's until the swap has happened, and its own
// from then on, wherever the apply ends between its steps.
func TestClaimedFromAnotherSpec(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	tag := desc("m")
	tag.MediaType = ocispec.MediaTypeImageManifest
	tag.Annotations = map[string]string{ocispec.AnnotationRefName: "v1"}
	if _, err := stage.Claimed(ctx, s, "new", "old"); err == nil || !strings.Contains(err.Error(), `no spec named "old"`) {
		t.Errorf("from nobody: %v", err)
	}
	old := &stage.Stage{
		Spec: "old", State: stage.Done, Blobs: []digest.Digest{digest.FromString("a")},
		Objects: map[string]stage.Object{"layer.a": {Fingerprint: digest.FromString("f"), Descriptor: desc("a")}},
	}
	if err := stage.Save(ctx, s, old); err != nil {
		t.Fatal(err)
	}
	// check reads what each spec has and which specs there are.
	check := func(when string, specs string, taken bool) *stage.Claim {
		t.Helper()
		all, err := stage.All(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, st := range all {
			names = append(names, st.Spec)
		}
		if got := strings.Join(names, " "); got != specs {
			t.Errorf("%s: the specs are %q, want %q", when, got, specs)
		}
		c, err := stage.Claimed(ctx, s, "new", "old")
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if c.Stage.Spec != "new" || c.Stage.From != "old" || len(c.Stage.Objects) != 1 || c.TakesOver == taken {
			t.Errorf("%s: claimed %+v, takes over %v", when, c.Stage, c.TakesOver)
		}
		own, err := stage.Claimed(ctx, s, "new", "")
		if err != nil || len(own.Stage.Objects) > 0 != taken || len(own.Stage.Blobs) > 0 != taken {
			t.Errorf("%s: new has %+v, %v", when, own.Stage, err)
		}
		return c
	}
	c := check("at first", "old", false)
	next := *c.Stage
	next.State, next.After = stage.Pending, digest.FromString("some index")
	next.Tags = map[string]ocispec.Descriptor{"v1": tag}
	if err := stage.Save(ctx, s, &next); err != nil {
		t.Fatal(err)
	}
	check("before the swap", "new old", false)
	if err := stage.Withdraw(ctx, s, "new"); err != nil {
		t.Fatal(err)
	}
	check("withdrawn", "old", false)

	if err := stage.Save(ctx, s, &next); err != nil {
		t.Fatal(err)
	}
	// Somebody wrote index.json since, so that its digest tells nothing.
	_, _, err := s.Swap(ctx, func(x *layout.Index) error {
		other := desc("other")
		other.MediaType = ocispec.MediaTypeImageManifest
		if err := x.Set(other); err != nil {
			return err
		}
		return x.Set(tag)
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := check("after the swap", "new", true); !c.Interrupted {
		t.Error("after the swap: there is nothing to finish")
	}
	if err := stage.Withdraw(ctx, s, "new"); err != nil {
		t.Fatal(err)
	}
	check("not withdrawn", "new", true)

	next.State, next.From, next.Was = stage.Done, "", nil
	if err := stage.Save(ctx, s, &next); err != nil {
		t.Fatal(err)
	}
	if _, err := stage.Claimed(ctx, s, "new", "old"); err == nil || !strings.Contains(err.Error(), "objects of its own") {
		t.Errorf("by a spec that has objects: %v", err)
	}
	for _, names := range [][2]string{{"../x", "old"}, {"new", "../x"}} {
		if _, err := stage.Claimed(ctx, s, names[0], names[1]); err == nil {
			t.Errorf("%q are taken for names", names)
		}
	}
	next.From = "../x"
	if stage.Save(ctx, s, &next) == nil {
		t.Error("a state from a spec with an impossible name was saved")
	}
}

// A swap that happened is known by its entries where somebody has written index.json
// since, so that nobody loses what is theirs.
func TestPendingAndWrittenSince(t *testing.T) {
	tagged := func(ref, content string) ocispec.Descriptor {
		d := desc(content)
		d.MediaType = ocispec.MediaTypeImageManifest
		if ref != "" {
			d.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
		}
		return d
	}
	for _, tt := range []struct {
		name    string
		index   []ocispec.Descriptor
		swapped bool
	}{
		{"only another entry", []ocispec.Descriptor{tagged("theirs", "x")}, false},
		{"the entry as it was", []ocispec.Descriptor{tagged("v1", "old"), tagged("theirs", "x")}, false},
		{"the new entry", []ocispec.Descriptor{tagged("v1", "new"), tagged("theirs", "x")}, true},
		{"the new entry under another name", []ocispec.Descriptor{tagged("theirs", "new")}, false},
		{"the new entry without a name", []ocispec.Descriptor{tagged("", "untagged"), tagged("theirs", "x")}, true},
		{"the entry without a name that was", []ocispec.Descriptor{tagged("", "kept"), tagged("theirs", "x")}, false},
	} {
		s := open(t, t.TempDir())
		st := &stage.Stage{
			Spec: "web", State: stage.Pending, Before: digest.FromString("before"), After: digest.FromString("after"),
			Tags:     map[string]ocispec.Descriptor{"v1": tagged("v1", "new")},
			Untagged: []ocispec.Descriptor{tagged("", "kept"), tagged("", "untagged")},
			Was: &stage.Stage{
				Version: stage.Version, Spec: "web", State: stage.Done,
				Tags:     map[string]ocispec.Descriptor{"v1": tagged("v1", "old")},
				Untagged: []ocispec.Descriptor{tagged("", "kept")},
			},
		}
		if err := stage.Save(t.Context(), s, st); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Swap(t.Context(), func(x *layout.Index) error {
			for _, d := range tt.index {
				if err := x.Set(d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		now, _, err := stage.Load(t.Context(), s, "web")
		if err != nil {
			t.Fatal(err)
		}
		if got := now.Tags["v1"].Digest == desc("new").Digest; got != tt.swapped {
			t.Errorf("%s: the swap is taken for done: %v", tt.name, got)
		}
	}
}
