package planner

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

const grownSpec = `
layout { path = "out" }
layer "base" {
  copy {
    from = "base"
    to   = "/srv"
  }
}
layer "app" {
  directory "/srv" { mode = "0700" }
  file "/srv/base" { content = layer.base.digest }
}
layer "model" {
  blob       = "model"
  media_type = "a/b"
}
config "app" { platform = "linux/amd64" }
manifest "app" {
  config = config.app
  layers = [layer.base, layer.app]
}
manifest "base" {
  config = config.app
  layers = [layer.base]
}
index "app" {
  manifests = [manifest.app, manifest.base]
  tags      = ["latest"]
}
manifest "model" {
  artifact_type = "a/b"
  subject       = index.app
  layers        = [layer.model]
}
output "digest" { value = index.app.digest }
`

// grown is a layout in which steps are marked as built, with blobs of no meaning.
type grown struct {
	t     *testing.T
	dir   string
	store *layout.Store
}

func newGrown(t *testing.T) *grown {
	g := &grown{t: t, dir: t.TempDir()}
	for name, text := range map[string]string{"layform.hcl": grownSpec, "base/f": "f", "model": "m"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(g.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if g.store, err = layout.Open(filepath.Join(g.dir, "out"), layout.Options{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.store.Close() })
	return g
}

func (g *grown) plan(opts Options) *Result {
	g.t.Helper()
	sp, diags := spec.Load(g.dir, spec.LoadOptions{})
	if diags.HasErrors() {
		g.t.Fatal(diags)
	}
	made, err := New(g.t.Context(), sp, g.store, RefreshOptions{Plan: opts})
	if err != nil {
		g.t.Fatal(err)
	}
	return made
}

// build marks all steps as built of which is known what they are built from, and
// names them.
func (g *grown) build(made *Result) []string {
	g.t.Helper()
	ctx := context.Background()
	st := made.Prior.Stage
	var built []string
	for _, s := range made.Graph.Steps {
		now := made.Prior.Evaluated[s.Key]
		if now.Known || now.Fingerprint == "" {
			continue
		}
		mediaType := MediaType(now.Object)
		if l, ok := now.Object.Body.(*spec.Layer); ok {
			mediaType = LayerType(l, made.Prior.Observed[s.Address])
		}
		desc, _, err := g.store.PutBytes(ctx, mediaType, []byte(s.Key+now.Fingerprint.String()), nil)
		if err != nil {
			g.t.Fatal(err)
		}
		o := stage.Object{Fingerprint: now.Fingerprint, Descriptor: desc, DiffID: digest.FromString(s.Key), Needs: s.Needs, Fields: map[string]string{}}
		if seen := made.Prior.Observed[s.Address]; seen != nil && seen.Tree != nil {
			o.Entries = len(seen.Tree.Entries)
		}
		for _, f := range now.Object.Fields {
			o.Fields[f.Path] = string(f.Value)
		}
		for _, implied := range s.Implied {
			if _, _, err := g.store.PutBytes(ctx, implied.MediaType, implied.Data, nil); err != nil {
				g.t.Fatal(err)
			}
		}
		st.Objects[s.Key] = o
		built = append(built, s.Key)
	}
	g.save(st)
	return built
}

func (g *grown) save(st *stage.Stage) {
	g.t.Helper()
	unlock, err := g.store.Lock(g.t.Context(), layout.Holder{}, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	place, err := stage.Place(g.store, g.dir, "")
	if err != nil {
		g.t.Fatal(err)
	}
	st.Dir = place
	if err := stage.Save(g.t.Context(), g.store, st); err != nil {
		g.t.Fatal(err)
	}
	if err := unlock(); err != nil {
		g.t.Fatal(err)
	}
}

// TestWhatIsKnownGrows: what has been built makes known, step by step along the
// graph, what is built from it, until a plan has nothing left to do.
func TestWhatIsKnownGrows(t *testing.T) {
	g := newGrown(t)
	var rounds [][]string
	for {
		made := g.plan(Options{})
		built := g.build(made)
		if len(built) == 0 {
			break
		}
		rounds = append(rounds, built)
	}
	want := [][]string{
		{"layer.base", "layer.model"},
		{"layer.app", "config.app for manifest.base"},
		{"config.app for manifest.app", "manifest.base"},
		{"manifest.app"},
		{"index.app"},
		{"manifest.model"},
	}
	if diff := cmp.Diff(want, rounds); diff != "" {
		t.Errorf("what was built in each round (-want +got):\n%s", diff)
	}
	made := g.plan(Options{})
	if len(made.Plan.Tags) != 2 || made.Plan.Outputs[0].Unknown || made.Plan.Summary.Add+made.Plan.Summary.Change != 0 {
		t.Errorf("the last plan:\n%s", lines(made.Plan))
	}
	if got := made.Plan.Outputs[0].After; got != spec.JSON(`"`+made.Prior.Stage.Objects["index.app"].Descriptor.Digest.String()+`"`) {
		t.Errorf("the output is %s", got)
	}
	// What changed now makes all that is built from it unknown again.
	if err := os.WriteFile(filepath.Join(g.dir, "base/f"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	made = g.plan(Options{})
	var known []string
	for key, e := range made.Prior.Evaluated {
		if e.Known {
			known = append(known, key)
		}
	}
	if diff := cmp.Diff([]string{"layer.model"}, known); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
	// With a target, what it leaves out counts as it is in the layout.
	made = g.plan(Options{Targets: []string{"layer.model"}})
	if n := len(made.Prior.Evaluated); n != len(made.Graph.Steps) || len(made.Prior.Observed) != 1 || made.Plan.LeftOut != n-1 {
		t.Errorf("%d steps were evaluated and %d layers observed; %d left out", n, len(made.Prior.Observed), made.Plan.LeftOut)
	}
	if made = g.plan(Options{Destroy: true}); len(made.Prior.Evaluated) != 0 || made.Plan.Summary.Destroy != len(made.Graph.Steps) {
		t.Errorf("destroy:\n%s", lines(made.Plan))
	}
}

// TestOthersInTheLayout: Refresh knows what belongs to other specs and to nobody.
func TestOthersInTheLayout(t *testing.T) {
	g := newGrown(t)
	ours, theirs, foreign := blob("a", "1"), blob("b", "1"), blob("c", "1")
	for ref, desc := range map[string]*ocispec.Descriptor{"latest": &theirs, "free": &foreign} {
		desc.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
	}
	if _, _, err := g.store.Swap(t.Context(), func(x *layout.Index) error {
		for _, d := range []ocispec.Descriptor{ours, theirs, foreign} {
			if err := x.Set(d); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	g.save(&stage.Stage{Spec: "other", State: stage.Done, Tags: map[string]ocispec.Descriptor{"latest": theirs}, Untagged: []ocispec.Descriptor{ours}, Blobs: []digest.Digest{theirs.Digest},
		Objects: map[string]stage.Object{"manifest.a": {Descriptor: ours, Fingerprint: digest.FromString("x")}}})
	g.save(&stage.Stage{Spec: "default", State: stage.Done, Untagged: []ocispec.Descriptor{ours}, Objects: map[string]stage.Object{}})
	sp, diags := spec.Load(g.dir, spec.LoadOptions{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	graph, err := NewGraph(sp)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Refresh(t.Context(), graph, g.store, RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"latest": "other"}, p.Owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if p.Shared[ours.Digest] != "other" || len(p.Entries) != 3 {
		t.Errorf("shared are %v of %d entries", p.Shared, len(p.Entries))
	}
	held := slices.Sorted(maps.Keys(p.InUse))
	want := []digest.Digest{ours.Digest, theirs.Digest, foreign.Digest}
	slices.Sort(want)
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	if _, err := Diff(graph, p, Options{}); err == nil || !strings.Contains(err.Error(), `belongs to the spec named "other"`) {
		t.Errorf("a tag of another spec: %v", err)
	}
}
