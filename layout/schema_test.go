//go:build unix

package layout_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/schema"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/validate"
)

// documents are those of a small layout, with every member that the image spec's
// JSON schemas know, so that each can be changed.
type documents struct {
	layout, config, manifest, nested, index map[string]any
}

func descriptorOf(mediaType string, data []byte) map[string]any {
	return map[string]any{
		"mediaType": mediaType, "digest": string(digest.FromBytes(data)), "size": len(data), "urls": []any{"https://example.com/x"},
		"annotations": map[string]any{"a": "b"},
	}
}

func goodDocuments() *documents {
	const created = "2026-01-02T03:04:05Z"
	platform := map[string]any{"os": "windows", "architecture": "arm64", "variant": "v8", "os.version": "10.0", "os.features": []any{"win32k"}}
	config := maps.Clone(platform)
	maps.Copy(config, map[string]any{
		"created": created, "author": "a", "rootfs": map[string]any{"type": "layers", "diff_ids": []any{string(digest.FromString("tar"))}},
		"config": map[string]any{
			"User": "u", "ExposedPorts": map[string]any{"80/tcp": map[string]any{}}, "Env": []any{"A=b"}, "Entrypoint": []any{"e"}, "Cmd": []any{"c"},
			"Volumes": map[string]any{"/v": map[string]any{}}, "WorkingDir": "/w", "Labels": map[string]any{"l": "m"}, "StopSignal": "SIGTERM", "ArgsEscaped": true,
		},
		"history": []any{map[string]any{"created": created, "author": "a", "created_by": "b", "comment": "c", "empty_layer": false}},
	})
	entry := func() map[string]any {
		return map[string]any{
			"urls": []any{"https://example.com/x"}, "annotations": map[string]any{"a": "b"}, "artifactType": "a/b", "data": nil, "platform": maps.Clone(platform),
		}
	}
	layer := descriptorOf(ocispec.MediaTypeImageLayerGzip, []byte("layer"))
	layer["artifactType"], layer["data"] = "a/b", []byte("layer")
	return &documents{
		layout: map[string]any{"imageLayoutVersion": "1.0.0"},
		config: config,
		manifest: map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "artifactType": "a/b", "layers": []any{layer},
			"subject": descriptorOf(ocispec.MediaTypeImageManifest, []byte("elsewhere")), "annotations": map[string]any{"a": "b"},
		},
		nested: map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "artifactType": "a/b", "manifests": []any{entry()},
			"subject": descriptorOf(ocispec.MediaTypeImageIndex, []byte("elsewhere")), "annotations": map[string]any{"a": "b"},
		},
		index: map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": []any{entry()}, "annotations": map[string]any{"a": "b"}},
	}
}

// mutation is a change of one document, and what the schemas say of it.
type mutation struct {
	what    string
	verdict error
}

// archive gives the layout as a tar. change may change each document when all
// below it is there; the schema's verdict on what it changed is kept.
func (d *documents) archive(t *testing.T, change func(name string, doc map[string]any) bool) ([]byte, mutation) {
	t.Helper()
	var m mutation
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	file := func(name string, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, doc map[string]any, validator schema.Validator) []byte {
		changed := change(name, doc)
		data, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if changed {
			m = mutation{name + ": " + string(data), validator.Validate(bytes.NewReader(data))}
		}
		return data
	}
	blob := func(data []byte) { file("blobs/sha256/"+digest.FromBytes(data).Encoded(), data) }
	blob([]byte("layer"))
	config := write("config", d.config, schema.ValidatorMediaTypeImageConfig)
	blob(config)
	d.manifest["config"] = descriptorOf(ocispec.MediaTypeImageConfig, config)
	manifest := write("manifest", d.manifest, schema.ValidatorMediaTypeManifest)
	blob(manifest)
	refer := func(entries any, mediaType string, data []byte) {
		e := entries.([]any)[0].(map[string]any)
		e["mediaType"], e["digest"], e["size"], e["data"] = mediaType, string(digest.FromBytes(data)), len(data), data
	}
	refer(d.nested["manifests"], ocispec.MediaTypeImageManifest, manifest)
	nested := write("nested", d.nested, schema.ValidatorMediaTypeImageIndex)
	blob(nested)
	refer(d.index["manifests"], ocispec.MediaTypeImageIndex, nested)
	file("index.json", write("index.json", d.index, schema.ValidatorMediaTypeImageIndex))
	file("oci-layout", write("oci-layout", d.layout, schema.ValidatorMediaTypeLayoutHeader))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), m
}

