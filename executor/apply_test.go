//go:build unix

package executor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

func TestFirstApply(t *testing.T) {
	w := imageWorld(t)
	p := w.plan(planner.Options{})
	want := []string{"create layer.app", "create layer.lib", "create config.app", "create manifest.app", "create index.app"}
	got := actions(p)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "out")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("planning made the layout: %v", err)
	}
	result := w.carryOut(p)
	if result.Add != 5 || result.WrittenBlobs != 5 || len(result.Outputs) != 1 {
		t.Errorf("result: %+v", result)
	}
	w.accepted()
	index, err := w.open().Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, d := range index.Descriptors() {
		refs = append(refs, layout.RefName(d))
	}
	if diff := cmp.Diff([]string{"latest", "v1"}, refs); diff != "" {
		t.Errorf("ref names (-want +got):\n%s", diff)
	}
}

func TestSecondApplyTouchesNothing(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	before := w.snapshot(true)
	p := w.plan(planner.Options{})
	if !p.Empty() {
		t.Fatalf("the second plan is not empty: %v %v %v", actions(p), p.Tags, p.Outputs)
	}
	w.carryOut(p)
	if diff := cmp.Diff(before, w.snapshot(true)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}

func TestOneByteChanged(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	before := w.snapshot(false)
	w.write("app/conf/x", "x = 2\n")
	p := w.plan(planner.Options{})
	want := []string{"update layer.app", "update config.app", "update manifest.app", "update index.app"}
	if diff := cmp.Diff(want, actions(p)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	var files []string
	for _, c := range p.Changes {
		for _, f := range c.Files {
			files = append(files, fmt.Sprint(c.Address, " ", f.Path, " ", f.What))
		}
	}
	if diff := cmp.Diff([]string{"layer.app /srv/conf/x [content]"}, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if p.Summary.DeleteBlobs != 4 || p.Summary.WriteBlobs != 4 {
		t.Errorf("summary: %+v", p.Summary)
	}
	result := w.carryOut(p)
	if result.WrittenBlobs != 4 || result.DeletedBlobs != 4 || result.Change != 4 {
		t.Errorf("result: %+v", result)
	}
	after := w.snapshot(false)
	kept := 0
	for name, f := range before {
		if now, ok := after[name]; ok && strings.HasPrefix(name, "blobs/") {
			kept++
			if now != f {
				t.Errorf("%s was touched: %+v, was %+v", name, now, f)
			}
		}
	}
	if kept != 1 || len(after) != len(before) {
		t.Errorf("%d blobs were kept, and %d files became %d", kept, len(before), len(after))
	}
	w.accepted()
}

func TestDestroyLeavesNothingOfOurs(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	p := w.plan(planner.Options{Destroy: true})
	if p.Summary.Destroy != 5 || p.Summary.DeleteBlobs != 5 {
		t.Errorf("summary: %+v", p.Summary)
	}
	result := w.carryOut(p)
	if result.Destroy != 5 || result.DeletedBlobs != 5 {
		t.Errorf("result: %+v", result)
	}
	for name := range w.snapshot(false) {
		if strings.HasPrefix(name, "blobs/") {
			t.Errorf("%s is left", name)
		}
	}
	if p := w.plan(planner.Options{Destroy: true}); !p.Empty() {
		t.Errorf("a second destroy has something to do: %v", actions(p))
	}
	w.apply()
	w.accepted()
}

func TestLayerMayHoldAnotherImagesDigest(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": `
layout { path = "out" }
layer "a" {
  file "/a" { content = "a" }
}
config "a" { platform = "linux/amd64" }
manifest "a" {
  config = config.a
  layers = [layer.a]
  tags   = ["a"]
}
layer "b" {
  file "/a.digest" { content = manifest.a.digest }
}
config "b" {
  platform = "linux/amd64"
  labels   = { a = manifest.a.digest }
}
manifest "b" {
  config = config.b
  layers = [layer.b]
  tags   = ["b"]
}
`})
	w.apply()
	w.accepted()
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Fatalf("the second plan is not empty: %v", actions(p))
	}
	source, err := os.ReadFile(filepath.Join(w.dir, "layform.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("layform.hcl", strings.Replace(string(source), `content = "a"`, `content = "A"`, 1))
	p := w.plan(planner.Options{})
	want := []string{"update layer.a", "update config.a", "update manifest.a", "update layer.b", "update config.b", "update manifest.b"}
	got := actions(p)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	w.carryOut(p)
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("then the plan is not empty: %v", actions(p))
	}
}

func TestSharedConfigHasOneChangeForEachLayerList(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": `
layout { path = "out" }
layer "a" {
  file "/a" { content = "a" }
}
layer "b" {
  file "/b" { content = "b" }
}
config "c" { platform = "linux/amd64" }
manifest "one" {
  config = config.c
  layers = [layer.a]
  tags   = ["one"]
}
manifest "two" {
  config = config.c
  layers = [layer.a, layer.b]
  tags   = ["two"]
}
`})
	p := w.plan(planner.Options{})
	got := actions(p)
	slices.Sort(got)
	want := []string{"create config.c for manifest.one", "create config.c for manifest.two", "create layer.a", "create layer.b", "create manifest.one", "create manifest.two"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	w.carryOut(p)
	w.accepted()
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("then the plan is not empty: %v", actions(p))
	}
}

func TestTargetAndReplace(t *testing.T) {
	w := imageWorld(t)
	p := w.plan(planner.Options{Targets: []string{"layer.lib"}})
	if diff := cmp.Diff([]string{"create layer.lib"}, actions(p)); diff != "" {
		t.Errorf("targeted actions (-want +got):\n%s", diff)
	}
	w.carryOut(p)
	w.apply()
	w.accepted()
	p = w.plan(planner.Options{Replace: []string{"layer.lib"}})
	if diff := cmp.Diff([]string{"replace layer.lib"}, actions(p)); diff != "" {
		t.Errorf("replacing actions (-want +got):\n%s", diff)
	}
	w.carryOut(p)
	w.accepted()
	if _, err := w.tryPlan(planner.Options{Targets: []string{"layer.libb"}}); err == nil {
		t.Error("a target that does not exist was taken")
	}
}

func TestRemovedObjectsGo(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	w.write("layform.hcl", strings.NewReplacer(`[layer.lib, layer.app]`, `[layer.app]`, `, "v1"`, ``).Replace(image))
	w.carryOut(w.plan(planner.Options{}))
	w.accepted()
	index, err := w.open().Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(index.Descriptors()); n != 1 {
		t.Errorf("index.json has %d entries, want 1", n)
	}
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("then the plan is not empty: %v", actions(p))
	}
}

func TestEpochIsInThePlan(t *testing.T) {
	w := imageWorld(t)
	epoch := int64(1700000000)
	w.epoch = &epoch
	w.apply()
	desc, err := w.open().Resolve(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	if got := createdOf(t, w, desc); got != "2023-11-14T22:13:20Z" {
		t.Errorf("created is %q", got)
	}
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("the second plan is not empty: %v", actions(p))
	}
}

func createdOf(t *testing.T, w *world, index ocispec.Descriptor) string {
	t.Helper()
	store := w.open()
	var x ocispec.Index
	var m ocispec.Manifest
	var c struct{ Created string }
	read := func(d ocispec.Descriptor, v any) {
		data, err := store.ReadBlob(t.Context(), d, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatal(err)
		}
	}
	read(index, &x)
	read(x.Manifests[0], &m)
	read(m.Config, &c)
	return c.Created
}

// TestUnchangedTreeIsReadAgain: a tree that was observed without its entries is
// no layer to be written.
func TestUnchangedTreeIsReadAgain(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": "layout { path = \"out\" }\nlayer \"a\" {\n  copy { from = \"d\" }\n}\n" +
		"config \"a\" { platform = \"linux/amd64\" }\nmanifest \"a\" {\n  config = config.a\n  layers = [layer.a]\n  tags = [\"a\"]\n}\n", "d/f": "f"})
	made, err := w.result(planner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	made.Prior.Observed[spec.Address{Kind: spec.KindLayer, Name: "a"}] = &source.Observed{Tree: &source.Tree{Sum: digest.FromString("x"), Unchanged: true}}
	result, err := executor.Apply(t.Context(), w.open(), made.Plan, executor.Options{Dir: w.dir, Planned: made})
	if err != nil {
		t.Fatal(err)
	}
	if result.Layers.ReadFiles != 1 || !w.plan(planner.Options{}).Empty() {
		t.Errorf("the layer was written from %d files", result.Layers.ReadFiles)
	}
	w.accepted()
}
