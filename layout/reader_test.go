//go:build unix

package layout_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/layform/layform/layout"
)

// What oras-go copies from.
var (
	_ content.ReadOnlyGraphStorage = (*layout.Reader)(nil)
	_ content.Resolver             = (*layout.Reader)(nil)
)

func TestPredecessors(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "l"), layout.Options{})
	img := putImage(t, s, "a", "v1")
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{img.manifest}}
	index.SchemaVersion = 2
	list := putJSON(t, s, index.MediaType, index)
	setTag(t, s, list, "list")
	signature := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example.signature",
		Config: ocispec.DescriptorEmptyJSON, Layers: []ocispec.Descriptor{ocispec.DescriptorEmptyJSON}, Subject: &img.manifest}
	signature.SchemaVersion = 2
	put(t, s, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	referrer := putJSON(t, s, signature.MediaType, signature)
	// What index.json does not reach does not count.
	if got, err := s.Predecessors(t.Context(), ocispec.DescriptorEmptyJSON); err != nil || len(got) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
	setTag(t, s, referrer, "signature")
	for name, c := range map[string]struct {
		of   ocispec.Descriptor
		want []ocispec.Descriptor
	}{
		"layer":    {img.layer, []ocispec.Descriptor{img.manifest}},
		"config":   {img.config, []ocispec.Descriptor{img.manifest}},
		"manifest": {img.manifest, []ocispec.Descriptor{list, referrer}},
		"index":    {list, nil},
		"twice":    {ocispec.DescriptorEmptyJSON, []ocispec.Descriptor{referrer}},
	} {
		got, err := s.Predecessors(t.Context(), c.of)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	damage(t, s, img.manifest.Digest, "{}")
	if got, err := s.Predecessors(t.Context(), img.layer); err == nil {
		t.Errorf("of a torn manifest: %v", got)
	}
}
