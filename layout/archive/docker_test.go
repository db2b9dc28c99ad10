package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/layouttest"
)

// saved is an entry of a tar of docker save: a file or, with link set, a symbolic link.
type saved struct {
	name string
	data []byte
	link string
}

func saveTar(t *testing.T, entries ...saved) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data))}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "save.tar")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// dockerSave gives what docker save writes: a base layer that two images share, once as a
// link, and a layer of each of their own, one of them compressed.
func dockerSave(t *testing.T) (entries []saved, base, first, second []byte) {
	t.Helper()
	base, first, second = layerTar(t, "base", "base"), layerTar(t, "first", "first"), layerTar(t, "second", "second")
	config := func(layers ...[]byte) []byte {
		c := map[string]any{"architecture": "amd64", "os": "linux", "docker_version": "20.10", "rootfs": map[string]any{"type": "layers"}}
		var ids []digest.Digest
		for _, l := range layers {
			ids = append(ids, digest.FromBytes(l))
		}
		c["rootfs"].(map[string]any)["diff_ids"] = ids
		return encode(t, c)
	}
	one, two := config(base, first), config(base, second)
	list := []map[string]any{
		{"Config": "one.json", "RepoTags": []string{"app:1", "registry.example.com/app:1"}, "Layers": []string{"b/layer.tar", "f/layer.tar"}},
		{"Config": "two.json", "RepoTags": nil, "Layers": []string{"l/layer.tar", "s/layer.tar"}},
	}
	return []saved{
		{name: "b/VERSION", data: []byte("1.0")},
		{name: "b/layer.tar", data: base},
		{name: "f/layer.tar", data: first},
		{name: "l/layer.tar", link: "../b/layer.tar"},
		{name: "s/layer.tar", data: zipped(t, second)},
		{name: "one.json", data: one},
		{name: "two.json", data: two},
		{name: "manifest.json", data: encode(t, list)},
		{name: "repositories", data: []byte(`{"app":{"1":"f"}}`)},
	}, base, first, second
}

