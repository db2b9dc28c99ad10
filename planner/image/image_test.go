package image_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/planner/image"
	"github.com/layform/layform/spec"
)

const (
	diffA = digest.Digest("sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	diffB = digest.Digest("sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func layerOf(l *spec.Layer, diffID digest.Digest) image.Layer {
	return image.Layer{Spec: l, Built: spec.Built{
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: diffB, Size: 7},
		DiffID:     diffID,
	}}
}

func TestConfigHasRootfsAndHistoryOfItsLayers(t *testing.T) {
	cfg := &spec.Config{Image: &spec.Image{
		Platform:   &ocispec.Platform{Architecture: "arm64", OS: "linux", Variant: "v8"},
		Entrypoint: []string{"/app", "<&>"},
		Labels:     map[string]string{"b": "2", "a": "1"},
	}}
	const epoch = 86400
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	layers := []image.Layer{
		layerOf(&spec.Layer{CreatedBy: "base", Comment: "first", Author: "me", Created: &at}, diffA),
		layerOf(&spec.Layer{}, diffB),
	}
	got, err := image.Config(cfg, nil, layers, epoch)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"created":"1970-01-02T00:00:00Z","architecture":"arm64","os":"linux","variant":"v8",` +
		`"config":{"Entrypoint":["/app","<&>"],"Labels":{"a":"1","b":"2"}},` +
		`"rootfs":{"type":"layers","diff_ids":["` + string(diffA) + `","` + string(diffB) + `"]},` +
		`"history":[{"created":"2020-01-02T03:04:05Z","created_by":"base","author":"me","comment":"first"},{"created":"1970-01-02T00:00:00Z"}]}` + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if _, err := v1.ParseConfigFile(strings.NewReader(string(got))); err != nil {
		t.Errorf("another reader does not take it: %v", err)
	}
}

func TestConfigWithoutEpochIsOf1970(t *testing.T) {
	got, err := image.Config(&spec.Config{Image: &spec.Image{}}, nil, []image.Layer{layerOf(&spec.Layer{}, diffA)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(got), `"created":"1970-01-01T00:00:00Z"`); n != 2 {
		t.Errorf("%d times, want that of the image and that of its history: %s", n, got)
	}
}

func TestConfigOfAnotherTypeIsItsContent(t *testing.T) {
	got, err := image.Config(&spec.Config{MediaType: "application/x", Content: []byte("as it is")}, nil, nil, 0)
	if err != nil || string(got) != "as it is" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestExtraMembers(t *testing.T) {
	cfg := &spec.Config{
		Image:       &spec.Image{Platform: &ocispec.Platform{Architecture: "amd64", OS: "linux"}},
		Extra:       map[string]json.RawMessage{"x.z": json.RawMessage(`[1, 2]`), "x.a": json.RawMessage(`"<"`)},
		ConfigExtra: map[string]json.RawMessage{"Healthcheck": json.RawMessage(`{"Test":["NONE"]}`)},
	}
	got, err := image.Config(cfg, nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"created":"1970-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{"Healthcheck":{"Test":["NONE"]}},"rootfs":{"type":"layers","diff_ids":[]},"x.a":"<","x.z":[1,2]}` + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	cfg.Extra = map[string]json.RawMessage{"OS": json.RawMessage(`"plan9"`)}
	if _, err := image.Config(cfg, nil, nil, 0); err == nil {
		t.Error("an extra member that hides the os was taken")
	}
}

