//go:build unix

package layout_test

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

func inLayout(do func(t *testing.T, dir string)) func(*testing.T, *layout.Store) {
	return func(t *testing.T, s *layout.Store) { do(t, s.Dir()) }
}

func fileFaults() map[string]fault {
	rewrite := func(name, content string) func(*testing.T, *layout.Store) {
		return inLayout(func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, name), content) })
	}
	gone := func(name string) func(*testing.T, *layout.Store) {
		return inLayout(func(t *testing.T, dir string) { remove(t, filepath.Join(dir, name)) })
	}
	inPlaceOf := func(name string, make func(*testing.T, string)) func(*testing.T, *layout.Store) {
		return inLayout(func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, name))
			make(t, filepath.Join(dir, name))
		})
	}
	device := func(t *testing.T, name string) { symlink(t, "/dev/zero", name) }
	quick := func(plant func(*testing.T, *layout.Store), rules ...layout.Rule) fault {
		return fault{rules: rules, plant: plant, quick: true}
	}
	return map[string]fault{
		"no oci-layout":        quick(gone("oci-layout"), layout.RuleLayoutMissing),
		"an empty oci-layout":  quick(rewrite("oci-layout", ""), layout.RuleLayoutUnreadable),
		"a long oci-layout":    quick(rewrite("oci-layout", strings.Repeat(" ", 5<<20)), layout.RuleLayoutUnreadable),
		"a pipe as oci-layout": quick(inPlaceOf("oci-layout", mkfifo), layout.RuleLayoutUnreadable),
		"another version":      quick(rewrite("oci-layout", `{"imageLayoutVersion":"2.0.0"}`), layout.RuleLayoutVersion),
		"no index.json":        quick(gone("index.json"), layout.RuleIndexMissing),
		"a pipe as index.json": quick(inPlaceOf("index.json", mkfifo), layout.RuleDocumentUnreadable),
		"a device as index":    quick(inPlaceOf("index.json", device), layout.RuleDocumentUnreadable),
		"a halved index.json":  quick(rewrite("index.json", `{"schemaVersion":2,`), layout.RuleDocumentUnreadable),
		"zeros as index.json":  quick(rewrite("index.json", strings.Repeat("\x00", 99)), layout.RuleDocumentUnreadable),
		"no blobs":             quick(gone("blobs"), layout.RuleBlobsMissing, layout.RuleBlobMissing),
		"blobs is a link": quick(inLayout(func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "blobs"), filepath.Join(dir, "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "real", filepath.Join(dir, "blobs"))
		}), layout.RuleBlobsMissing),
		"sha256 is a link": quick(inLayout(func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "blobs/sha256"), filepath.Join(dir, "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "../real", filepath.Join(dir, "blobs/sha256"))
		}), layout.RuleBlobsMissing),
		"a directory as index.json":   quick(inPlaceOf("index.json", mkdir), layout.RuleDocumentUnreadable),
		"an empty index.json":         quick(rewrite("index.json", ""), layout.RuleDocumentUnreadable),
		"a long index.json":           quick(rewrite("index.json", strings.Repeat(" ", 17<<20)), layout.RuleDocumentUnreadable),
		"an index that fills memory":  quick(rewrite("index.json", `{"schemaVersion":2,"manifests":[`+strings.Repeat("{},", 1<<20)+`{}]}`), layout.RuleDocumentUnreadable),
		"an index of many entries":    quick(rewrite("index.json", `{"schemaVersion":2,"manifests":[`+strings.Repeat(`{"mediaType":"`+strings.Repeat("a", 40)+`"},`, 100_000)+`{}]}`), layout.RuleDocumentUnreadable),
		"a directory among the blobs": quick(inLayout(func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "blobs/sha256", strings.Repeat("0", 64))) }), layout.RuleBlobNotRegular),
		"a file among the algorithms": quick(rewrite("blobs/README", "x"), layout.RuleAlgorithmDirectory),
		"a directory for uploads":     quick(inLayout(func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "blobs/uploads")) }), layout.RuleAlgorithmDirectory),
		"a file that is no blob":      quick(rewrite("blobs/sha256/README\x1b[2J", "x"), layout.RuleBlobName),
		"an upper case name":          quick(rewrite("blobs/sha256/"+strings.Repeat("A", 64), "x"), layout.RuleBlobName),
		"a pipe among the blobs":      quick(inLayout(func(t *testing.T, dir string) { mkfifo(t, filepath.Join(dir, "blobs/sha256", strings.Repeat("0", 64))) }), layout.RuleBlobNotRegular),
		"a torn blob nobody refers to": {
			rules: []layout.Rule{layout.RuleBlobDigest}, plant: rewrite("blobs/sha256/"+strings.Repeat("0", 64), "x"),
		},
		"a bit of a layer flipped": {rules: []layout.Rule{layout.RuleBlobDigest}, plant: func(t *testing.T, s *layout.Store) {
			d := layerOf(t, s)
			data, err := os.ReadFile(blobFile(s, d))
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			damage(t, s, d, string(data))
		}},
		"a bit of a manifest flipped": {rules: []layout.Rule{layout.RuleBlobDigest}, quick: true, plant: func(t *testing.T, s *layout.Store) {
			d := resolve(t, s, "latest").Digest
			data, err := os.ReadFile(blobFile(s, d))
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			damage(t, s, d, string(data))
		}},
		"a layer cut": {rules: []layout.Rule{layout.RuleBlobDigest, layout.RuleDescriptorSize}, quickRules: []layout.Rule{layout.RuleDescriptorSize}, plant: func(t *testing.T, s *layout.Store) {
			damage(t, s, layerOf(t, s), "x")
		}},
		"a manifest extended": {rules: []layout.Rule{layout.RuleBlobDigest, layout.RuleDescriptorSize}, quickRules: []layout.Rule{layout.RuleDescriptorSize}, plant: func(t *testing.T, s *layout.Store) {
			d := resolve(t, s, "latest").Digest
			data, err := os.ReadFile(blobFile(s, d))
			if err != nil {
				t.Fatal(err)
			}
			damage(t, s, d, string(data)+"\n")
		}},
		"an empty layer": {rules: []layout.Rule{layout.RuleBlobDigest, layout.RuleDescriptorSize}, quickRules: []layout.Rule{layout.RuleDescriptorSize}, plant: func(t *testing.T, s *layout.Store) {
			damage(t, s, layerOf(t, s), "")
		}},
		"a missing layer": {rules: []layout.Rule{layout.RuleBlobMissing}, quick: true, plant: func(t *testing.T, s *layout.Store) { remove(t, blobFile(s, layerOf(t, s))) }},
		"a layer linked": {rules: []layout.Rule{layout.RuleBlobLink}, quick: true, plant: func(t *testing.T, s *layout.Store) {
			name := blobFile(s, layerOf(t, s))
			if err := os.Rename(name, filepath.Join(s.Dir(), "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "../../real", name)
		}},
		"a layer linked out": {rules: []layout.Rule{layout.RuleBlobNotRegular}, quick: true, plant: func(t *testing.T, s *layout.Store) {
			name := blobFile(s, layerOf(t, s))
			outside := filepath.Join(t.TempDir(), "real")
			if err := os.Rename(name, outside); err != nil {
				t.Fatal(err)
			}
			symlink(t, outside, name)
		}},
	}
}

