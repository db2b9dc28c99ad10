//go:build unix

package executor_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// agree carries out a plan and checks that all that it promises is what was done.
func (w *world) agree(what string, opts planner.Options) *planner.Plan {
	w.t.Helper()
	p := w.plan(opts)
	before := w.snapshot(false)
	result := w.carryOut(p)
	after := w.snapshot(false)
	want := planner.Summary{
		Counts: result.Counts, WriteBlobs: result.WrittenBlobs, WriteContent: p.Summary.WriteContent,
		Entries: result.Entries, DeleteBlobs: result.DeletedBlobs, DeleteBytes: result.DeletedBytes,
	}
	if diff := cmp.Diff(want, p.Summary); diff != "" {
		w.t.Errorf("%s: plan (-done +planned):\n%s", what, diff)
	}
	var gone, planned []string
	for name := range before {
		if _, ok := after[name]; !ok {
			gone = append(gone, name)
		}
	}
	for _, b := range p.Sweep {
		planned = append(planned, "blobs/sha256/"+b.Digest.Encoded())
	}
	slices.Sort(gone)
	if diff := cmp.Diff(planned, gone); diff != "" {
		w.t.Errorf("%s: blobs that went (-planned +done):\n%s", what, diff)
	}
	if again := w.plan(planner.Options{}); len(opts.Targets) == 0 && !opts.Destroy && (!again.Empty() || again.Recover || len(again.Sweep) > 0) {
		w.t.Errorf("%s: then the plan is %v, %v, %v", what, actions(again), again.Tags, again.Sweep)
	}
	return p
}

// What a plan promises to write and to delete is what apply does and reports.
func TestPlanAndApplyHaveOneSetOfNumbers(t *testing.T) {
	w := newWorld(t, map[string]string{"a": "a", "b": "b"})
	text := `
layout { path = "out" }
layer "a" {
  file "/a" { source = "a" }
}
layer "same" {
  file "/a" { source = "a" }
}
layer "b" {
  file "/b" { source = "b" }
}
config "c" { platform = "linux/amd64" }
manifest "m" {
  config = config.c
  layers = [layer.a, layer.b]
  tags   = ["m"]
}
manifest "same" {
  artifact_type = "a/b"
  layers        = [layer.same]
}
manifest "twin" {
  artifact_type = "a/b"
  layers        = [layer.same]
}
`
	w.write("layform.hcl", text)
	// What two documents are made of is not known before their layers are built.
	p := w.plan(planner.Options{})
	if got := w.carryOut(p); got.WrittenBlobs != p.Summary.WriteBlobs-1 || got.Counts != p.Summary.Counts {
		t.Errorf("planned %+v, did %+v", p.Summary, got)
	}
	w.write("layform.hcl", text+`
manifest "third" {
  artifact_type = "a/c"
  layers        = [layer.same]
}
manifest "fourth" {
  artifact_type = "a/c"
  layers        = [layer.same]
}
`)
	if p := w.agree("two documents of one blob", planner.Options{}); p.Summary.Add != 2 || p.Summary.WriteBlobs != 1 {
		t.Errorf("two documents of one blob: %+v", p.Summary)
	}
	w.write("layform.hcl", text)
	w.agree("both go", planner.Options{})
	w.write("b", "B")
	if p := w.agree("a target", planner.Options{Targets: []string{"layer.b"}}); len(p.Sweep) > 0 {
		t.Errorf("a target: what a tag still reaches is swept: %v", p.Sweep)
	}
	if p := w.agree("what was left out", planner.Options{}); len(p.Sweep) != 3 {
		t.Errorf("what was left out: of the layer, config and manifest before, the plan sweeps %v", p.Sweep)
	}
	w.agree("a replacement", planner.Options{Replace: []string{"layer.a", "layer.b"}})
	w.write("layform.hcl", strings.ReplaceAll(strings.ReplaceAll(text, "layer.b", "layer.renamed"), `layer "b"`, `layer "renamed"`))
	if p := w.agree("a layer is renamed", planner.Options{}); p.Summary.WriteBlobs > 0 || len(p.Sweep) > 0 {
		t.Errorf("a layer is renamed: %+v", p.Summary)
	}
	other := &world{t: t, dir: w.dir, load: spec.LoadOptions{File: "web.hcl"}}
	other.write("web.hcl", "layform { name = \"web\" }\n"+strings.Replace(text, `["m"]`, `["web"]`, 1))
	other.carryOut(other.plan(planner.Options{}))
	w.write("layform.hcl", strings.Replace(text, `layers = [layer.a, layer.b]`, `layers = [layer.a]`, 1))
	w.agree("another spec has the same", planner.Options{})
	w.agree("destroy beside another spec", planner.Options{Destroy: true})
	other.agree("destroy", planner.Options{Destroy: true})
	if left := slices.Sorted(maps.Keys(w.snapshot(true))); len(left) != 4 {
		t.Errorf("at last there are %v", left)
	}
}

