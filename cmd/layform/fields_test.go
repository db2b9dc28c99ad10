//go:build unix

package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// TestFieldsAreReadBack holds that what a spec says of a config comes out of
// go-containerregistry's reader as it was meant.
func TestFieldsAreReadBack(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"layform.hcl": `
layout { path = "dist" }
layer "a" {
  file "/a" { content = "a" }
}
layer "b" {
  created_by = "not told: the config has a history of its own"
  file "/b" { content = "b" }
}
config "c" {
  os            = "windows"
  architecture  = "arm64"
  variant       = "v8"
  os_version    = "10.0.1"
  os_features   = ["win32k"]
  created       = "2026-01-02T03:04:05Z"
  author        = "Ann"
  user          = "1:2"
  exposed_ports = ["80", "53/udp"]
  env           = ["B=1", "A=2"]
  entrypoint    = ["/app"]
  cmd           = ["x", "y"]
  volumes       = ["C:\\data"]
  working_dir   = "C:\\"
  labels        = { l = "m" }
  stop_signal   = "SIGRTMIN+3"
  args_escaped  = true
  memory        = 67108864
  memory_swap   = -1
  cpu_shares    = 512
  healthcheck = {
    test           = "probe"
    interval       = "30s"
    timeout        = "1m30s"
    start_period   = "2s"
    start_interval = "500ms"
    retries        = 3
  }
  history = [
    { created_by = "FROM scratch", empty_layer = true, comment = "c", author = "d" },
    { created_by = "ADD a", created = "2026-01-02" },
    { created_by = "ENV A=2", empty_layer = true },
    { created_by = "ADD b" },
  ]
}
manifest "m" {
  config = config.c
  layers = [layer.a, layer.b]
  tags   = ["latest"]
}
`})
	tool(t, dir, "layform", "apply", "--auto-approve")
	tool(t, dir, "layform", "layout", "validate", "dist")
	ggcrValidate(t, filepath.Join(dir, "dist"))
	index, list := ggcrRoot(t, filepath.Join(dir, "dist"))
	image, err := index.Image(list.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	got, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	zero := v1.Time{Time: time.Unix(0, 0).UTC()}
	want := &v1.ConfigFile{
		OS: "windows", Architecture: "arm64", Variant: "v8", OSVersion: "10.0.1", OSFeatures: []string{"win32k"},
		Created: v1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, Author: "Ann", RootFS: got.RootFS,
		History: []v1.History{
			{Created: zero, CreatedBy: "FROM scratch", EmptyLayer: true, Comment: "c", Author: "d"},
			{Created: v1.Time{Time: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}, CreatedBy: "ADD a"},
			{Created: zero, CreatedBy: "ENV A=2", EmptyLayer: true},
			{Created: zero, CreatedBy: "ADD b"},
		},
		Config: v1.Config{
			User: "1:2", ExposedPorts: map[string]struct{}{"80": {}, "53/udp": {}}, Env: []string{"B=1", "A=2"}, Entrypoint: []string{"/app"}, Cmd: []string{"x", "y"},
			Volumes: map[string]struct{}{`C:\data`: {}}, WorkingDir: `C:\`, Labels: map[string]string{"l": "m"}, StopSignal: "SIGRTMIN+3", ArgsEscaped: true,
			Healthcheck: &v1.HealthConfig{Test: []string{"CMD-SHELL", "probe"}, Interval: 30 * time.Second, Timeout: 90 * time.Second, StartPeriod: 2 * time.Second, Retries: 3},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	raw, err := image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var reserved struct {
		Config struct {
			Memory, MemorySwap, CpuShares int64
			Healthcheck                   struct{ StartInterval time.Duration }
		} `json:"config"`
	}
	if err := json.Unmarshal(raw, &reserved); err != nil {
		t.Fatal(err)
	}
	if c := reserved.Config; c.Memory != 67108864 || c.MemorySwap != -1 || c.CpuShares != 512 || c.Healthcheck.StartInterval != 500*time.Millisecond {
		t.Errorf("%+v in %s", c, raw)
	}
}

// TestDockerMediaTypes holds that media_types = "docker" gives what readers know that
// know no other types, over a base of the image spec's types as well.
func TestDockerMediaTypes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"base/layform.hcl": `
layout { path = "dist" }
layer "l" {
  annotations = { a = "b" }
  file "/base" { content = "base" }
}
config "c" { platform = "linux/amd64" }
manifest "m" {
  config = config.c
  layers = [layer.l]
  tags   = ["latest"]
}
`, "layform.hcl": `
layout { path = "dist" }
base "b" { from = "oci:base/dist:latest" }
layer "l" {
  file "/app" { content = "app" }
}
layer "plain" {
  compression = "none"
  file "/plain" { content = "plain" }
}
config "c" {}
manifest "m" {
  base        = base.b
  config      = config.c
  layers      = [layer.l, layer.plain]
  media_types = "docker"
}
index "x" {
  manifests   = [manifest.m]
  media_types = "docker"
  tags        = ["latest"]
}
output "type" { value = manifest.m.media_type }
`})
	tool(t, filepath.Join(dir, "base"), "layform", "apply", "--auto-approve")
	tool(t, dir, "layform", "apply", "--auto-approve")
	tool(t, dir, "layform", "layout", "validate", "dist")
	tool(t, dir, "layform", "plan", "--detailed-exitcode")
	ggcrValidate(t, filepath.Join(dir, "dist"))
	if got := tool(t, dir, "layform", "output", "--raw", "type"); strings.TrimSpace(got) != string(types.DockerManifestSchema2) {
		t.Errorf("media_type is %q", got)
	}
	root, entries := ggcrRoot(t, filepath.Join(dir, "dist"))
	index, list := ggcrChild(t, root)
	image, err := index.Image(list.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	got := []types.MediaType{entries.Manifests[0].MediaType, list.MediaType, list.Manifests[0].MediaType, manifest.MediaType, manifest.Config.MediaType}
	for _, l := range manifest.Layers {
		got = append(got, l.MediaType)
		if l.Annotations != nil {
			t.Errorf("a layer has the annotations %v", l.Annotations)
		}
	}
	want := []types.MediaType{
		types.DockerManifestList, types.DockerManifestList, types.DockerManifestSchema2, types.DockerManifestSchema2, types.DockerConfigJSON,
		types.DockerLayer, types.DockerLayer, types.DockerUncompressedLayer,
	}
	if diff := cmp.Diff(want, got); diff != "" || manifest.Annotations != nil || list.Manifests[0].Platform.Architecture != "amd64" {
		t.Errorf("(-want +got):\n%s%v, %v", diff, manifest.Annotations, list.Manifests[0].Platform)
	}
}

// TestEmbeddedConfig holds that the config that a manifest embeds is the config, the
// empty one of an artifact as well.
func TestEmbeddedConfig(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"layform.hcl": `
layout { path = "dist" }
layer "l" {
  file "/app" { content = "app" }
}
config "c" { platform = "linux/amd64" }
manifest "m" {
  config       = config.c
  layers       = [layer.l]
  embed_config = true
  tags         = ["image"]
}
manifest "a" {
  artifact_type = "application/vnd.example.note"
  embed_config  = true
  tags          = ["artifact"]
}
config "bytes" {
  media_type     = "application/vnd.example.model"
  content_base64 = "AAH/"
}
manifest "b" {
  artifact_type = "application/vnd.example.model"
  config        = config.bytes
  embed_config  = true
  platform      = "windows/amd64"
  os_version    = "10.0.1"
  os_features   = ["win32k"]
  tags          = ["bytes"]
}
index "x" {
  manifests       = [manifest.m]
  embed_manifests = true
}
index "outer" {
  manifests       = [index.x]
  embed_manifests = true
  tags            = ["index"]
}
`})
	tool(t, dir, "layform", "apply", "--auto-approve")
	tool(t, dir, "layform", "layout", "validate", "dist")
	tool(t, dir, "layform", "plan", "--detailed-exitcode")
	index, list := ggcrRoot(t, filepath.Join(dir, "dist"))
	if len(list.Manifests) != 4 {
		t.Fatal(list)
	}
	if p := list.Manifests[1].Platform; p == nil || p.OSVersion != "10.0.1" || !slices.Equal(p.OSFeatures, []string{"win32k"}) || p.Architecture != "amd64" {
		t.Errorf("the platform of %v is %v", list.Manifests[1].Annotations, p)
	}
	for _, entry := range list.Manifests {
		if entry.MediaType.IsIndex() {
			embedsManifests(t, index, entry.Digest)
			continue
		}
		image, err := index.Image(entry.Digest)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.RawConfigFile()
		if err != nil || string(manifest.Config.Data) != string(config) || len(config) < 2 {
			t.Errorf("%s embeds %q, and its config is %q, %v", entry.Annotations, manifest.Config.Data, config, err)
		}
	}
}

// embedsManifests checks that an index and those in it embed their members.
func embedsManifests(t *testing.T, in v1.ImageIndex, at v1.Hash) {
	t.Helper()
	index, err := in.ImageIndex(at)
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil || len(list.Manifests) != 1 {
		t.Fatal(list, err)
	}
	for _, entry := range list.Manifests {
		var content []byte
		if entry.MediaType.IsIndex() {
			embedsManifests(t, index, entry.Digest)
			child, err := index.ImageIndex(entry.Digest)
			if err != nil {
				t.Fatal(err)
			}
			content, err = child.RawManifest()
			if err != nil {
				t.Fatal(err)
			}
		} else {
			child, err := index.Image(entry.Digest)
			if err != nil {
				t.Fatal(err)
			}
			content, err = child.RawManifest()
			if err != nil {
				t.Fatal(err)
			}
		}
		if string(entry.Data) != string(content) || len(content) == 0 {
			t.Errorf("%s embeds %q, and is %q", entry.Digest, entry.Data, content)
		}
	}
}