func resolve(t *testing.T, s *layout.Store, ref string) ocispec.Descriptor {
	t.Helper()
	d, err := s.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func layerOf(t *testing.T, s *layout.Store) digest.Digest {
	t.Helper()
	doc, err := s.Document(t.Context(), resolve(t, s, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Layers[0].Digest
}

func documentFaults() map[string]fault {
	manifest := func(rule layout.Rule, edit func(m map[string]any)) fault {
		return fault{rules: []layout.Rule{rule}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) { edit(g.manifest) }}
	}
	index := func(rule layout.Rule, edit func(m map[string]any)) fault {
		return fault{rules: []layout.Rule{rule}, quick: true, index: func(_ *testing.T, _ *layout.Store, m map[string]any) { edit(m) }}
	}
	nested := func(rule layout.Rule, edit func(x, a, b map[string]any)) fault {
		return fault{rules: []layout.Rule{rule}, quick: true, index: func(t *testing.T, s *layout.Store, m map[string]any) {
			first := m["manifests"].([]any)[0].(map[string]any)
			delete(first, "annotations")
			second := goodSample(t)
			second.config["architecture"] = "arm64"
			second.entry["platform"] = map[string]any{"os": "linux", "architecture": "arm64", "variant": "v8"}
			delete(second.entry, "annotations")
			other := second.build(t, s)
			x := indexOf(first, other)
			edit(x, first, other)
			entry := map[string]any{"mediaType": ocispec.MediaTypeImageIndex}
			putMap(t, s, entry, x)
			m["manifests"] = []any{entry}
		}}
	}
	platform := func(p map[string]any) func(_, _, b map[string]any) {
		return func(_, _, b map[string]any) { b["platform"] = p }
	}
	return map[string]fault{
		"manifest: schema version":    manifest(layout.RuleSchemaVersion, func(m map[string]any) { m["schemaVersion"] = 1 }),
		"manifest: no schema version": manifest(layout.RuleSchemaVersion, func(m map[string]any) { delete(m, "schemaVersion") }),
		"manifest: other type":        manifest(layout.RuleMediaTypeMismatch, func(m map[string]any) { m["mediaType"] = "text/plain" }),
		"manifest: no type":           manifest(layout.RuleMediaTypeAbsent, func(m map[string]any) { delete(m, "mediaType") }),
		"manifest: Layers as well":    manifest(layout.RuleDocumentUnreadable, func(m map[string]any) { m["Layers"] = []any{} }),
		"manifest: manifests as well": manifest(layout.RuleMemberForeign, func(m map[string]any) { m["manifests"] = []any{} }),
		"manifest: layers of strings": manifest(layout.RuleDocumentUnreadable, func(m map[string]any) { m["layers"] = []any{"x"} }),
		"manifest: config null":       manifest(layout.RuleMemberNull, func(m map[string]any) { m["config"] = nil }),
		"manifest: bad artifact type": manifest(layout.RuleArtifactType, func(m map[string]any) { m["artifactType"] = "x" }),
		"manifest: time": manifest(layout.RuleAnnotationCreated, func(m map[string]any) {
			m["annotations"] = map[string]any{"org.opencontainers.image.created": "yesterday"}
		}),
		"manifest: empty key": manifest(layout.RuleAnnotationKey, func(m map[string]any) { m["annotations"] = map[string]any{"": "x"} }),
		"manifest: subject is a text": manifest(layout.RuleSubjectType, func(m map[string]any) {
			m["subject"] = map[string]any{"mediaType": "text/plain", "digest": digest.FromString("x"), "size": 1}
		}),
		"manifest: no config": {rules: []layout.Rule{layout.RuleMemberMissing}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.omit = "config" }},
		"index: duplicate members": {rules: []layout.Rule{layout.RuleDocumentUnreadable}, quick: true, plant: func(t *testing.T, s *layout.Store) {
			writeFile(t, filepath.Join(s.Dir(), "index.json"), `{"schemaVersion":2,"mediaType":"`+ocispec.MediaTypeImageIndex+`","manifests":[],"manifests":[]}`)
		}},
		"index: other type":     index(layout.RuleMediaTypeMismatch, func(m map[string]any) { m["mediaType"] = "x/y" }),
		"index: null":           index(layout.RuleMemberNull, func(m map[string]any) { m["manifests"] = nil }),
		"index: layers as well": index(layout.RuleMemberForeign, func(m map[string]any) { m["layers"] = []any{} }),
		"index: one ref twice":  index(layout.RuleRefNameDuplicate, func(m map[string]any) { e := m["manifests"].([]any)[0]; m["manifests"] = []any{e, e} }),
		"index: bad ref name": index(layout.RuleRefNameGrammar, func(m map[string]any) {
			m["manifests"].([]any)[0].(map[string]any)["annotations"] = map[string]any{ocispec.AnnotationRefName: "a__b\x1b[0m"}
		}),
		"index: empty ref name": index(layout.RuleRefNameGrammar, func(m map[string]any) {
			m["manifests"].([]any)[0].(map[string]any)["annotations"] = map[string]any{ocispec.AnnotationRefName: ""}
		}),
		"nested: a ref name":     nested(layout.RuleRefNameNested, func(_, a, _ map[string]any) { a["annotations"] = map[string]any{ocispec.AnnotationRefName: "x"} }),
		"nested: equal platform": nested(layout.RulePlatformDuplicate, func(x, a, _ map[string]any) { x["manifests"] = []any{a, a} }),
		"nested: mismatch":       nested(layout.RulePlatformMismatch, platform(map[string]any{"os": "linux", "architecture": "s390x"})),
		"nested: no os":          nested(layout.RulePlatformIncomplete, platform(map[string]any{"os": "", "architecture": "arm64"})),
		"nested: nonsense os": {
			rules: []layout.Rule{layout.RulePlatformValue, layout.RulePlatformMismatch}, quick: true,
			index: nested("", platform(map[string]any{"os": "Linux", "architecture": "x86_64"})).index,
		},
	}
}

func descriptorFaults() map[string]fault {
	entry := func(rule layout.Rule, edit func(m map[string]any)) fault {
		return fault{rules: []layout.Rule{rule}, quick: true, index: func(_ *testing.T, _ *layout.Store, m map[string]any) {
			e := map[string]any{"mediaType": "text/plain", "digest": digest.FromString("{}"), "size": 2}
			edit(e)
			m["manifests"] = append(m["manifests"].([]any), e)
		}, change: func(t *testing.T, s *layout.Store, _ *sample) { put(t, s, "x", []byte("{}")) }}
	}
	set := func(key string, value any) func(map[string]any) { return func(m map[string]any) { m[key] = value } }
	return map[string]fault{
		"no media type":             entry(layout.RuleDescriptorMediaType, func(m map[string]any) { delete(m, "mediaType") }),
		"media type with CR":        entry(layout.RuleDescriptorMediaType, set("mediaType", "text/plain\r\nX: y")),
		"media type too long":       entry(layout.RuleDescriptorMediaType, set("mediaType", "text/"+strings.Repeat("x", 128))),
		"digest is a path":          entry(layout.RuleDescriptorDigest, set("digest", "sha256:../../x")),
		"digest: short":             entry(layout.RuleDescriptorDigest, set("digest", "sha256:abc")),
		"digest: upper case":        entry(layout.RuleDescriptorDigest, set("digest", "sha256:"+strings.Repeat("A", 64))),
		"digest: algorithm is path": entry(layout.RuleDescriptorDigest, set("digest", "../..:x")),
		"digest: unknown algorithm": entry(layout.RuleDescriptorAlgorithm, set("digest", "blake3:"+strings.Repeat("a", 64))),
		"size: negative":            entry(layout.RuleDescriptorSize, set("size", -1)),
		"size: off by one":          entry(layout.RuleDescriptorSize, set("size", 3)),
		"size: huge":                entry(layout.RuleDescriptorSize, set("size", int64(1<<63-1))),
		"data: other content":       entry(layout.RuleDescriptorData, set("data", []byte("xx"))),
		"data: no base64":           entry(layout.RuleDocumentUnreadable, set("data", "***")),
		"url":                       entry(layout.RuleDescriptorURL, set("urls", []any{"http://x y/%zz"})),
		"url: relative":             entry(layout.RuleDescriptorURL, set("urls", []any{"blobs/x"})),
		"annotation null":           entry(layout.RuleElementNull, set("annotations", map[string]any{"a": nil})),
		"annotations null":          entry(layout.RuleOptionalNull, set("annotations", nil)),
		"artifact type empty":       entry(layout.RuleArtifactType, set("artifactType", "")),
		"platform: os empty":        entry(layout.RulePlatformIncomplete, set("platform", map[string]any{"os": "", "architecture": "amd64"})),
		"platform: no os":           entry(layout.RuleMemberMissing, set("platform", map[string]any{"architecture": "amd64"})),
		"platform null":             entry(layout.RuleOptionalNull, set("platform", nil)),
		"artifact type":             entry(layout.RuleArtifactType, set("artifactType", "no type")),
		"empty that is not empty": {rules: []layout.Rule{layout.RuleEmptyDescriptor}, quick: true, index: func(t *testing.T, s *layout.Store, m map[string]any) {
			d := put(t, s, "x", []byte("{ }"))
			m["manifests"] = append(m["manifests"].([]any), map[string]any{"mediaType": ocispec.MediaTypeEmptyJSON, "digest": d.Digest, "size": d.Size})
		}},
		"missing": entry(layout.RuleBlobMissing, set("digest", digest.FromString("nowhere"))),
		"missing, with data": entry(layout.RuleBlobMissing, func(m map[string]any) {
			m["digest"] = digest.FromString("here")
			m["size"] = 4
			m["data"] = []byte("here")
		}),
		"a layer's time": {rules: []layout.Rule{layout.RuleAnnotationCreated}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) {
			g.layer["annotations"] = map[string]any{ocispec.AnnotationCreated: "1"}
		}},
	}
}

