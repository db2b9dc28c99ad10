//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// foreignLayouts are layouts that others made, by name: each fills a directory that
// does not exist.
func foreignLayouts() map[string]func(t *testing.T, dir string) {
	all := map[string]func(t *testing.T, dir string){}
	for name, make := range ggcrLayouts() {
		all["ggcr "+name] = make
	}
	for name, make := range handmadeLayouts() {
		all["by hand: "+name] = make
	}
	for name, make := range toolLayouts() {
		all[name] = make
	}
	return all
}

// tarLayer is a layer of one file.
func tarLayer(t *testing.T, name, content string) v1.Layer {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), ModTime: time.Unix(1700000000, 123)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ggcrImageOf is an image with a config that says much.
func ggcrImageOf(t *testing.T, architecture, variant string) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(img,
		mutate.Addendum{Layer: tarLayer(t, "a", "first "+architecture), MediaType: types.OCILayer, History: v1.History{CreatedBy: "ADD a", Author: "me", Created: v1.Time{Time: time.Unix(1700000000, 999).UTC()}}},
		mutate.Addendum{History: v1.History{CreatedBy: "ENV A=b", EmptyLayer: true, Comment: "${not a template}"}},
		mutate.Addendum{Layer: tarLayer(t, "b", "second"), MediaType: types.OCILayer, History: v1.History{CreatedBy: "ADD b"}, Annotations: map[string]string{"com.example.role": "b"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.Architecture, file.OS, file.Variant, file.Author = architecture, "linux", variant, "me"
	file.DockerVersion = "27" //lint:ignore SA1019 Docker's images have it, and import keeps it
	file.Created = v1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("", 7200))}
	file.Config = v1.Config{
		User: "1:2", Env: []string{"Z=1", "A=${x}"}, Cmd: []string{"a", "%{if}"}, Entrypoint: []string{"/x"}, WorkingDir: "/w", StopSignal: "SIGTERM",
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}, Volumes: map[string]struct{}{"/v": {}}, Labels: map[string]string{"a.b": "\"c\"\n"},
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "x"}, Interval: 1e9, Retries: 3}, OnBuild: []string{"RUN x"}, Shell: []string{"/bin/sh"}, Hostname: "h", AttachStdin: true,
	}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return mutate.Annotations(img, map[string]string{"org.opencontainers.image.version": "1"}).(v1.Image)
}

