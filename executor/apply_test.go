package executor_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/executor/layer"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// world is a spec's directory with its layout.
type world struct {
	t   *testing.T
	dir string
	// load are further options of every Load.
	load spec.LoadOptions
	// store are the options of every Open.
	store layout.Options
	epoch *int64
}

func newWorld(t *testing.T, files map[string]string) *world {
	w := &world{t: t, dir: t.TempDir()}
	for name, text := range files {
		w.write(name, text)
	}
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() *layout.Store {
	w.t.Helper()
	store, err := layout.Open(filepath.Join(w.dir, "out"), w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = store.Close() })
	return store
}

func (w *world) tryPlan(opts planner.Options) (*planner.Plan, error) {
	w.t.Helper()
	sp, diags := spec.Load(w.dir, w.load)
	if diags.HasErrors() {
		return nil, diags
	}
	prior, err := planner.Refresh(w.t.Context(), sp, w.open(), planner.RefreshOptions{Plan: opts, Epoch: w.epoch, Contents: derive})
	if err != nil {
		return nil, err
	}
	return planner.Diff(sp, prior, opts)
}

func derive(ctx context.Context, blob io.Reader, mediaType string) (*stage.TOC, error) {
	return layer.DeriveTOC(ctx, blob, mediaType)
}

func (w *world) plan(opts planner.Options) *planner.Plan {
	w.t.Helper()
	p, err := w.tryPlan(opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) tryApply(p *planner.Plan) (*executor.Result, error) {
	w.t.Helper()
	return executor.Apply(w.t.Context(), w.open(), p, executor.Options{Dir: w.dir, Values: w.load})
}

// apply plans and applies, and checks that another tool takes the layout.
func (w *world) apply() *executor.Result {
	w.t.Helper()
	return w.carryOut(w.plan(planner.Options{}))
}

func (w *world) carryOut(p *planner.Plan) *executor.Result {
	w.t.Helper()
	result, err := w.tryApply(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// accepted checks the layout with go-containerregistry, diffIDs included.
func (w *world) accepted() {
	w.t.Helper()
	x, err := ggcr.ImageIndexFromPath(filepath.Join(w.dir, "out"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := validate.Index(x); err != nil {
		w.t.Errorf("go-containerregistry refuses the layout: %v", err)
	}
}

// file is all that may change of a file.
type file struct {
	Name   string
	Mode   fs.FileMode
	Size   int64
	Inode  uint64
	Mtime  int64
	Digest digest.Digest
}

// snapshot lists the files of the layout; private ones too when ours is set.
func (w *world) snapshot(ours bool) map[string]file {
	w.t.Helper()
	out := map[string]file{}
	root := filepath.Join(w.dir, "out")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == root {
			return nil
		}
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name == ".layform" && !ours {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out[name] = file{name, info.Mode(), info.Size(), info.Sys().(*syscall.Stat_t).Ino, info.ModTime().UnixNano(), digest.FromBytes(data)}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// actions are the changes of a plan, "action address" each.
func actions(p *planner.Plan) []string {
	var out []string
	for _, c := range p.Changes {
		if c.Action != planner.NoOp {
			out = append(out, string(c.Action)+" "+c.Key())
		}
	}
	return out
}

const image = `
layout { path = "out" }
layer "lib" {
  copy {
    from = "lib"
    to   = "/lib"
  }
}
layer "app" {
  created_by = "app"
  copy {
    from = "app"
    to   = "/srv"
  }
}
config "app" {
  platform = "linux/amd64"
  cmd      = ["/srv/run"]
  labels   = { stage = "test" }
}
manifest "app" {
  config = config.app
  layers = [layer.lib, layer.app]
}
index "app" {
  manifests = [manifest.app]
  tags      = ["latest", "v1"]
}
output "digest" { value = index.app.digest }
`

func imageWorld(t *testing.T) *world {
	return newWorld(t, map[string]string{
		"layform.hcl": image,
		"lib/a":       "library a",
		"lib/b":       "library b",
		"app/run":     "#!/bin/run\n",
		"app/conf/x":  "x = 1\n",
	})
}

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
	if result.Added != 5 || result.WrittenBlobs != 5 || len(result.Outputs) != 1 {
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
			files = append(files, c.Address+" "+f.Path+" "+strings.Join(f.What, ","))
		}
	}
	if diff := cmp.Diff([]string{"layer.app /srv/conf/x content"}, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if p.Summary.DeleteBlobs != 4 || p.Summary.WriteBlobs != 4 {
		t.Errorf("summary: %+v", p.Summary)
	}
	result := w.carryOut(p)
	if result.WrittenBlobs != 4 || result.DeletedBlobs != 4 || result.Changed != 4 {
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
	if result.Destroyed != 5 || result.DeletedBlobs != 5 {
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

func TestStalePlans(t *testing.T) {
	for _, tt := range []struct {
		name string
		move func(*world)
	}{
		{"a copied file", func(w *world) { w.write("app/run", "#!/bin/walk\n") }},
		{"the spec file", func(w *world) { w.write("layform.hcl", image+"# a word\n") }},
		{"a new spec file", func(w *world) { w.write("more.layform.hcl", "locals {}\n") }},
		{"a file of a layer that stays", func(w *world) { w.write("lib/a", "library A") }},
		{"a new file in a copied tree", func(w *world) { w.write("app/more", "") }},
		{"the layout", func(w *world) {
			store := w.open()
			desc, _, err := store.PutBytes(w.t.Context(), ocispec.MediaTypeImageManifest, []byte(`{"schemaVersion":2}`))
			if err != nil {
				w.t.Fatal(err)
			}
			if err := store.Tag(w.t.Context(), desc, "other"); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"the staging state", func(w *world) {
			w.write("layform.hcl", strings.Replace(image, `"/srv/run"`, `"/srv/fly"`, 1))
			w.apply()
		}},
		{"a file that a function reads", func(w *world) { w.write("label", "later") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := imageWorld(t)
			w.apply()
			w.write("label", "now")
			w.write("layform.hcl", strings.Replace(image, `"test"`, `file("label")`, 1))
			w.write("app/conf/x", "x = 2\n")
			data, err := planner.Encode(w.plan(planner.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			tt.move(w)
			before := w.snapshot(true)
			p, err := planner.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			_, err = executor.Apply(t.Context(), w.open(), p, executor.Options{Dir: w.dir, Saved: true})
			var stale *planner.StaleError
			if !errors.As(err, &stale) {
				t.Fatalf("got %v, want a stale plan", err)
			}
			if diff := cmp.Diff(before, w.snapshot(true)); diff != "" {
				t.Errorf("the refusal left traces (-before +after):\n%s", diff)
			}
		})
	}
}

func TestSavedPlanNeedsNoSpecFile(t *testing.T) {
	w := imageWorld(t)
	data, err := planner.Encode(w.plan(planner.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.dir, "layform.hcl")); err != nil {
		t.Fatal(err)
	}
	p, err := planner.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := planner.Encode(p)
	if err != nil || string(again) != string(data) {
		t.Errorf("the plan does not survive being read and written: %v", err)
	}
	w.carryOut(p)
	w.accepted()
}

func TestLostStateCostsTimeAlone(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	before := w.snapshot(false)
	if err := os.RemoveAll(filepath.Join(w.dir, "out", ".layform")); err != nil {
		t.Fatal(err)
	}
	result := w.apply()
	if result.WrittenBlobs != 0 {
		t.Errorf("%d blobs were written again", result.WrittenBlobs)
	}
	if diff := cmp.Diff(before, w.snapshot(false)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("then the plan is not empty: %v %v", actions(p), p.Tags)
	}
}

func TestForeignTagIsNotTaken(t *testing.T) {
	w := imageWorld(t)
	store := w.open()
	desc, _, err := store.PutBytes(t.Context(), ocispec.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Tag(t.Context(), desc, "v1"); err != nil {
		t.Fatal(err)
	}
	before := w.snapshot(false)
	p := w.plan(planner.Options{})
	_, err = w.tryApply(p)
	var conflict *executor.ConflictError
	if !errors.As(err, &conflict) || conflict.Ref != "v1" {
		t.Fatalf("got %v, want a conflict over v1", err)
	}
	if diff := cmp.Diff(before, w.snapshot(false)); diff != "" {
		t.Errorf("the refusal left traces (-before +after):\n%s", diff)
	}
	w.carryOut(w.plan(planner.Options{Adopt: true}))
	if p := w.plan(planner.Options{}); !p.Empty() {
		t.Errorf("after the adoption the plan is not empty: %v %v", actions(p), p.Tags)
	}
	w.carryOut(w.plan(planner.Options{Destroy: true}))
	if _, ok := w.snapshot(false)["blobs/sha256/"+desc.Digest.Encoded()]; !ok {
		t.Error("the foreign manifest was deleted")
	}
}

func TestDriftIsFoundAndMended(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	before := w.snapshot(false)
	p := w.plan(planner.Options{})
	var blob string
	for _, c := range p.Changes {
		if c.Address == "layer.lib" {
			blob = "blobs/sha256/" + c.Before.Digest.Encoded()
		}
	}
	path := filepath.Join(w.dir, "out", blob)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o444); err != nil {
		t.Fatal(err)
	}
	p = w.plan(planner.Options{})
	if diff := cmp.Diff([]string{"update layer.lib"}, actions(p)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if len(p.Drift) != 1 || p.Drift[0].Kind != planner.DriftTorn {
		t.Errorf("drift: %+v", p.Drift)
	}
	w.carryOut(p)
	if got := w.snapshot(false)[blob].Digest; got != before[blob].Digest {
		t.Errorf("the blob was not mended: %s", got)
	}
	w.accepted()
}

func TestMovedTagIsMovedBack(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	store := w.open()
	index, err := store.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	desc, _, err := store.PutBytes(t.Context(), ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Tag(t.Context(), desc, "v1"); err != nil {
		t.Fatal(err)
	}
	p := w.plan(planner.Options{})
	if len(p.Drift) != 1 || p.Drift[0].Kind != planner.DriftTagMoved || p.Drift[0].Is != desc.Digest {
		t.Errorf("drift: %+v", p.Drift)
	}
	if len(actions(p)) != 0 || p.Empty() {
		t.Errorf("actions %v, empty %v", actions(p), p.Empty())
	}
	w.carryOut(p)
	now, err := store.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if want := index.Resolve("v1")[0].Digest; now.Digest != want {
		t.Errorf("v1 leads to %s, want %s", now.Digest, want)
	}
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

func TestTwoSpecsShareALayout(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	other := &world{t: t, dir: w.dir, load: spec.LoadOptions{File: "web.hcl"}}
	web := `
layform { name = "web" }
layout { path = "out" }
layer "lib" {
  copy {
    from = "lib"
    to   = "/lib"
  }
}
config "web" { platform = "linux/amd64" }
manifest "web" {
  config = config.web
  layers = [layer.lib]
  tags   = ["web"]
}
`
	other.write("web.hcl", web)
	other.carryOut(other.plan(planner.Options{}))
	w.carryOut(w.plan(planner.Options{Destroy: true}))
	w.accepted()
	if p := other.plan(planner.Options{}); !p.Empty() {
		t.Errorf("destroying one spec changed the other: %v %v", actions(p), p.Drift)
	}
	other.write("web.hcl", strings.Replace(web, `["web"]`, `["web", "latest"]`, 1))
	w.apply()
	if _, err := other.tryPlan(planner.Options{}); err == nil || !strings.Contains(err.Error(), "latest") {
		t.Errorf("a tag of another spec was taken: %v", err)
	}
}

func TestSensitiveValuesStayOutOfPlanAndStage(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": `
layout { path = "out" }
variable "token" {
  type      = string
  sensitive = true
}
config "c" {
  platform = "linux/amd64"
  env      = { TOKEN = var.token }
}
layer "l" {
  file "/l" { content = "l" }
}
manifest "m" {
  config = config.c
  layers = [layer.l]
  tags   = ["m"]
}
`})
	w.load.Vars = []spec.Assignment{{Name: "token", Text: "hunter2", Origin: "--var"}}
	p := w.plan(planner.Options{})
	data, err := planner.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	w.carryOut(p)
	stageFile, err := os.ReadFile(filepath.Join(w.dir, "out", ".layform", "stage", "default.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"plan": string(data), "stage": string(stageFile)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the %s holds the secret: %s", name, text)
		}
	}
	w.load.Vars[0].Text = "hunter3"
	p = w.plan(planner.Options{})
	if diff := cmp.Diff([]string{"update config.c", "update manifest.m"}, actions(p)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	w.load.Vars[0].Text = "hunter4"
	if _, err := w.tryApply(p); err == nil {
		t.Error("another value than the planned one was taken")
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