func TestManifestOfAnArtifactWithoutBlobs(t *testing.T) {
	subject := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: diffA, Size: 3}
	got, err := image.Manifest(&spec.Manifest{ArtifactType: "application/x"}, nil, nil, nil, &subject)
	if err != nil {
		t.Fatal(err)
	}
	empty := `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
	want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/x","config":` + empty +
		`,"layers":[` + empty + `],"subject":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"` + string(diffA) + `","size":3}}` + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func TestAnnotationsStandAtExactlyOneLevel(t *testing.T) {
	l := layerOf(&spec.Layer{Annotations: map[string]string{"at": "layer"}, URLs: []string{"https://example.com/l"}}, diffA)
	c := &spec.Config{Annotations: map[string]string{"at": "config"}}
	config := image.ConfigDescriptor(c, spec.Built{Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: diffA, Size: 1}})
	data, err := image.Manifest(&spec.Manifest{Annotations: map[string]string{"at": "manifest"}}, nil, &config, []ocispec.Descriptor{image.LayerDescriptor(l)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	got := []string{m.Annotations["at"], m.Config.Annotations["at"], m.Layers[0].Annotations["at"], m.Layers[0].URLs[0]}
	if diff := cmp.Diff([]string{"manifest", "config", "layer", "https://example.com/l"}, got); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
}

func TestEntryDescriptor(t *testing.T) {
	built := spec.Built{Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: diffA, Size: 9}}
	own := ocispec.Platform{OS: "linux", Architecture: "amd64"}
	entry := spec.Entry{Annotations: map[string]string{"k": "v"}}
	d := image.Tagged(image.EntryDescriptor(built, entry, &own, "application/x"), "latest")
	want := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: diffA, Size: 9, Platform: &own, ArtifactType: "application/x",
		Annotations: map[string]string{"k": "v", ocispec.AnnotationRefName: "latest"},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("descriptor (-want +got):\n%s", diff)
	}
	if len(entry.Annotations) != 1 {
		t.Error("the spec's annotations were changed")
	}
	entry.Platform = &ocispec.Platform{OS: "windows", Architecture: "amd64"}
	if got := image.EntryDescriptor(built, entry, &own, "").Platform.OS; got != "windows" {
		t.Errorf("platform override: got %s", got)
	}
}

func TestIndexKeepsItsOrderAndIsNeverNull(t *testing.T) {
	data, err := image.Index(&spec.Index{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}` + "\n"; string(data) != want {
		t.Errorf("got %s", data)
	}
}

// TestImageOverABase: the history and the diffIDs of the base come first, byte for byte,
// its values are merged, and its layers come before those of the image.
func TestImageOverABase(t *testing.T) {
	base := &spec.BaseImage{
		Name: "docker.io/library/alpine:3", Registry: true, Index: diffB, Descriptor: ocispec.Descriptor{Digest: diffA},
		DiffIDs: []digest.Digest{diffA, diffA}, Created: json.RawMessage(`"2020-01-02T03:04:05.678Z"`),
		History: []json.RawMessage{json.RawMessage(`{"created":"2019-05-05T05:05:05.123456789+02:00","created_by":"<x>","y":[1]}`), json.RawMessage(`{"empty_layer":true}`)},
		Layers: []ocispec.Descriptor{
			{MediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", Digest: diffA, Size: 1},
			{MediaType: ocispec.MediaTypeImageLayerZstd, Digest: diffB, Size: 2, Annotations: map[string]string{"a": "b"}},
		},
		Config: &spec.Config{Image: &spec.Image{Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}, Env: []string{"A=1"}, Cmd: []string{"sh"}}},
	}
	cfg := &spec.Config{Image: &spec.Image{Env: []string{"B=2"}}}
	got, err := image.Config(cfg, base, []image.Layer{layerOf(&spec.Layer{CreatedBy: "app"}, diffB)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"created":"1970-01-01T00:00:00Z","architecture":"arm64","os":"linux","config":{"Env":["A=1","B=2"],"Cmd":["sh"]},` +
		`"rootfs":{"type":"layers","diff_ids":["` + string(diffA) + `","` + string(diffA) + `","` + string(diffB) + `"]},` +
		`"history":[{"created":"2019-05-05T05:05:05.123456789+02:00","created_by":"<x>","y":[1]},{"empty_layer":true},` +
		`{"created":"2020-01-02T03:04:05.678Z","comment":"a layer of the base without a history"},{"created":"1970-01-01T00:00:00Z","created_by":"app"}]}` + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if _, err := v1.ParseConfigFile(strings.NewReader(string(got))); err != nil {
		t.Errorf("another reader does not take it: %v", err)
	}
	m := &spec.Manifest{Annotations: map[string]string{ocispec.AnnotationBaseImageName: "mine"}}
	data, err := image.Manifest(m, base, &ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: diffB, Size: 9}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	if l := manifest.Layers; len(l) != 2 || l[0].MediaType != ocispec.MediaTypeImageLayerGzip || l[1].MediaType != ocispec.MediaTypeImageLayerZstd || l[1].Annotations["a"] != "b" {
		t.Errorf("layers %+v", l)
	}
	if a := manifest.Annotations; len(a) != 2 || a[ocispec.AnnotationBaseImageDigest] != string(diffB) || a[ocispec.AnnotationBaseImageName] != "mine" {
		t.Errorf("annotations %v", a)
	}
	base.Registry = false
	if data, _ = image.Manifest(&spec.Manifest{}, base, nil, nil, nil); strings.Contains(string(data), ocispec.AnnotationBaseImageName) {
		t.Errorf("a path of this machine is in %s", data)
	}
}