func imageFaults() map[string]fault {
	config := func(rule layout.Rule, edit func(c, inner, rootfs map[string]any)) fault {
		return fault{rules: []layout.Rule{rule}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) {
			edit(g.config, g.config["config"].(map[string]any), g.config["rootfs"].(map[string]any))
		}}
	}
	layer := func(mediaType string, rule layout.Rule) fault {
		return fault{rules: []layout.Rule{rule}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.layer["mediaType"] = mediaType }}
	}
	return map[string]fault{
		"config is no JSON object": config(layout.RuleConfigUnreadable, func(c, _, _ map[string]any) { c["os"] = 7 }),
		"config: Architecture":     config(layout.RuleConfigUnreadable, func(c, _, _ map[string]any) { c["Architecture"] = "amd64" }),
		"config: no os":            config(layout.RuleMemberMissing, func(c, _, _ map[string]any) { delete(c, "os") }),
		"config: os null":          config(layout.RuleMemberMissing, func(c, _, _ map[string]any) { c["os"] = nil }),
		"config: os empty":         config(layout.RuleConfigPlatform, func(c, _, _ map[string]any) { c["os"] = "" }),
		"config: author null":      config(layout.RuleOptionalNull, func(c, _, _ map[string]any) { c["author"] = nil }),
		"config: null in a list":   config(layout.RuleElementNull, func(c, _, _ map[string]any) { c["os.features"] = []any{nil} }),
		"config: port null":        config(layout.RuleElementNull, func(_, r, _ map[string]any) { r["ExposedPorts"] = map[string]any{"80/tcp": nil} }),
		"config: rootfs type":      config(layout.RuleConfigRootFS, func(_, _, r map[string]any) { r["type"] = "x" }),
		"config: malformed diffID": config(layout.RuleConfigDiffIDForm, func(_, _, r map[string]any) { r["diff_ids"] = []any{"sha256:x"} }),
		"config: a diffID less":    config(layout.RuleConfigDiffIDCount, func(_, _, r map[string]any) { r["diff_ids"] = []any{} }),
		"config: history":          config(layout.RuleConfigHistoryCount, func(c, _, _ map[string]any) { c["history"] = []any{map[string]any{}, map[string]any{}} }),
		"config: port":             config(layout.RuleConfigPort, func(_, i, _ map[string]any) { i["ExposedPorts"] = map[string]any{"http": map[string]any{}} }),
		"config: env":              config(layout.RuleConfigEnv, func(_, i, _ map[string]any) { i["Env"] = []any{"=x"} }),
		"layer: unknown type":      layer("application/vnd.oci.image.layer.v1.tar+lzma", layout.RuleLayerMediaType),
		"layer: nondistributable":  layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", layout.RuleLayerNondistributed),
		"no layers": {rules: []layout.Rule{layout.RuleLayersEmpty}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) {
			g.manifest["layers"] = []any{}
			delete(g.config, "history")
			g.config["rootfs"].(map[string]any)["diff_ids"] = []any{}
		}},
		"an artifact of no type": {rules: []layout.Rule{layout.RuleArtifactTypeMissing}, quick: true, change: func(t *testing.T, s *layout.Store, g *sample) {
			put(t, s, "x", []byte("{}"))
			g.manifest["config"] = ocispec.DescriptorEmptyJSON
		}},
		"diffID of the compressed layer": {rules: []layout.Rule{layout.RuleDiffID}, change: func(t *testing.T, _ *layout.Store, g *sample) {
			g.config["rootfs"].(map[string]any)["diff_ids"] = []any{digest.FromBytes(gzipped(t, g.tar))}
		}},
		"diffID of the first member": {rules: []layout.Rule{layout.RuleDiffID}, change: func(t *testing.T, _ *layout.Store, g *sample) {
			first := g.tar[:1024]
			g.config["rootfs"].(map[string]any)["diff_ids"] = []any{digest.FromBytes(first)}
			g.pack = func(t *testing.T, b []byte) []byte { return append(gzipped(t, first), gzipped(t, b[1024:])...) }
		}},
	}
}