// A blob that is gone already is not counted as one that a plan deletes, and nobody
// owns it afterwards.
func TestMissingBlobIsNotSwept(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	desc := resolveTag(t, w, "v1")
	if err := os.Remove(filepath.Join(w.dir, "out/blobs/sha256", desc.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	w.agree("destroy", planner.Options{Destroy: true})
	if _, err := os.Stat(filepath.Join(w.dir, "out/.layform/stage/default.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the staging state: %v", err)
	}
}

// Ref names that are known after apply have a place in the plan, and replace those
// that came out before.
func TestTagsKnownAfterApply(t *testing.T) {
	w := newWorld(t, map[string]string{"a": "a", "layform.hcl": `
layout { path = "out" }
layer "a" {
  file "/a" { source = "a" }
}
manifest "m" {
  artifact_type = "a/b"
  layers        = [layer.a]
  tags          = ["latest", "v-${substr(layer.a.digest, 7, 12)}"]
}
`})
	refs := func() []string {
		t.Helper()
		index, err := w.open().Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, d := range index.Descriptors() {
			out = append(out, layout.RefName(d))
		}
		slices.Sort(out)
		return out
	}
	p := w.plan(planner.Options{})
	if len(p.Tags) != 2 || p.Tags[0].Ref != "latest" || !p.Tags[1].Unknown {
		t.Errorf("planned %+v", p.Tags)
	}
	w.carryOut(p)
	first := refs()
	if len(first) != 2 || first[0] != "latest" || !strings.HasPrefix(first[1], "v-") {
		t.Errorf("got %q", first)
	}
	w.write("a", "other")
	w.agree("the layer changed", planner.Options{})
	if second := refs(); len(second) != 2 || second[0] != "latest" || second[1] == first[1] {
		t.Errorf("first %q, then %q", first, second)
	}
	w.agree("a replacement", planner.Options{Replace: []string{"layer.a"}})

	// A tag that comes out and belongs to another spec is refused.
	other := &world{t: t, dir: w.dir, load: spec.LoadOptions{File: "web.hcl"}}
	other.write("b", "b")
	other.write("web.hcl", `
layform { name = "web" }
layout { path = "out" }
layer "b" {
  file "/b" { source = "b" }
}
manifest "b" {
  artifact_type = "a/b"
  layers        = [layer.b]
  tags          = [split(":", layer.b.digest)[0] == "sha256" ? "latest" : "other"]
}
`)
	before := other.snapshot(false)
	_, err := other.tryApply(other.plan(planner.Options{}))
	var conflict *executor.ConflictError
	if !errors.As(err, &conflict) || conflict.Owner != "default" || strings.Contains(err.Error(), "--adopt") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, other.snapshot(false)); diff != "" {
		t.Errorf("the refusal left traces (-before +after):\n%s", diff)
	}
}

// A tag that is known after apply is written, also where the object is as it was and had
// an entry without a ref name before, which it takes the place of.
func TestUnknownTagOfUnchangedObject(t *testing.T) {
	w := newWorld(t, map[string]string{"a": "a", "b": "b"})
	text := `
layout { path = "out" }
layer "a" {
  file "/a" { source = "a" }
}
manifest "m" {
  artifact_type = "a/b"
  layers        = [layer.a]
`
	w.write("layform.hcl", text+"}\n")
	w.apply()
	w.write("layform.hcl", text+`  tags = ["v-${substr(layer.b.digest, 7, 12)}"]
}
layer "b" {
  file "/b" { source = "b" }
}
`)
	p := w.agree("an unknown tag", planner.Options{})
	if len(p.Tags) != 2 || !p.Tags[0].Unknown || p.Tags[0].Action != planner.Create || p.Tags[1].Action != planner.Delete {
		t.Errorf("planned %+v", p.Tags)
	}
	index, err := w.open().Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if all := index.Descriptors(); len(all) != 1 || !strings.HasPrefix(layout.RefName(all[0]), "v-") {
		t.Errorf("index.json has %v", all)
	}
}

// A tag that is known after apply and belongs to no spec is taken over with Adopt alone.
func TestUnknownTagIsAdopted(t *testing.T) {
	w := newWorld(t, map[string]string{"a": "a"})
	text := `
layout { path = "out" }
layer "a" {
  file "/a" { source = "a" }
}
manifest "m" {
  artifact_type = "a/b"
  layers        = [layer.a]
  tags          = [layer.a.size > 0 ? "v1" : "v2"]
}
`
	w.write("layform.hcl", text)
	w.apply()
	if err := os.RemoveAll(filepath.Join(w.dir, "out/.layform")); err != nil {
		t.Fatal(err)
	}
	w.write("a", "other")
	var conflict *executor.ConflictError
	if _, err := w.tryApply(w.plan(planner.Options{})); !errors.As(err, &conflict) || conflict.Ref != "v1" {
		t.Errorf("without Adopt: %v", err)
	}
	w.carryOut(w.plan(planner.Options{Adopt: true}))
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("then the plan is %v, %v", actions(p), p.Tags)
	}
}