// ggcrLayouts are layouts by go-containerregistry.
func ggcrLayouts() map[string]func(t *testing.T, dir string) {
	appended := func(t *testing.T, dir string, options ...ggcrlayout.Option) {
		path, err := ggcrlayout.Write(dir, empty.Index)
		if err == nil {
			err = path.AppendImage(ggcrImageOf(t, "amd64", ""), options...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	index := func(t *testing.T) v1.ImageIndex {
		return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
			mutate.IndexAddendum{Add: ggcrImageOf(t, "amd64", ""), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
			mutate.IndexAddendum{Add: ggcrImageOf(t, "arm64", "v8"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, Annotations: map[string]string{"x": "y"}}})
	}
	return map[string]func(t *testing.T, dir string){
		"image without a name": func(t *testing.T, dir string) { appended(t, dir) },
		"image with a name": func(t *testing.T, dir string) {
			appended(t, dir, ggcrlayout.WithAnnotations(map[string]string{ocispec.AnnotationRefName: "registry.example.com/team/app:v1.2", "k": "v"}))
		},
		"image with a platform": func(t *testing.T, dir string) {
			appended(t, dir, ggcrlayout.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
		},
		"image with another platform": func(t *testing.T, dir string) {
			appended(t, dir, ggcrlayout.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v3"}))
		},
		"index": func(t *testing.T, dir string) {
			path, err := ggcrlayout.Write(dir, empty.Index)
			if err == nil {
				err = path.AppendIndex(index(t), ggcrlayout.WithAnnotations(map[string]string{ocispec.AnnotationRefName: "latest"}))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"index as the layout": func(t *testing.T, dir string) {
			if _, err := ggcrlayout.Write(dir, index(t)); err != nil {
				t.Fatal(err)
			}
		},
		"index in an index": func(t *testing.T, dir string) {
			outer := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: index(t)})
			path, err := ggcrlayout.Write(dir, empty.Index)
			if err == nil {
				err = path.AppendIndex(outer)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"random images": func(t *testing.T, dir string) {
			path, err := ggcrlayout.Write(dir, empty.Index)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				img, err := random.Image(300, 4)
				if err != nil {
					t.Fatal(err)
				}
				img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
				if err := path.AppendImage(img); err != nil {
					t.Fatal(err)
				}
			}
		},
		"Docker's media types": func(t *testing.T, dir string) {
			img, err := mutate.AppendLayers(empty.Image, tarLayer(t, "a", "x"))
			if err != nil {
				t.Fatal(err)
			}
			file, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			file = file.DeepCopy()
			file.OS, file.Architecture = "linux", "amd64"
			if img, err = mutate.ConfigFile(img, file); err != nil {
				t.Fatal(err)
			}
			list := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.DockerManifestList), mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
			path, err := ggcrlayout.Write(dir, empty.Index)
			if err == nil {
				err = path.AppendIndex(list, ggcrlayout.WithAnnotations(map[string]string{ocispec.AnnotationRefName: "latest"}))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"artifact with a subject": func(t *testing.T, dir string) {
			appended(t, dir, ggcrlayout.WithAnnotations(map[string]string{ocispec.AnnotationRefName: "app"}))
			subject, err := partial.Descriptor(ggcrImageOf(t, "amd64", ""))
			if err != nil {
				t.Fatal(err)
			}
			sbom := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.example.config")
			if sbom, err = mutate.AppendLayers(sbom, static.NewLayer([]byte("{}\n"), "application/spdx+json")); err != nil {
				t.Fatal(err)
			}
			sbom = mutate.Subject(sbom, *subject).(v1.Image)
			path, err := ggcrlayout.FromPath(dir)
			if err == nil {
				err = path.AppendImage(sbom)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}

// handmade writes a layout from pairs of a blob's name and its content, and from the entries
// of index.json. In both, %NAME% is replaced by the digest of the earlier blob NAME, and
// %NAME.size% by its size.
func handmade(entries string, blobs ...[2]string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		known := []string{}
		expand := func(text string) string { return strings.NewReplacer(known...).Replace(text) }
		files := map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`}
		for _, b := range blobs {
			text := expand(b[1])
			dgst := digest.FromString(text)
			known = append(known, "%"+b[0]+"%", string(dgst), "%"+b[0]+".size%", fmt.Sprint(len(text)))
			files["blobs/sha256/"+dgst.Encoded()] = text
		}
		files["index.json"] = expand(`{ "manifests": [` + entries + `], "schemaVersion": 2 }`)
		write(t, dir, files)
	}
}

// handmadeLayouts are layouts whose documents no tool writes in this way.
func handmadeLayouts() map[string]func(t *testing.T, dir string) {
	layer := [2]string{"layer", string(make([]byte, 1024))}
	config := func(members string) [2]string {
		return [2]string{"config", `{"rootfs":{"diff_ids":["%layer%"],"type":"layers"},` + members + `"os":"linux","architecture":"amd64"}`}
	}
	manifest := func(members string) [2]string {
		return [2]string{"image", "{\n\t\"layers\": [{\"size\": 1024, \"digest\": \"%layer%\", \"mediaType\": \"application/vnd.oci.image.layer.v1.tar\"}],\n" +
			`"config": {"digest": "%config%", "size": %config.size%, "mediaType": "application/vnd.oci.image.config.v1+json"},` + members + "\n\"schemaVersion\": 2 }\n"}
	}
	entry := func(members string) string {
		return `{"digest":"%image%",` + members + `"size":%image.size%,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`
	}
	image := func(configMembers, manifestMembers, entryMembers string) func(t *testing.T, dir string) {
		return handmade(entry(entryMembers), layer, config(configMembers), manifest(manifestMembers))
	}
	attested := [2]string{"image", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%unknown%","size":%unknown.size%},` +
		`"layers":[{"mediaType":"application/vnd.in-toto+json","digest":"%statement%","size":%statement.size%,"annotations":{"in-toto.io/predicate-type":"https://slsa.dev/provenance/v0.2"}}]}`}
	artifact := [2]string{"image", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.example.note",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%empty%","size":2,"data":"e30="},"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%empty%","size":2,"data":"e30="}],"annotations":{"é":"ü"}}`}
	return map[string]func(t *testing.T, dir string){
		"members in another order":    image("", "", ""),
		"members that are null":       image(`"config":null,"history":null,"author":null,"created":null,`, `"annotations":null,"subject":null,`, ``),
		"members that are empty":      image(`"config":{"Env":[],"Labels":{},"User":"","Volumes":null},"author":"","history":[],`, `"annotations":{},`, `"annotations":{},`),
		"unknown members":             image(`"com.example.x":{"a":[1,1.50,null,{"b":true}]},"config":{"Memory":1073741824,"Healthcheck":{"Test":["NONE"]}},`, `"com.example.y":"z",`, `"com.example.z":1,`),
		"a time with a zone":          image(`"created":"2026-01-02T03:04:05.678901234+02:00","history":[{"created":"2026-01-02T03:04:05.9Z"}],`, `"mediaType":"application/vnd.oci.image.manifest.v1+json",`, ""),
		"text that is not normal":     image("\"author\":\"e\u0301\",", "", ""),
		"values that a spec refuses":  image(`"config":{"WorkingDir":"relative","StopSignal":"term"},`, "", ""),
		"a history that does not fit": image(`"history":[{"empty_layer":true},{"empty_layer":true}],`, "", ""),
		"a system with a version":     image("", "", `"platform":{"os":"windows","architecture":"amd64","os.version":"10.0.17763.1","os.features":["win32k"]},`),
		"a version in the config":     image(`"os.version":"10.0.17763.1","os.features":["win32k"],`, "", `"platform":{"os":"linux","architecture":"amd64"},`),
		"a signature": handmade(entry(""), [2]string{"statement", `{"critical":{}}`}, [2]string{"unknown", `{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":["%statement%"]}}`},
			[2]string{"image", strings.ReplaceAll(attested[1], "application/vnd.in-toto+json", "application/vnd.dev.cosign.simplesigning.v1+json")}),
		"an attestation": handmade(entry(`"platform":{"os":"unknown","architecture":"unknown"},`), [2]string{"statement", `{"_type":"https://in-toto.io/Statement/v0.1"}`},
			[2]string{"unknown", `{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":["%statement%"]}}`}, attested),
		"an image with its attestation": handmade(`{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"%index%","size":%index.size%}`, layer, config(""), manifest(""),
			[2]string{"statement", `{"_type":"https://in-toto.io/Statement/v0.1"}`}, [2]string{"unknown", `{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":["%statement%"]}}`},
			[2]string{"note", attested[1]}, [2]string{"index", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + entry(`"platform":{"os":"linux","architecture":"amd64"},`) +
				`,{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%note%","size":%note.size%,"annotations":{"vnd.docker.reference.digest":"%image%","vnd.docker.reference.type":"attestation-manifest"},"platform":{"os":"unknown","architecture":"unknown"}}]}`}),
		"two names":                    handmade(entry(`"annotations":{"org.opencontainers.image.ref.name":"1"},`)+","+entry(`"annotations":{"org.opencontainers.image.ref.name":"two"},`), layer, config(""), manifest("")),
		"twin entries":                 handmade(entry("")+","+entry(""), layer, config(""), manifest("")),
		"an artifact without anything": handmade(entry(`"artifactType":"application/vnd.example.note",`), [2]string{"empty", "{}"}, artifact),
		"an index without manifests":   handmade(`{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"%x%","size":%x.size%}`, [2]string{"x", `{"schemaVersion":2,"manifests":[],"annotations":{"a":"b"}}`}),
		"an odd entry beside": handmade(entry("")+`,{"mediaType":"application/xml","digest":"%xml%","size":%xml.size%}`,
			[2]string{"xml", "<x/>"}, layer, config(""), manifest("")),
	}
}

// toolLayouts are layouts by programs, as far as they are installed.
func toolLayouts() map[string]func(t *testing.T, dir string) {
	umoci := func(t *testing.T, dir string) {
		need(t, "umoci")
		tool(t, ".", "umoci", "init", "--layout", dir)
		tool(t, ".", "umoci", "new", "--image", dir+":latest")
		write(t, dir+".add", map[string]string{"x/y": "z"})
		tool(t, ".", "umoci", "insert", "--rootless", "--image", dir+":latest", dir+".add/x", "/x")
		tool(t, ".", "umoci", "config", "--image", dir+":latest", "--config.env", "A=b", "--config.label", "x=y", "--author", "me", "--config.cmd", "/x/y")
	}
	return map[string]func(t *testing.T, dir string){
		"umoci": umoci,
		"skopeo": func(t *testing.T, dir string) {
			need(t, "skopeo")
			umoci(t, dir+".from")
			tool(t, ".", "skopeo", "--insecure-policy", "copy", "oci:"+dir+".from:latest", "oci:"+dir+":v1.0")
		},
		"buildah": func(t *testing.T, dir string) {
			need(t, "buildah")
			run := func(args ...string) string {
				return strings.TrimSpace(tool(t, ".", "buildah", append([]string{"--storage-driver", "vfs", "--root", dir + ".root", "--runroot", dir + ".run"}, args...)...))
			}
			write(t, dir+".add", map[string]string{"y": "z"})
			from, err := exec.Command("buildah", "--storage-driver", "vfs", "--root", dir+".root", "--runroot", dir+".run", "from", "scratch").Output()
			if err != nil {
				t.Skipf("buildah does not run here: %v", err)
			}
			c := strings.TrimSpace(string(from))
			run("copy", c, dir+".add/y", "/y")
			run("config", "--env", "A=1", "--cmd", `["/y"]`, "--created-by", "hello", "--port", "80", "--volume", "/v", c)
			run("commit", "--format", "oci", c, "oci:"+dir+":app:1")
		},
		"oras": func(t *testing.T, dir string) {
			need(t, "oras")
			write(t, dir+".add", map[string]string{"model.onnx": "x", "sbom.json": "{}"})
			tool(t, dir+".add", "oras", "push", "--oci-layout", dir+":v1", "--artifact-type", "application/vnd.example", "model.onnx:application/x", "--annotation", "a=b")
			tool(t, dir+".add", "oras", "attach", "--oci-layout", dir+":v1", "--artifact-type", "application/vnd.sbom", "sbom.json:application/json")
		},
		"regctl": func(t *testing.T, dir string) {
			need(t, "regctl")
			umoci(t, dir+".from")
			tool(t, ".", "regctl", "image", "copy", "ocidir://"+dir+".from:latest", "ocidir://"+dir+":v1")
			tool(t, ".", "regctl", "index", "create", "ocidir://"+dir+":multi", "--ref", "ocidir://"+dir+":v1", "--platform", "linux/amd64")
		},
	}
}