func quickFindings(t *testing.T, data []byte) []validate.Finding {
	t.Helper()
	return validateArchive(t, data, validate.Options{Quick: true})
}

// spot is one value of a document that can be changed.
type spot struct {
	place string
	set   func(v any)
	drop  func() // nil for elements of arrays
	value any
}

// spotsOf lists all values below v, in a fixed order.
func spotsOf(place string, v any) []spot {
	var out []spot
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			at := place + "." + key
			out = append(out, spot{at, func(to any) { v[key] = to }, func() { delete(v, key) }, v[key]})
			out = append(out, spotsOf(at, v[key])...)
		}
	case []any:
		for i := range v {
			at := fmt.Sprintf("%s[%d]", place, i)
			out = append(out, spot{at, func(to any) { v[i] = to }, nil, v[i]})
			out = append(out, spotsOf(at, v[i])...)
		}
	}
	return out
}

// values are what a member is set to.
func values(was any) []any {
	list := []any{
		nil, "", " ", "x", "a/b", "../x", "//host/x", "http://[::1", "urn:x", "sha256:" + strings.Repeat("a", 64), "sha256:short", "a/b; c=d", "2026-01-02", "\x00", "é",
		0, 1, 2, 3, -1, 1.5, 1e300, true, false, []any{}, map[string]any{}, []any{nil}, []any{"x"}, []any{1}, []any{map[string]any{}},
		map[string]any{"k": nil}, map[string]any{"k": 1}, map[string]any{"": "v"}, map[string]any{"k": map[string]any{}},
	}
	if s, ok := was.(string); ok {
		list = append(list, s+"\n", strings.ToUpper(s), s+strings.Repeat("x", 200))
	}
	if l, ok := was.([]any); ok {
		list = append(list, append(slices.Clone(l), nil), append(slices.Clone(l), 1))
	}
	return list
}

// The image spec's own JSON schemas are the floor: what they refuse, Validate has
// a finding for.
func TestSchemasAreTheFloor(t *testing.T) {
	good, _ := goodDocuments().archive(t, func(string, map[string]any) bool { return false })
	if found := quickFindings(t, good); len(found) > 0 {
		t.Fatalf("the layout that is changed has findings: %+v", found)
	}
	n := 2500
	if testing.Short() {
		n = 500
	}
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"config", "config", "manifest", "manifest", "nested", "nested", "index.json", "index.json", "oci-layout"}
	refused := map[string]int{}
	for range n {
		target := names[random.IntN(len(names))]
		place := ""
		data, m := goodDocuments().archive(t, func(name string, doc map[string]any) bool {
			if name != target {
				return false
			}
			spots := spotsOf("", doc)
			for range 1 + random.IntN(2)*random.IntN(2) { // most often one change
				s := spots[random.IntN(len(spots))]
				place += s.place + " "
				if s.drop != nil && random.IntN(4) == 0 {
					s.drop()
					continue
				}
				choices := values(s.value)
				s.set(choices[random.IntN(len(choices))])
			}
			return true
		})
		// The package of the schemas also wants variables on one line, which neither
		// they nor the image spec do.
		if m.verdict == nil || strings.HasPrefix(m.verdict.Error(), "unexpected env") && strings.Contains(place, ".Env[") && strings.Contains(m.what, `\n"`) {
			continue
		}
		refused[target]++
		if len(quickFindings(t, data)) == 0 {
			t.Errorf("%s: %s\nthe schema says %v, Validate nothing", place, m.what, m.verdict)
		}
	}
	for _, name := range names {
		if refused[name] < n/50 {
			t.Errorf("only %d of %d changes of %s are refused by the schemas: the test has no teeth", refused[name], n, name)
		}
	}
}
