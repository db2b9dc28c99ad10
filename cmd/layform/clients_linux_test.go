package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// indexDigest is the digest of the first entry of a layout.
func indexDigest(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil || len(index.Manifests) == 0 {
		t.Fatalf("index.json has no entries: %v", err)
	}
	return string(index.Manifests[0].Digest)
}

// registryClient is how a client pulls SRC and pushes what it pulled as DST.
type registryClient struct {
	set func(*testing.T, *engines)
	// commands are shell commands, in a directory of their own.
	commands string
	// same is set where what it pushes has the digest of what it pulled: the others keep
	// one platform, or write a manifest of their own.
	same bool
}

func noEngine(*testing.T, *engines) {}

var registryClients = map[string]registryClient{
	"docker": {set: func(t *testing.T, e *engines) { e.docker(t) }, commands: "docker pull SRC && docker tag SRC DST && docker push DST"},
	"ctr": {
		set:      func(t *testing.T, e *engines) { e.containerd(t) },
		commands: "ctr images pull --plain-http --all-platforms SRC && ctr images tag SRC DST && ctr images push --plain-http DST", same: true,
	},
	"podman": {
		set:      func(t *testing.T, e *engines) { e.podman(t, "podman") },
		commands: "podman pull --tls-verify=false SRC && podman push --tls-verify=false SRC docker://DST",
	},
	"buildah": {
		set:      func(t *testing.T, e *engines) { e.podman(t, "buildah") },
		commands: "buildah pull --tls-verify=false SRC && buildah push --tls-verify=false SRC docker://DST",
	},
	"skopeo": {
		set:      noEngine,
		commands: "skopeo --insecure-policy copy --all --src-tls-verify=false docker://SRC oci:skopeo:v1 && skopeo --insecure-policy copy --all --dest-tls-verify=false oci:skopeo:v1 docker://DST", same: true,
	},
	"regctl": {
		set:      noEngine,
		commands: "regctl registry set --skip-check --tls disabled HOST && regctl image copy SRC ocidir://regctl:v1 && regctl image copy ocidir://regctl:v1 DST", same: true,
	},
	"crane": {set: noEngine, commands: "crane copy --insecure SRC DST", same: true},
	"oras":  {set: noEngine, commands: "oras cp --from-plain-http --to-oci-layout SRC oras:v1 && oras cp --from-oci-layout --to-plain-http oras:v1 DST", same: true},
}

// TestClientsOfRegistries: engines and tools pull from a real registry what layform
// pushed, and layform pulls what they push.
func TestClientsOfRegistries(t *testing.T) {
	dir := helloExample(t)
	for name, client := range registryClients {
		t.Run(name, func(t *testing.T) {
			need(t, name)
			e := newEngines(t)
			host := e.registry(t)
			client.set(t, e)
			src, dst := host+"/team/hello:latest", host+"/from/"+name+":v1"
			tool(t, dir, "layform", "push", "docker://"+host+"/team/hello")
			want := strings.TrimSpace(tool(t, dir, "layform", "output", "--raw", "digest"))
			t.Setenv("REGCTL_CONFIG", filepath.Join(e.work, "regctl.json"))
			tool(t, t.TempDir(), "sh", "-c", strings.NewReplacer("SRC", src, "DST", dst, "HOST", host).Replace(client.commands))
			back := t.TempDir()
			tool(t, back, "layform", "pull", "docker://"+dst, "oci:back:v1")
			tool(t, back, "layform", "layout", "validate", "back")
			if got := indexDigest(t, filepath.Join(back, "back")); client.same && got != want {
				t.Errorf("%s pushed %s, want %s", name, got, want)
			}
			if text := tool(t, back, "layform", "layout", "cat", "--platform", "linux/amd64", "back:v1", "/etc/greeting"); !strings.Contains(text, greeting) {
				t.Errorf("the image that %s pushed says %q", name, text)
			}
		})
	}
}