// An entry without a ref name that somebody edited or removed is drift, as that of a
// tag is, and the plan mends it.
func TestEditedEntryWithoutRefName(t *testing.T) {
	w := newWorld(t, map[string]string{"a": "a", "layform.hcl": `
layout { path = "out" }
layer "a" {
  file "/a" { source = "a" }
}
manifest "m" {
  artifact_type = "a/b"
  layers        = [layer.a]
}
`})
	w.apply()
	want := w.snapshot(false)["index.json"].Digest
	for kind, edit := range map[planner.DriftKind]func(*layout.Index, ocispec.Descriptor) error{
		planner.DriftTagEdited: func(x *layout.Index, d ocispec.Descriptor) error {
			d.Annotations = map[string]string{"by": "somebody"}
			return x.Set(d)
		},
		planner.DriftTagGone: func(x *layout.Index, d ocispec.Descriptor) error {
			x.RemoveUntagged(d.Digest)
			return nil
		},
	} {
		_, _, err := w.open().Swap(t.Context(), func(x *layout.Index) error { return edit(x, x.Descriptors()[0]) })
		if err != nil {
			t.Fatal(err)
		}
		p := w.plan(planner.Options{})
		if p.Empty() || len(p.Drift) != 1 || p.Drift[0].Kind != kind || p.Drift[0].Key != "manifest.m" {
			t.Errorf("%s: the plan tells %+v", kind, p.Drift)
		}
		w.agree(string(kind), planner.Options{})
		if now := w.snapshot(false)["index.json"].Digest; now != want {
			t.Errorf("%s: index.json is not what it was", kind)
		}
	}
}

// A tag that somebody removed or moved and that the spec no longer asks for is
// forgotten: nothing of the spec is left.
func TestForgottenTags(t *testing.T) {
	for name, harm := range map[string]func(*world){
		"removed": func(w *world) { untag(w.t, w, "v1") },
		"moved": func(w *world) {
			store := w.open()
			desc, _, err := store.PutBytes(w.t.Context(), ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), nil)
			if err != nil {
				w.t.Fatal(err)
			}
			if err := store.Tag(w.t.Context(), desc, "v1"); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		w := imageWorld(t)
		w.apply()
		harm(w)
		p := w.agree(name, planner.Options{Destroy: true})
		if !slices.ContainsFunc(p.Tags, func(t planner.TagChange) bool { return t.Ref == "v1" && t.Action == planner.Forget }) {
			t.Errorf("%s: planned %+v", name, p.Tags)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "out/.layform/stage/default.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the staging state: %v", name, err)
		}
	}
}
