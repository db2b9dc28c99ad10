package planner

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// Refresh finds the blobs that the spec put into the layout and that are still there.
// What its entries reach it only asks where its objects do not tell.
func TestRefreshFindsWhatIsOwned(t *testing.T) {
	g := newGrown(t)
	for len(g.build(g.plan(Options{}))) > 0 {
	}
	put := func(mediaType, content string) ocispec.Descriptor {
		t.Helper()
		desc, _, err := g.store.PutBytes(t.Context(), mediaType, []byte(content), nil)
		if err != nil {
			t.Fatal(err)
		}
		return desc
	}
	st := g.plan(Options{}).Prior.Stage
	model := st.Objects["layer.model"].Descriptor
	left := put("a/b", "what an apply with a target has left")
	document := put(ocispec.MediaTypeImageManifest, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b",`+
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"`+ocispec.DescriptorEmptyJSON.Digest.String()+`","size":2},`+
		`"layers":[{"mediaType":"a/b","digest":"`+left.Digest.String()+`","size":36}]}`)
	document.Annotations = map[string]string{ocispec.AnnotationRefName: "latest"}
	if _, _, err := g.store.Swap(t.Context(), func(x *layout.Index) error { return x.Set(document) }); err != nil {
		t.Fatal(err)
	}
	st.Tags = map[string]ocispec.Descriptor{"latest": document}
	gone := digest.FromString("gone")
	for _, tt := range []struct {
		name    string
		blobs   []digest.Digest
		opts    Options
		want    map[digest.Digest]int64
		reached bool
	}{
		{"nothing", nil, Options{}, map[digest.Digest]int64{}, false},
		{"what objects have", []digest.Digest{model.Digest}, Options{}, map[digest.Digest]int64{model.Digest: model.Size}, false},
		{"with a target", []digest.Digest{model.Digest}, Options{Targets: []string{"layer.base"}}, map[digest.Digest]int64{model.Digest: model.Size}, true},
		{"to be destroyed", []digest.Digest{model.Digest}, Options{Destroy: true}, map[digest.Digest]int64{model.Digest: model.Size}, false},
		{"what is left", []digest.Digest{left.Digest}, Options{}, map[digest.Digest]int64{left.Digest: left.Size}, true},
		{"what is gone", []digest.Digest{model.Digest, gone}, Options{}, map[digest.Digest]int64{model.Digest: model.Size}, true},
	} {
		st.Blobs = tt.blobs
		g.save(st)
		p := g.plan(tt.opts).Prior
		if diff := cmp.Diff(tt.want, p.Owned); diff != "" {
			t.Errorf("%s: owned (-want +got):\n%s", tt.name, diff)
		}
		want := map[digest.Digest][]digest.Digest{}
		if tt.reached {
			want[document.Digest] = []digest.Digest{document.Digest, ocispec.DescriptorEmptyJSON.Digest, left.Digest}
		}
		if diff := cmp.Diff(want, p.Reached); diff != "" {
			t.Errorf("%s: reached (-want +got):\n%s", tt.name, diff)
		}
	}

	// What an interrupted apply has put there is owned, too.
	st.Blobs = nil
	g.save(st)
	journal, err := stage.OpenJournal(g.store, "default")
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.Append(stage.Record{Key: "layer.x", Descriptor: left, Created: true}); err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	made := g.plan(Options{})
	if diff := cmp.Diff(map[digest.Digest]int64{left.Digest: left.Size}, made.Prior.Owned); diff != "" || !made.Plan.Recover {
		t.Errorf("of an interrupted apply (-want +got), recover %v:\n%s", made.Plan.Recover, diff)
	}
}