func TestDockerSaveIsALayout(t *testing.T) {
	entries, base, first, second := dockerSave(t)
	r := openTar(t, saveTar(t, entries...))
	index, err := r.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, desc := range index.Descriptors() {
		names = append(names, layout.RefName(desc))
	}
	if !slices.Equal(names, []string{"app:1", "registry.example.com/app:1", ""}) {
		t.Fatalf("the names are %q", names)
	}
	for i, want := range map[int][]ocispec.Descriptor{
		0: {{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(base)}, {MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(first)}},
		2: {{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(base)}, {MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromBytes(zipped(t, second))}},
	} {
		doc, err := r.Document(t.Context(), index.Descriptors()[i])
		if err != nil {
			t.Fatal(err)
		}
		for j, l := range doc.Layers {
			if l.MediaType != want[j].MediaType || l.Digest != want[j].Digest {
				t.Errorf("layer %d of image %d is %v", j, i, l)
			}
			if _, err := r.ReadBlob(t.Context(), l, 0); err != nil {
				t.Error(err)
			}
		}
		if config, err := r.ReadBlob(t.Context(), *doc.Config, 0); err != nil || !bytes.Contains(config, []byte("docker_version")) {
			t.Errorf("the config is %s, %v", config, err)
		}
	}
	// It can be exported, and then is a layout like any other.
	file, _ := export(t, r, archive.WriteOptions{Docker: &archive.Docker{}})
	again := openTar(t, file)
	if desc, err := again.Resolve(t.Context(), "app:1"); err != nil || desc.Digest != index.Descriptors()[0].Digest {
		t.Errorf("app:1 is %s, %v", desc.Digest, err)
	}
	for blob, err := range r.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadBlob(t.Context(), ocispec.Descriptor{Digest: blob.Digest, Size: blob.Size}, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestBadDockerSave(t *testing.T) {
	good, base, _, _ := dockerSave(t)
	with := func(name string, data []byte) []saved {
		entries := slices.Clone(good)
		for i := range entries {
			if entries[i].name == name {
				entries[i] = saved{name: name, data: data}
			}
		}
		return entries
	}
	list := func(text string) []saved { return with("manifest.json", []byte(text)) }
	for want, entries := range map[string][]saved{
		"cannot be used":                  list("no JSON"),
		"none.json is not in the archive": list(`[{"Config":"none.json","Layers":[]}]`),
		"is not in the archive":           list(`[{"Config":"../../etc/passwd","Layers":[]}]`),
		"not a regular file":              list(`[{"Config":"b","Layers":[]}]`),
		"has 1 layers":                    list(`[{"Config":"one.json","Layers":["b/layer.tar"]}]`),
		"no layer":                        with("f/layer.tar", []byte("no tar")),
		"the name":                        list(`[{"Config":"one.json","RepoTags":["a b"],"Layers":["b/layer.tar","f/layer.tar"]}]`),
		"cannot be understood":            with("one.json", []byte("[]")),
		"diffID":                          with("one.json", []byte(`{"rootfs":{"diff_ids":["../x","sha256:1"]}}`)),
		"the limit is":                    with("one.json", bytes.Repeat([]byte(" "), 5<<20)),
	} {
		_, err := readTar(t, saveTar(t, entries...))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "manifest.json") {
			t.Errorf("%s: %v", want, err)
		}
	}
	// A layer that is not what the config says is noticed by who reads it.
	r := openTar(t, saveTar(t, with("f/layer.tar", base)...))
	index, err := r.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := r.Document(t.Context(), index.Descriptors()[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadBlob(t.Context(), doc.Layers[1], 0); err == nil {
		t.Error("a layer with other content was read")
	}
	// Links that lead nowhere, out, or to other links.
	for _, link := range []string{"../none/layer.tar", "/etc/passwd", "../../../etc/passwd", "../l/layer.tar"} {
		entries := slices.Clone(good)
		for i := range entries {
			if entries[i].link != "" {
				entries[i].link = link
			}
		}
		if _, err := readTar(t, saveTar(t, entries...)); err == nil {
			t.Errorf("a link to %s was followed", link)
		}
	}
	// Names without end are not taken.
	names := slices.Repeat([]string{`"app:1"`}, 10_001)
	_, err = readTar(t, saveTar(t, list(`[{"Config":"one.json","RepoTags":[`+strings.Join(names, ",")+`],"Layers":["b/layer.tar","f/layer.tar"]}]`)...))
	if err == nil || !strings.Contains(err.Error(), "more than 10000 names") {
		t.Errorf("many names: %v", err)
	}
	layers := slices.Repeat([]string{`"b/layer.tar"`}, 20_001)
	_, err = readTar(t, saveTar(t, list(`[{"Config":"one.json","Layers":[`+strings.Join(layers, ",")+`]}]`)...))
	if err == nil || !strings.Contains(err.Error(), "more than 20000 layers") {
		t.Errorf("many layers: %v", err)
	}
	// Configs without end are not read.
	many := []string{}
	for i := range 40 {
		many = append(many, fmt.Sprintf(`{"Config":"one.json","RepoTags":["app:%d"],"Layers":["b/layer.tar","f/layer.tar"]}`, i))
	}
	var padded []byte
	for _, e := range good {
		if e.name == "one.json" {
			padded = append(e.data, bytes.Repeat([]byte(" "), 3<<20)...)
		}
	}
	entries := list("[" + strings.Join(many, ",") + "]")
	for i := range entries {
		if entries[i].name == "one.json" {
			entries[i].data = padded
		}
	}
	if _, err := readTar(t, saveTar(t, entries...)); err == nil || !strings.Contains(err.Error(), "the configs of the images have more than") {
		t.Errorf("many configs: %v", err)
	}
}

func TestDockerManifest(t *testing.T) {
	s := newSample(t)
	_, err := archive.SumOf(t.Context(), s.store.Reader, archive.WriteOptions{Docker: &archive.Docker{Name: "app"}})
	if err == nil || !strings.Contains(err.Error(), "linux/amd64, linux/arm64") {
		t.Errorf("two platforms: %v", err)
	}
	amd64 := ocispec.Platform{OS: "linux", Architecture: "amd64"}
	_, err = archive.SumOf(t.Context(), s.store.Reader, archive.WriteOptions{Docker: &archive.Docker{Platform: amd64}})
	if err == nil || !strings.Contains(err.Error(), "--name") {
		t.Errorf("a tag alone: %v", err)
	}
	_, err = archive.SumOf(t.Context(), s.store.Reader, archive.WriteOptions{Docker: &archive.Docker{Platform: ocispec.Platform{OS: "linux", Architecture: "s390x"}}})
	if err == nil || !strings.Contains(err.Error(), "linux/s390x") {
		t.Errorf("another platform: %v", err)
	}
	s.tag(t, s.index, "other.example.com/app:2")
	_, data := export(t, s.store.Reader, archive.WriteOptions{Docker: &archive.Docker{Name: "team/app", Platform: amd64}})
	var images []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(member(t, data, "manifest.json"), &images); err != nil {
		t.Fatal(err)
	}
	if len(images) != 1 || !slices.Equal(images[0].RepoTags, []string{"team/app:v1", "other.example.com/app:2"}) || len(images[0].Layers) != 1 {
		t.Fatalf("manifest.json has %v", images)
	}
	if config := member(t, data, images[0].Config); !bytes.Contains(config, []byte("amd64")) {
		t.Errorf("the config is %s", config)
	}
	if got := member(t, data, images[0].Layers[0]); !bytes.Equal(got, layerTar(t, "app", "for amd64")) {
		t.Errorf("the layer is %q", got)
	}
	// A platform without a variant takes every variant.
	v8 := newSample(t)
	doc, err := v8.store.Document(t.Context(), v8.index)
	if err != nil {
		t.Fatal(err)
	}
	doc.Manifests[1].Platform.Variant = "v8"
	changed := layouttest.Put(t, v8.store, ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: doc.Manifests})
	v8.tag(t, changed, "v1")
	_, data = export(t, v8.store.Reader, archive.WriteOptions{Docker: &archive.Docker{Name: "app", Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}}})
	if !bytes.Contains(member(t, data, "manifest.json"), []byte("app:v1")) {
		t.Error("no image for linux/arm64 was found")
	}
	// A layout without images.
	_, err = archive.SumOf(t.Context(), layout.Empty("x"), archive.WriteOptions{Docker: &archive.Docker{}})
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no image") {
		t.Errorf("nothing at all: %v", err)
	}
}

// member is the content of a file in a tar.
func member(t *testing.T, data []byte, name string) []byte {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h.Name != name {
			continue
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
}
