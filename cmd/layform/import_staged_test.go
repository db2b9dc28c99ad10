//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// begun makes a layout as regshape leaves it: after its first n steps.
type begun struct {
	t       *testing.T
	dir     string
	stage   stagingFile
	entries []ocispec.Descriptor
}

func (b *begun) blob(mediaType string, data []byte) *stagedBlob {
	dgst := digest.FromBytes(data)
	write(b.t, b.dir, map[string]string{"blobs/sha256/" + dgst.Encoded(): string(data)})
	return &stagedBlob{Digest: dgst, Size: int64(len(data)), MediaType: mediaType}
}

func (b *begun) layer(name string, annotations map[string]string) {
	r, err := tarLayer(b.t, name, "content of "+name).Uncompressed()
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.Copy(w, r); err != nil {
		b.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	l := b.blob(ocispec.MediaTypeImageLayerGzip, out.Bytes())
	l.Annotations = annotations
	b.stage.Layers = append(b.stage.Layers, *l)
}

// config is a config with the mistake that regshape makes: digests of blobs as diffIDs.
func (b *begun) config(architecture string) {
	var diffIDs []string
	for _, l := range b.stage.Layers {
		diffIDs = append(diffIDs, string(l.Digest))
	}
	b.stage.Config = b.document(ocispec.MediaTypeImageConfig, map[string]any{
		"architecture": architecture, "os": "linux", "config": map[string]any{"Labels": map[string]string{"v": "1"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
}

func (b *begun) document(mediaType string, doc any) *stagedBlob {
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		b.t.Fatal(err)
	}
	return b.blob(mediaType, data)
}

// manifest generates a manifest, whose entry is appended or, for again, takes the place of
// the last one.
func (b *begun) manifest(annotations map[string]string, again bool) {
	of := func(s *stagedBlob) ocispec.Descriptor {
		d, err := s.descriptor()
		if err != nil {
			b.t.Fatal(err)
		}
		return *d
	}
	var layers []ocispec.Descriptor
	for i := range b.stage.Layers {
		layers = append(layers, of(&b.stage.Layers[i]))
	}
	b.stage.Manifest = b.document(ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "config": of(b.stage.Config), "layers": layers, "annotations": annotations,
	})
	entry := of(b.stage.Manifest)
	entry.Annotations = map[string]string{ocispec.AnnotationRefName: "latest"}
	if again {
		b.entries = b.entries[:len(b.entries)-1]
	}
	b.entries = append(b.entries, entry)
}

func (b *begun) save() {
	text := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		return string(data)
	}
	if b.entries == nil {
		b.entries = []ocispec.Descriptor{}
	}
	b.stage.SchemaVersion = 1
	write(b.t, b.dir, map[string]string{
		"oci-layout": `{"imageLayoutVersion": "1.0.0"}`, "index.json": text(map[string]any{"schemaVersion": 2, "manifests": b.entries}), stagingName: text(b.stage),
	})
}

// stagedStates prepare a layout as it is after each step of regshape's workflow.
func stagedStates() map[string]func(b *begun) {
	version := map[string]string{"org.opencontainers.image.version": "1"}
	layers := func(b *begun) {
		b.layer("a", map[string]string{"com.example.role": "base", "org.opencontainers.image.created": "2026-03-08"})
		b.layer("b", nil)
	}
	config := func(b *begun) { layers(b); b.config("amd64") }
	manifest := func(b *begun) { config(b); b.manifest(version, false) }
	updated := func(b *begun) { manifest(b); b.config("arm64") }
	return map[string]func(b *begun){
		"initialised":   func(*begun) {},
		"layers staged": layers, "config generated": config, "manifest generated": manifest,
		"annotated": func(b *begun) {
			manifest(b)
			b.manifest(map[string]string{"org.opencontainers.image.version": "1", "org.opencontainers.image.created": "2026-03-08"}, true)
		},
		"config updated after the manifest": updated,
		"two entries":                       func(b *begun) { updated(b); b.manifest(version, false) },
	}
}

// TestImportStaged imports a layout in every state in which regshape leaves one: nothing of
// the layout is written before an apply, and that finishes an image that others read.
func TestImportStaged(t *testing.T) {
	t.Parallel()
	for name, steps := range stagedStates() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := &begun{t: t, dir: filepath.Join(dir, "l")}
			if err := os.MkdirAll(filepath.Join(b.dir, "blobs/sha256"), 0o755); err != nil {
				t.Fatal(err)
			}
			steps(b)
			b.save()
			before := layoutFiles(t, b.dir)
			out := tool(t, dir, "layform", "import", "l")
			if diff := cmp.Diff(before, layoutFiles(t, b.dir)); diff != "" {
				t.Errorf("import changed the layout: %s", diff)
			}
			if mends := strings.Contains(out, "finishes and mends"); mends != (name != "initialised") {
				t.Errorf("%s", out)
			}
			if b.stage.Config != nil && !strings.Contains(out, "differ in rootfs.diff_ids[0]") {
				t.Errorf("the plan does not say what is wrong with the config: %s", out)
			}
			tool(t, dir, "layform", "apply", "--auto-approve")
			noChanges(t, dir)
			tool(t, dir, "layform", "layout", "validate", "l")
			if len(b.stage.Layers) > 0 {
				finished(t, b)
			}
		})
	}
}

// finished lets other readers look at the image.
func finished(t *testing.T, b *begun) {
	t.Helper()
	index, list := ggcrRoot(t, b.dir)
	if err := validate.Index(index); err != nil {
		t.Errorf("go-containerregistry does not accept it: %v", err)
	}
	if len(list.Manifests) != 1 {
		t.Fatalf("%d entries", len(list.Manifests))
	}
	if _, err := exec.LookPath("umoci"); err != nil || len(b.entries) == 0 {
		return
	}
	tool(t, filepath.Dir(b.dir), "umoci", "unpack", "--rootless", "--image", b.dir+":latest", "bundle")
	names, err := filepath.Glob(filepath.Join(filepath.Dir(b.dir), "bundle", "rootfs", "*"))
	if err != nil || len(names) < 2 {
		t.Errorf("umoci unpacks %v, %v", names, err)
	}
}

// TestImportStagedRefuses imports layouts whose staging file is hostile or not true.
func TestImportStagedRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "{", "[]", `{"schema_version":2,"layers":[]}`, `{"schema_version":1,"layers":[],"Layers":[]}`, `{"schema_version":1,"layers":[],"layers":[]}`,
		`{"schema_version":1,"layers":[{"digest":"sha256:../../x","size":1,"media_type":"a/b"}]}`,
		`{"schema_version":1,"layers":[{"digest":"sha256:` + strings.Repeat("a", 64) + `","size":1,"media_type":"application/vnd.oci.image.layer.v1.tar"}]}`,
		`{"schema_version":1,"layers":[{"digest":"sha256:` + strings.Repeat("a", 64) + `","size":-1,"media_type":"a/b"}]}`,
		strings.Repeat(" ", 5<<20), fmt.Sprintf(`{"schema_version":1,"layers":[]%s}`, strings.Repeat(" ", 5<<20)),
	} {
		dir := t.TempDir()
		b := &begun{t: t, dir: filepath.Join(dir, "l")}
		b.layer("a", nil)
		b.save()
		write(t, b.dir, map[string]string{stagingName: text})
		before := layoutFiles(t, dir)
		cmd := exec.Command("layform", "import", "l")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%.80q is imported: %s", text, out)
		}
		if diff := cmp.Diff(before, layoutFiles(t, dir)); diff != "" {
			t.Errorf("%.80q: something was written: %s", text, diff)
		}
	}
}
