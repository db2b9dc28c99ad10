//go:build unix

package main

import (
	"io"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestGoContainerRegistry(t *testing.T) {
	dir := helloLayout(t, helloSpec("zstd"))
	ggcrValidate(t, filepath.Join(dir, "dist"))
}

// ggcrValidate lets go-containerregistry check a whole layout: digests, sizes,
// media types and, of every layer, the diffID.
func ggcrValidate(t *testing.T, dir string) {
	t.Helper()
	index, _ := ggcrRoot(t, dir)
	// Its validator reads layers as gzip alone, so it leaves them out here, and
	// its readers, which know all compressions, are compared one by one.
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Errorf("go-containerregistry does not accept %s: %v", dir, err)
	}
	ggcrLayers(t, index)
}

// ggcrRoot reads index.json of a layout.
func ggcrRoot(t *testing.T, dir string) (v1.ImageIndex, *v1.IndexManifest) {
	t.Helper()
	index, err := ggcrlayout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return index, ggcrManifest(t, index)
}

// ggcrChild reads the first member of an index, which is an index.
func ggcrChild(t *testing.T, index v1.ImageIndex) (v1.ImageIndex, *v1.IndexManifest) {
	t.Helper()
	child, err := index.ImageIndex(ggcrManifest(t, index).Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return child, ggcrManifest(t, child)
}

// ggcrManifest is the document of an index.
func ggcrManifest(t *testing.T, index v1.ImageIndex) *v1.IndexManifest {
	t.Helper()
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// ggcrLayers reads all layers of an index and compares digests and diffIDs.
func ggcrLayers(t *testing.T, index v1.ImageIndex) {
	t.Helper()
	for _, desc := range ggcrManifest(t, index).Manifests {
		switch {
		case desc.MediaType.IsIndex():
			child, err := index.ImageIndex(desc.Digest)
			if err != nil {
				t.Fatal(err)
			}
			ggcrLayers(t, child)
		case desc.MediaType.IsImage() && desc.ArtifactType == "":
			image, err := index.Image(desc.Digest)
			if err != nil {
				t.Fatal(err)
			}
			ggcrImage(t, image)
		}
	}
}

func ggcrImage(t *testing.T, image v1.Image) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) != len(config.RootFS.DiffIDs) {
		t.Fatalf("%d layers and %d diffIDs", len(layers), len(config.RootFS.DiffIDs))
	}
	for i, l := range layers {
		want, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if got := hashed(t, l.Compressed); got != want {
			t.Errorf("layer %d is %v, the manifest says %v", i, got, want)
		}
		if got := hashed(t, l.Uncompressed); got != config.RootFS.DiffIDs[i] {
			t.Errorf("layer %d holds %v, the config says %v", i, got, config.RootFS.DiffIDs[i])
		}
	}
}

func hashed(t *testing.T, open func() (io.ReadCloser, error)) v1.Hash {
	t.Helper()
	r, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h, _, err := v1.SHA256(r)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