func layerFaults(t *testing.T) map[string]fault {
	packed := func(pack func(*testing.T, []byte) []byte, rules ...layout.Rule) fault {
		return fault{rules: rules, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.pack = pack }}
	}
	entries := func(rule layout.Rule, files ...file) fault {
		return fault{rules: []layout.Rule{rule}, change: func(t *testing.T, _ *layout.Store, g *sample) { g.tar = tarOf(t, files...) }}
	}
	raw := func(content []byte, rule layout.Rule) fault {
		return fault{rules: []layout.Rule{rule}, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.tar = content }}
	}
	dir := func(name string) file { return file{name: name, typ: tar.TypeDir} }
	return map[string]fault{
		"not compressed":         packed(func(_ *testing.T, b []byte) []byte { return b }, layout.RuleLayerCompression),
		"zstd that says gzip":    packed(zstded, layout.RuleLayerCompression),
		"gzip cut":               packed(func(t *testing.T, b []byte) []byte { z := gzipped(t, b); return z[:len(z)-9] }, layout.RuleLayerUnreadable),
		"gzip with a bad sum":    packed(func(t *testing.T, b []byte) []byte { z := gzipped(t, b); z[len(z)-6] ^= 1; return z }, layout.RuleLayerUnreadable),
		"gzip, then garbage":     packed(func(t *testing.T, b []byte) []byte { return append(gzipped(t, b), "garbage garbage"...) }, layout.RuleLayerTrailing),
		"zstd, then garbage":     zstdLayer(func(t *testing.T, b []byte) []byte { return append(zstded(t, b), "garbage garbage"...) }, layout.RuleLayerTrailing),
		"no tar":                 raw([]byte(strings.Repeat("no tar ", 200)), layout.RuleLayerUnreadable),
		"a tar cut":              raw(tarOf(t, file{name: "a", body: strings.Repeat("a", 2000)})[:1500], layout.RuleLayerUnreadable),
		"data after the tar":     raw(append(tarOf(t, file{name: "a"}), "hidden"...), layout.RuleLayerTrailing),
		"out of the root":        entries(layout.RuleLayerPath, file{name: "../x"}),
		"out of the root inside": entries(layout.RuleLayerPath, file{name: "a/../../x"}),
		"absolute":               entries(layout.RuleLayerAbsolute, file{name: "/etc/passwd"}),
		"a long name":            entries(layout.RuleLayerPath, file{name: strings.Repeat("n", 256)}),
		"a name of 64 KiB":       entries(layout.RuleLayerPath, file{name: strings.Repeat("n", 64<<10)}),
		"escape codes":           entries(layout.RuleLayerPath, file{name: "../\x1b[2Jx"}),
		"twice":                  entries(layout.RuleLayerDuplicate, file{name: "a"}, file{name: "./a"}),
		"a directory twice":      entries(layout.RuleLayerDuplicate, dir("a"), dir("a/")),
		"through a symlink":      entries(layout.RuleLayerThroughLink, file{name: "l", typ: tar.TypeSymlink, link: "/etc"}, file{name: "l/passwd"}),
		"whiteout by a symlink":  entries(layout.RuleLayerThroughLink, file{name: "l", typ: tar.TypeSymlink, link: "/etc"}, file{name: "l/.wh.passwd"}),
		"hard link out":          entries(layout.RuleLayerHardlink, file{name: "l", typ: tar.TypeLink, link: "../../etc/passwd"}),
		"hard link absolute":     entries(layout.RuleLayerAbsolute, file{name: "a"}, file{name: "l", typ: tar.TypeLink, link: "/a"}),
		"hard link too early": {rules: []layout.Rule{layout.RuleLayerHardlink, layout.RuleLayerHardlinkLower}, change: func(t *testing.T, _ *layout.Store, g *sample) {
			g.tar = tarOf(t, file{name: "l", typ: tar.TypeLink, link: "z"}, file{name: "z"})
		}},
		"hard link into a lower layer": entries(layout.RuleLayerHardlinkLower, file{name: "l", typ: tar.TypeLink, link: "z"}),
		"hard link to a directory":     entries(layout.RuleLayerHardlink, dir("d"), file{name: "l", typ: tar.TypeLink, link: "d"}),
		"hard link to the root":        entries(layout.RuleLayerHardlink, file{name: "l", typ: tar.TypeLink, link: "."}),
		"below a file":                 entries(layout.RuleLayerBelowFile, file{name: "a"}, file{name: "a/b"}),
		"the root is a link":           entries(layout.RuleLayerRoot, file{name: ".", typ: tar.TypeSymlink, link: "/etc"}),
		"a Latin-1 name":               raw(append(ustarHeader("caf\xe9", tar.TypeReg, 0), make([]byte, 1024)...), layout.RuleLayerName),
		"sparse":                       raw(extendedTar(tar.TypeXHeader, "SCHILY.realsize", "1099511627776"), layout.RuleLayerSparse),
		"no end":                       {change: func(t *testing.T, _ *layout.Store, g *sample) { g.tar = tarOf(t, file{name: "a"})[:512] }},
		"a global path":                raw(extendedTar(tar.TypeXGlobalHeader, "path", "../../evil"), layout.RuleLayerHeader),
		"a global comment": {change: func(_ *testing.T, _ *layout.Store, g *sample) {
			g.tar = extendedTar(tar.TypeXGlobalHeader, "comment", "0123abcd")
		}},
		"a file of AUFS":         entries(layout.RuleWhiteoutReserved, dir(".wh..wh.plnk")),
		"whiteout of the root":   entries(layout.RuleWhiteoutName, file{name: ".wh.."}),
		"whiteout of the parent": entries(layout.RuleWhiteoutName, dir("d"), file{name: "d/.wh..."}),
		"hard link by a symlink": entries(layout.RuleLayerHardlink, file{name: "s", typ: tar.TypeSymlink, link: "/"}, file{name: "l", typ: tar.TypeLink, link: "s/x"}),
		"contiguous file":        entries(layout.RuleLayerEntryType, file{name: "a", typ: tar.TypeCont}),
		"PAX size below":         raw(paxSized(t, "x", 512, 0), layout.RuleLayerEntrySize),
		"PAX size above":         raw(paxSized(t, "x", 0, 512), layout.RuleLayerEntrySize),
		"zstd cut":               zstdLayer(func(t *testing.T, b []byte) []byte { z := zstded(t, b); return z[:len(z)-5] }, layout.RuleLayerUnreadable),
		"zstd, a giant window":   zstdLayer(giantWindow, layout.RuleLayerUnreadable),
		"gzip, cut in a member": packed(func(t *testing.T, b []byte) []byte {
			return append(gzipped(t, b[:700]), gzipped(t, b[700:])[:30]...)
		}, layout.RuleLayerUnreadable),
		"whiteout with content": entries(layout.RuleWhiteoutForm, file{name: ".wh.a", body: "x"}),
		"whiteout directory":    entries(layout.RuleWhiteoutForm, dir("d"), dir("d/.wh.a")),
		"whiteout of nothing":   entries(layout.RuleWhiteoutName, file{name: ".wh."}),
		"whiteout of its own":   entries(layout.RuleWhiteoutOwn, file{name: ".wh.a"}, file{name: "a"}),
		"whiteout too late":     entries(layout.RuleWhiteoutOrder, dir("d"), file{name: "d/a"}, file{name: "d/.wh..wh..opq"}),
	}
}
