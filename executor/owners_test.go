//go:build unix

package executor_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

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
	desc, _, err := store.PutBytes(t.Context(), ocispec.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`), nil)
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
	desc, _, err := store.PutBytes(t.Context(), ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), nil)
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
