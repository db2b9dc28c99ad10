package layout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// documentSet are manifests, indexes and configs by their digests.
type documentSet struct {
	all  map[digest.Digest][]byte
	read []digest.Digest
}

func (d *documentSet) add(t *testing.T, mediaType, platform string, content any) ocispec.Descriptor {
	t.Helper()
	data, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if platform != "" {
		p, err := imagespec.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		desc.Platform = &p
	}
	d.all[desc.Digest] = data
	return desc
}

// image is a manifest whose config says one platform, and whose descriptor another.
func (d *documentSet) image(t *testing.T, is, said string) ocispec.Descriptor {
	t.Helper()
	var p ocispec.Platform
	if is != "" {
		var err error
		if p, err = imagespec.ParsePlatform(is); err != nil {
			t.Fatal(err)
		}
	}
	config := d.add(t, ocispec.MediaTypeImageConfig, "", map[string]any{"os": p.OS, "architecture": p.Architecture, "variant": p.Variant, "rootfs": map[string]any{}})
	return d.add(t, ocispec.MediaTypeImageManifest, said, map[string]any{"schemaVersion": 2, "config": config, "layers": []ocispec.Descriptor{}})
}

func (d *documentSet) artifact(t *testing.T, text string) ocispec.Descriptor {
	t.Helper()
	config := d.add(t, ocispec.MediaTypeEmptyJSON, "", struct{}{})
	return d.add(t, ocispec.MediaTypeImageManifest, "", map[string]any{"schemaVersion": 2, "artifactType": text, "config": config, "layers": []ocispec.Descriptor{}})
}

func (d *documentSet) index(t *testing.T, said string, entries ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	return d.add(t, ocispec.MediaTypeImageIndex, said, map[string]any{"schemaVersion": 2, "manifests": entries})
}

func (d *documentSet) get(_ context.Context, desc ocispec.Descriptor) ([]byte, error) {
	d.read = append(d.read, desc.Digest)
	data, ok := d.all[desc.Digest]
	if !ok {
		return nil, errors.New("it was lost")
	}
	return data, nil
}

func TestChooseImage(t *testing.T) {
	d := &documentSet{all: map[digest.Digest][]byte{}}
	amd64, arm64 := d.image(t, "linux/amd64", "linux/amd64"), d.image(t, "linux/arm64", "linux/arm64/v8")
	v6 := d.image(t, "linux/arm/v6", "linux/arm/v6")
	silent, riscv := d.image(t, "", ""), d.image(t, "linux/riscv64", "")
	attestation := d.image(t, "unknown/unknown", "unknown/unknown")
	model := d.artifact(t, "model")
	inner := d.index(t, "linux/arm", v6)
	multi := d.index(t, "", attestation, model, amd64, arm64, riscv, inner)
	plain := d.index(t, "", model, silent)
	deep := amd64
	for range imagespec.MaxGraphDepth + 1 {
		deep.Platform = nil
		deep = d.index(t, "", deep)
	}
	const lost = "it was lost"
	gone := d.index(t, "", ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("gone"), Size: 4})
	for name, tc := range map[string]struct {
		at   ocispec.Descriptor
		want string
		// found is what is chosen, or else wrong is the error.
		found digest.Digest
		wrong string
	}{
		"an entry":                       {multi, "linux/amd64", amd64.Digest, ""},
		"a variant that goes unsaid":     {multi, "linux/arm64", arm64.Digest, ""},
		"a later variant":                {multi, "linux/arm64/v8.2", arm64.Digest, ""},
		"an entry that says no platform": {multi, "linux/riscv64", riscv.Digest, ""},
		"through an index":               {multi, "linux/arm/v7", v6.Digest, ""},
		"none":                           {multi, "linux/s390x", "", multi.Digest.String() + " has no image for linux/s390x; it has linux/amd64, linux/arm64/v8, linux/arm, linux/riscv64"},
		"no platform anywhere":           {plain, "linux/s390x", model.Digest, ""},
		"an image":                       {arm64, "linux/arm64/v8", arm64.Digest, ""},
		"another image":                  {arm64, "linux/amd64", "", arm64.Digest.String() + " has no image for linux/amd64; it has linux/arm64"},
		"an image that says none":        {silent, "linux/amd64", "", silent.Digest.String() + " has no image for linux/amd64; it names no platform"},
		"an artifact":                    {model, "linux/amd64", "", model.Digest.String() + " has no image for linux/amd64; it names no platform"},
		"too deep":                       {deep, "linux/amd64", "", fmt.Sprintf("indexes are nested more than %d deep", imagespec.MaxGraphDepth)},
		"what cannot be read":            {gone, "linux/amd64", "", lost},
		"no manifest":                    {ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromString("x")}, "linux/amd64", "", digest.FromString("x").String() + " is a " + ocispec.MediaTypeImageLayer + ", not a manifest or an index"},
	} {
		want, err := imagespec.ParsePlatform(tc.want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := layout.ChooseImage(t.Context(), d.get, tc.at, want)
		message := ""
		if err != nil {
			got.Digest, message = "", err.Error()
		}
		if got.Digest != tc.found || message != tc.wrong {
			t.Errorf("%s:\n got %s, %q\nwant %s, %q", name, got.Digest, message, tc.found, tc.wrong)
		}
	}
}

// TestChooseEntries holds that entries that say their platforms are all that is asked
// where they are enough.
func TestChooseEntries(t *testing.T) {
	d := &documentSet{all: map[digest.Digest][]byte{}}
	entries := []ocispec.Descriptor{
		d.image(t, "linux/riscv64", ""), d.image(t, "linux/amd64", "linux/amd64"), d.image(t, "linux/arm64", "linux/arm64/v8"), d.image(t, "linux/arm64", "linux/arm64"),
	}
	at := d.index(t, "", entries...)
	d.read = nil
	for want, positions := range map[string][]int{"linux/arm64": {2, 3}, "linux/amd64": {1}, "linux/riscv64": {0}, "linux/ppc64le": nil} {
		p, err := imagespec.ParsePlatform(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := layout.ChooseEntries(t.Context(), d.get, at, &layout.Document{Manifests: entries}, p)
		var missing *layout.PlatformError
		if diff := cmp.Diff(positions, got); diff != "" || errors.As(err, &missing) != (positions == nil) {
			t.Errorf("%s: %s%v", want, diff, err)
		}
		if read := len(d.read); read > 0 && (want == "linux/arm64" || want == "linux/amd64") {
			t.Errorf("%s: %d documents were read", want, read)
		}
		d.read = nil
	}
}
