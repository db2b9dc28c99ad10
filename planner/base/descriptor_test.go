package base_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// TestPlatformOfTheEntry: what a config leaves open of its platform is as the entry of the
// index says, where that is what makes the image suit.
func TestPlatformOfTheEntry(t *testing.T) {
	for name, c := range map[string]struct {
		config, variant, want string
		// is is the platform of the image, or wrong what is wrong.
		is, wrong string
	}{
		"a variant":             {`"arm"`, "v6", "linux/arm/v6", "linux/arm/v6", ""},
		"one that goes without": {`"arm64"`, "v8", "linux/arm64", "linux/arm64", ""},
		"another architecture":  {`"amd64"`, "v6", "linux/arm/v6", "", "it has linux/amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			d := s.image(strings.Replace(plainConfig, `"arm64","os":"linux","variant":"v8"`, c.config+`,"os":"linux"`, 1))
			want := strings.Split(c.want, "/")
			s.roots["1"] = s.index(on(d, want[0], want[1], c.variant))
			got, diags := resolve(t, s, "oci:dir:1", c.want)
			if diags.HasErrors() != (c.wrong != "") || !strings.Contains(fmt.Sprint(diags), c.wrong) {
				t.Fatalf("%v", diags)
			}
			if c.wrong == "" && (imagespec.PlatformText(*got.Config.Image.Platform) != c.is || imagespec.PlatformText(*got.Descriptor.Platform) != c.is) {
				t.Errorf("%+v", got.Config.Image.Platform)
			}
		})
	}
}

// TestEmbeddedData: what a descriptor has embedded is not asked for, and has to be the
// content that it describes.
func TestEmbeddedData(t *testing.T) {
	s := newShelf()
	embed := func(d ocispec.Descriptor, data []byte) ocispec.Descriptor {
		d.Data = data
		return d
	}
	config := s.put(ocispec.MediaTypeImageConfig, []byte(plainConfig))
	image := func(config ocispec.Descriptor) ocispec.Descriptor {
		return s.put(ocispec.MediaTypeImageManifest, map[string]any{
			"schemaVersion": 2, "config": config, "layers": []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromString("layer"), Size: 5}},
		})
	}
	arm := image(embed(config, s.blobs[config.Digest]))
	index := s.index(on(embed(arm, s.blobs[arm.Digest]), "linux", "arm64", "v8"))
	s.roots["1"] = embed(index, s.blobs[index.Digest])
	wrong := image(embed(config, []byte(strings.Replace(plainConfig, "me", "us", 1))))
	s.roots["2"] = wrong
	held := s.blobs
	s.blobs = map[digest.Digest][]byte{wrong.Digest: held[wrong.Digest]}
	got, diags := resolve(t, s, "oci:dir:1", "linux/arm64")
	if diags.HasErrors() || got.Index != index.Digest || len(got.Blobs) != 3 {
		t.Errorf("%+v, %v", got, diags)
	}
	if _, diags := resolve(t, s, "oci:dir:2", ""); !diags.HasErrors() || !strings.Contains(diags.Error(), "the data in the descriptor of "+config.Digest.String()+" is other content") {
		t.Errorf("%v", diags)
	}
}
