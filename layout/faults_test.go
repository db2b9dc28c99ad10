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
	"github.com/layform/layform/layout/validate"
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
	quick := func(plant func(*testing.T, *layout.Store), rules ...validate.Rule) fault {
		return fault{rules: rules, plant: plant, quick: true}
	}
	return map[string]fault{
		"no oci-layout":        quick(gone("oci-layout"), validate.RuleLayoutMissing),
		"an empty oci-layout":  quick(rewrite("oci-layout", ""), validate.RuleLayoutUnreadable),
		"a long oci-layout":    quick(rewrite("oci-layout", strings.Repeat(" ", 5<<20)), validate.RuleLayoutUnreadable),
		"a pipe as oci-layout": quick(inPlaceOf("oci-layout", mkfifo), validate.RuleLayoutUnreadable),
		"another version":      quick(rewrite("oci-layout", `{"imageLayoutVersion":"2.0.0"}`), validate.RuleLayoutVersion),
		"no index.json":        quick(gone("index.json"), validate.RuleIndexMissing),
		"a pipe as index.json": quick(inPlaceOf("index.json", mkfifo), validate.RuleDocumentUnreadable),
		"a device as index":    quick(inPlaceOf("index.json", device), validate.RuleDocumentUnreadable),
		"a halved index.json":  quick(rewrite("index.json", `{"schemaVersion":2,`), validate.RuleDocumentUnreadable),
		"zeros as index.json":  quick(rewrite("index.json", strings.Repeat("\x00", 99)), validate.RuleDocumentUnreadable),
		"no blobs":             quick(gone("blobs"), validate.RuleBlobsMissing, validate.RuleBlobMissing),
		"blobs is a link": quick(inLayout(func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "blobs"), filepath.Join(dir, "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "real", filepath.Join(dir, "blobs"))
		}), validate.RuleBlobsMissing),
		"sha256 is a link": quick(inLayout(func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "blobs/sha256"), filepath.Join(dir, "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "../real", filepath.Join(dir, "blobs/sha256"))
		}), validate.RuleBlobsMissing),
		"a directory as index.json":   quick(inPlaceOf("index.json", mkdir), validate.RuleDocumentUnreadable),
		"an empty index.json":         quick(rewrite("index.json", ""), validate.RuleDocumentUnreadable),
		"a long index.json":           quick(rewrite("index.json", strings.Repeat(" ", 17<<20)), validate.RuleDocumentUnreadable),
		"an index that fills memory":  quick(rewrite("index.json", `{"schemaVersion":2,"manifests":[`+strings.Repeat("{},", 1<<20)+`{}]}`), validate.RuleDocumentUnreadable),
		"an index of many entries":    quick(rewrite("index.json", `{"schemaVersion":2,"manifests":[`+strings.Repeat(`{"mediaType":"`+strings.Repeat("a", 40)+`"},`, 100_000)+`{}]}`), validate.RuleDocumentUnreadable),
		"a directory among the blobs": quick(inLayout(func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "blobs/sha256", strings.Repeat("0", 64))) }), validate.RuleBlobNotRegular),
		"a file among the algorithms": quick(rewrite("blobs/README", "x"), validate.RuleAlgorithmDirectory),
		"a directory for uploads":     quick(inLayout(func(t *testing.T, dir string) { mkdir(t, filepath.Join(dir, "blobs/uploads")) }), validate.RuleAlgorithmDirectory),
		"a file that is no blob":      quick(rewrite("blobs/sha256/README\x1b[2J", "x"), validate.RuleBlobName),
		"an upper case name":          quick(rewrite("blobs/sha256/"+strings.Repeat("A", 64), "x"), validate.RuleBlobName),
		"a pipe among the blobs":      quick(inLayout(func(t *testing.T, dir string) { mkfifo(t, filepath.Join(dir, "blobs/sha256", strings.Repeat("0", 64))) }), validate.RuleBlobNotRegular),
		"a torn blob nobody refers to": {
			rules: []validate.Rule{validate.RuleBlobDigest}, plant: rewrite("blobs/sha256/"+strings.Repeat("0", 64), "x"),
		},
		"a bit of a layer flipped": {rules: []validate.Rule{validate.RuleBlobDigest}, plant: func(t *testing.T, s *layout.Store) {
			d := layerOf(t, s)
			data, err := os.ReadFile(blobFile(s, d))
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			damage(t, s, d, string(data))
		}},
		"a bit of a manifest flipped": {rules: []validate.Rule{validate.RuleBlobDigest}, quick: true, plant: func(t *testing.T, s *layout.Store) {
			d := resolve(t, s, "latest").Digest
			data, err := os.ReadFile(blobFile(s, d))
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			damage(t, s, d, string(data))
		}},
		"a layer cut": {rules: []validate.Rule{validate.RuleBlobDigest, validate.RuleDescriptorSize}, quickRules: []validate.Rule{validate.RuleDescriptorSize}, plant: func(t *testing.T, s *layout.Store) {
			damage(t, s, layerOf(t, s), "x")
		}},
		"a manifest extended": {rules: []validate.Rule{validate.RuleBlobDigest, validate.RuleDescriptorSize}, quickRules: []validate.Rule{validate.RuleDescriptorSize}, plant: func(t *testing.T, s *layout.Store) {
			d := resolve(t, s, "latest").Digest
			data, err := os.ReadFile(blobFile(s, d))
			if err != nil {
				t.Fatal(err)
			}
			damage(t, s, d, string(data)+"\n")
		}},
		"an empty layer": {rules: []validate.Rule{validate.RuleBlobDigest, validate.RuleDescriptorSize}, quickRules: []validate.Rule{validate.RuleDescriptorSize}, plant: func(t *testing.T, s *layout.Store) {
			damage(t, s, layerOf(t, s), "")
		}},
		"a missing layer": {rules: []validate.Rule{validate.RuleBlobMissing}, quick: true, plant: func(t *testing.T, s *layout.Store) { remove(t, blobFile(s, layerOf(t, s))) }},
		"a layer linked": {rules: []validate.Rule{validate.RuleBlobLink}, quick: true, plant: func(t *testing.T, s *layout.Store) {
			name := blobFile(s, layerOf(t, s))
			if err := os.Rename(name, filepath.Join(s.Dir(), "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "../../real", name)
		}},
		"a layer linked out": {rules: []validate.Rule{validate.RuleBlobNotRegular}, quick: true, plant: func(t *testing.T, s *layout.Store) {
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
	manifest := func(rule validate.Rule, edit func(m map[string]any)) fault {
		return fault{rules: []validate.Rule{rule}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) { edit(g.manifest) }}
	}
	index := func(rule validate.Rule, edit func(m map[string]any)) fault {
		return fault{rules: []validate.Rule{rule}, quick: true, index: func(_ *testing.T, _ *layout.Store, m map[string]any) { edit(m) }}
	}
	nested := func(rule validate.Rule, edit func(x, a, b map[string]any)) fault {
		return fault{rules: []validate.Rule{rule}, quick: true, index: func(t *testing.T, s *layout.Store, m map[string]any) {
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
		"manifest: schema version":    manifest(validate.RuleSchemaVersion, func(m map[string]any) { m["schemaVersion"] = 1 }),
		"manifest: no schema version": manifest(validate.RuleSchemaVersion, func(m map[string]any) { delete(m, "schemaVersion") }),
		"manifest: other type":        manifest(validate.RuleMediaTypeMismatch, func(m map[string]any) { m["mediaType"] = "text/plain" }),
		"manifest: no type":           manifest(validate.RuleMediaTypeAbsent, func(m map[string]any) { delete(m, "mediaType") }),
		"manifest: Layers as well":    manifest(validate.RuleDocumentUnreadable, func(m map[string]any) { m["Layers"] = []any{} }),
		"manifest: manifests as well": manifest(validate.RuleMemberForeign, func(m map[string]any) { m["manifests"] = []any{} }),
		"manifest: layers of strings": manifest(validate.RuleDocumentUnreadable, func(m map[string]any) { m["layers"] = []any{"x"} }),
		"manifest: config null":       manifest(validate.RuleMemberNull, func(m map[string]any) { m["config"] = nil }),
		"manifest: bad artifact type": manifest(validate.RuleArtifactType, func(m map[string]any) { m["artifactType"] = "x" }),
		"manifest: time": manifest(validate.RuleAnnotationCreated, func(m map[string]any) {
			m["annotations"] = map[string]any{"org.opencontainers.image.created": "yesterday"}
		}),
		"manifest: empty key": manifest(validate.RuleAnnotationKey, func(m map[string]any) { m["annotations"] = map[string]any{"": "x"} }),
		"manifest: subject is a text": manifest(validate.RuleSubjectType, func(m map[string]any) {
			m["subject"] = map[string]any{"mediaType": "text/plain", "digest": digest.FromString("x"), "size": 1}
		}),
		"manifest: no config": {rules: []validate.Rule{validate.RuleMemberMissing}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.omit = "config" }},
		"index: duplicate members": {rules: []validate.Rule{validate.RuleDocumentUnreadable}, quick: true, plant: func(t *testing.T, s *layout.Store) {
			writeFile(t, filepath.Join(s.Dir(), "index.json"), `{"schemaVersion":2,"mediaType":"`+ocispec.MediaTypeImageIndex+`","manifests":[],"manifests":[]}`)
		}},
		"index: other type":     index(validate.RuleMediaTypeMismatch, func(m map[string]any) { m["mediaType"] = "x/y" }),
		"index: null":           index(validate.RuleMemberNull, func(m map[string]any) { m["manifests"] = nil }),
		"index: layers as well": index(validate.RuleMemberForeign, func(m map[string]any) { m["layers"] = []any{} }),
		"index: one ref twice":  index(validate.RuleRefNameDuplicate, func(m map[string]any) { e := m["manifests"].([]any)[0]; m["manifests"] = []any{e, e} }),
		"index: bad ref name": index(validate.RuleRefNameGrammar, func(m map[string]any) {
			m["manifests"].([]any)[0].(map[string]any)["annotations"] = map[string]any{ocispec.AnnotationRefName: "a__b\x1b[0m"}
		}),
		"index: empty ref name": index(validate.RuleRefNameGrammar, func(m map[string]any) {
			m["manifests"].([]any)[0].(map[string]any)["annotations"] = map[string]any{ocispec.AnnotationRefName: ""}
		}),
		"nested: a ref name":     nested(validate.RuleRefNameNested, func(_, a, _ map[string]any) { a["annotations"] = map[string]any{ocispec.AnnotationRefName: "x"} }),
		"nested: equal platform": nested(validate.RulePlatformDuplicate, func(x, a, _ map[string]any) { x["manifests"] = []any{a, a} }),
		"nested: mismatch":       nested(validate.RulePlatformMismatch, platform(map[string]any{"os": "linux", "architecture": "s390x"})),
		"nested: no os":          nested(validate.RulePlatformIncomplete, platform(map[string]any{"os": "", "architecture": "arm64"})),
		"nested: nonsense os": {
			rules: []validate.Rule{validate.RulePlatformValue, validate.RulePlatformMismatch}, quick: true,
			index: nested("", platform(map[string]any{"os": "Linux", "architecture": "x86_64"})).index,
		},
	}
}

func descriptorFaults() map[string]fault {
	entry := func(rule validate.Rule, edit func(m map[string]any)) fault {
		return fault{rules: []validate.Rule{rule}, quick: true, index: func(_ *testing.T, _ *layout.Store, m map[string]any) {
			e := map[string]any{"mediaType": "text/plain", "digest": digest.FromString("{}"), "size": 2}
			edit(e)
			m["manifests"] = append(m["manifests"].([]any), e)
		}, change: func(t *testing.T, s *layout.Store, _ *sample) { put(t, s, "x", []byte("{}")) }}
	}
	set := func(key string, value any) func(map[string]any) { return func(m map[string]any) { m[key] = value } }
	return map[string]fault{
		"no media type":             entry(validate.RuleDescriptorMediaType, func(m map[string]any) { delete(m, "mediaType") }),
		"media type with CR":        entry(validate.RuleDescriptorMediaType, set("mediaType", "text/plain\r\nX: y")),
		"media type too long":       entry(validate.RuleDescriptorMediaType, set("mediaType", "text/"+strings.Repeat("x", 128))),
		"digest is a path":          entry(validate.RuleDescriptorDigest, set("digest", "sha256:../../x")),
		"digest: short":             entry(validate.RuleDescriptorDigest, set("digest", "sha256:abc")),
		"digest: upper case":        entry(validate.RuleDescriptorDigest, set("digest", "sha256:"+strings.Repeat("A", 64))),
		"digest: algorithm is path": entry(validate.RuleDescriptorDigest, set("digest", "../..:x")),
		"digest: unknown algorithm": entry(validate.RuleDescriptorAlgorithm, set("digest", "blake3:"+strings.Repeat("a", 64))),
		"size: negative":            entry(validate.RuleDescriptorSize, set("size", -1)),
		"size: off by one":          entry(validate.RuleDescriptorSize, set("size", 3)),
		"size: huge":                entry(validate.RuleDescriptorSize, set("size", int64(1<<63-1))),
		"data: other content":       entry(validate.RuleDescriptorData, set("data", []byte("xx"))),
		"data: no base64":           entry(validate.RuleDocumentUnreadable, set("data", "***")),
		"url":                       entry(validate.RuleDescriptorURL, set("urls", []any{"http://x y/%zz"})),
		"url: relative":             entry(validate.RuleDescriptorURL, set("urls", []any{"blobs/x"})),
		"annotation null":           entry(validate.RuleElementNull, set("annotations", map[string]any{"a": nil})),
		"annotations null":          entry(validate.RuleOptionalNull, set("annotations", nil)),
		"artifact type empty":       entry(validate.RuleArtifactType, set("artifactType", "")),
		"platform: os empty":        entry(validate.RulePlatformIncomplete, set("platform", map[string]any{"os": "", "architecture": "amd64"})),
		"platform: no os":           entry(validate.RuleMemberMissing, set("platform", map[string]any{"architecture": "amd64"})),
		"platform null":             entry(validate.RuleOptionalNull, set("platform", nil)),
		"artifact type":             entry(validate.RuleArtifactType, set("artifactType", "no type")),
		"empty that is not empty": {rules: []validate.Rule{validate.RuleEmptyDescriptor}, quick: true, index: func(t *testing.T, s *layout.Store, m map[string]any) {
			d := put(t, s, "x", []byte("{ }"))
			m["manifests"] = append(m["manifests"].([]any), map[string]any{"mediaType": ocispec.MediaTypeEmptyJSON, "digest": d.Digest, "size": d.Size})
		}},
		"missing": entry(validate.RuleBlobMissing, set("digest", digest.FromString("nowhere"))),
		"missing, with data": entry(validate.RuleBlobMissing, func(m map[string]any) {
			m["digest"] = digest.FromString("here")
			m["size"] = 4
			m["data"] = []byte("here")
		}),
		"a layer's time": {rules: []validate.Rule{validate.RuleAnnotationCreated}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) {
			g.layer["annotations"] = map[string]any{ocispec.AnnotationCreated: "1"}
		}},
	}
}

func imageFaults() map[string]fault {
	config := func(rule validate.Rule, edit func(c, inner, rootfs map[string]any)) fault {
		return fault{rules: []validate.Rule{rule}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) {
			edit(g.config, g.config["config"].(map[string]any), g.config["rootfs"].(map[string]any))
		}}
	}
	layer := func(mediaType string, rule validate.Rule) fault {
		return fault{rules: []validate.Rule{rule}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.layer["mediaType"] = mediaType }}
	}
	return map[string]fault{
		"config is no JSON object": config(validate.RuleConfigUnreadable, func(c, _, _ map[string]any) { c["os"] = 7 }),
		"config: Architecture":     config(validate.RuleConfigUnreadable, func(c, _, _ map[string]any) { c["Architecture"] = "amd64" }),
		"config: no os":            config(validate.RuleMemberMissing, func(c, _, _ map[string]any) { delete(c, "os") }),
		"config: os null":          config(validate.RuleMemberMissing, func(c, _, _ map[string]any) { c["os"] = nil }),
		"config: os empty":         config(validate.RuleConfigPlatform, func(c, _, _ map[string]any) { c["os"] = "" }),
		"config: author null":      config(validate.RuleOptionalNull, func(c, _, _ map[string]any) { c["author"] = nil }),
		"config: null in a list":   config(validate.RuleElementNull, func(c, _, _ map[string]any) { c["os.features"] = []any{nil} }),
		"config: port null":        config(validate.RuleElementNull, func(_, r, _ map[string]any) { r["ExposedPorts"] = map[string]any{"80/tcp": nil} }),
		"config: rootfs type":      config(validate.RuleConfigRootFS, func(_, _, r map[string]any) { r["type"] = "x" }),
		"config: malformed diffID": config(validate.RuleConfigDiffIDForm, func(_, _, r map[string]any) { r["diff_ids"] = []any{"sha256:x"} }),
		"config: a diffID less":    config(validate.RuleConfigDiffIDCount, func(_, _, r map[string]any) { r["diff_ids"] = []any{} }),
		"config: history":          config(validate.RuleConfigHistoryCount, func(c, _, _ map[string]any) { c["history"] = []any{map[string]any{}, map[string]any{}} }),
		"config: port":             config(validate.RuleConfigPort, func(_, i, _ map[string]any) { i["ExposedPorts"] = map[string]any{"http": map[string]any{}} }),
		"config: env":              config(validate.RuleConfigEnv, func(_, i, _ map[string]any) { i["Env"] = []any{"=x"} }),
		"layer: unknown type":      layer("application/vnd.oci.image.layer.v1.tar+lzma", validate.RuleLayerMediaType),
		"layer: nondistributable":  layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", validate.RuleLayerNondistributed),
		"no layers": {rules: []validate.Rule{validate.RuleLayersEmpty}, quick: true, change: func(_ *testing.T, _ *layout.Store, g *sample) {
			g.manifest["layers"] = []any{}
			delete(g.config, "history")
			g.config["rootfs"].(map[string]any)["diff_ids"] = []any{}
		}},
		"an artifact of no type": {rules: []validate.Rule{validate.RuleArtifactTypeMissing}, quick: true, change: func(t *testing.T, s *layout.Store, g *sample) {
			put(t, s, "x", []byte("{}"))
			g.manifest["config"] = ocispec.DescriptorEmptyJSON
		}},
		"diffID of the compressed layer": {rules: []validate.Rule{validate.RuleDiffID}, change: func(t *testing.T, _ *layout.Store, g *sample) {
			g.config["rootfs"].(map[string]any)["diff_ids"] = []any{digest.FromBytes(gzipped(t, g.tar))}
		}},
		"diffID of the first member": {rules: []validate.Rule{validate.RuleDiffID}, change: func(t *testing.T, _ *layout.Store, g *sample) {
			first := g.tar[:1024]
			g.config["rootfs"].(map[string]any)["diff_ids"] = []any{digest.FromBytes(first)}
			g.pack = func(t *testing.T, b []byte) []byte { return append(gzipped(t, first), gzipped(t, b[1024:])...) }
		}},
	}
}

func layerFaults(t *testing.T) map[string]fault {
	packed := func(pack func(*testing.T, []byte) []byte, rules ...validate.Rule) fault {
		return fault{rules: rules, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.pack = pack }}
	}
	entries := func(rule validate.Rule, files ...file) fault {
		return fault{rules: []validate.Rule{rule}, change: func(t *testing.T, _ *layout.Store, g *sample) { g.tar = tarOf(t, files...) }}
	}
	raw := func(content []byte, rule validate.Rule) fault {
		return fault{rules: []validate.Rule{rule}, change: func(_ *testing.T, _ *layout.Store, g *sample) { g.tar = content }}
	}
	dir := func(name string) file { return file{name: name, typ: tar.TypeDir} }
	return map[string]fault{
		"not compressed":         packed(func(_ *testing.T, b []byte) []byte { return b }, validate.RuleLayerCompression),
		"zstd that says gzip":    packed(zstded, validate.RuleLayerCompression),
		"gzip cut":               packed(func(t *testing.T, b []byte) []byte { z := gzipped(t, b); return z[:len(z)-9] }, validate.RuleLayerUnreadable),
		"gzip with a bad sum":    packed(func(t *testing.T, b []byte) []byte { z := gzipped(t, b); z[len(z)-6] ^= 1; return z }, validate.RuleLayerUnreadable),
		"gzip, then garbage":     packed(func(t *testing.T, b []byte) []byte { return append(gzipped(t, b), "garbage garbage"...) }, validate.RuleLayerTrailing),
		"zstd, then garbage":     zstdLayer(func(t *testing.T, b []byte) []byte { return append(zstded(t, b), "garbage garbage"...) }, validate.RuleLayerTrailing),
		"no tar":                 raw([]byte(strings.Repeat("no tar ", 200)), validate.RuleLayerUnreadable),
		"a tar cut":              raw(tarOf(t, file{name: "a", body: strings.Repeat("a", 2000)})[:1500], validate.RuleLayerUnreadable),
		"data after the tar":     raw(append(tarOf(t, file{name: "a"}), "hidden"...), validate.RuleLayerTrailing),
		"out of the root":        entries(validate.RuleLayerPath, file{name: "../x"}),
		"out of the root inside": entries(validate.RuleLayerPath, file{name: "a/../../x"}),
		"absolute":               entries(validate.RuleLayerAbsolute, file{name: "/etc/passwd"}),
		"a long name":            entries(validate.RuleLayerPath, file{name: strings.Repeat("n", 256)}),
		"a name of 64 KiB":       entries(validate.RuleLayerPath, file{name: strings.Repeat("n", 64<<10)}),
		"escape codes":           entries(validate.RuleLayerPath, file{name: "../\x1b[2Jx"}),
		"twice":                  entries(validate.RuleLayerDuplicate, file{name: "a"}, file{name: "./a"}),
		"a directory twice":      entries(validate.RuleLayerDuplicate, dir("a"), dir("a/")),
		"through a symlink":      entries(validate.RuleLayerThroughLink, file{name: "l", typ: tar.TypeSymlink, link: "/etc"}, file{name: "l/passwd"}),
		"whiteout by a symlink":  entries(validate.RuleLayerThroughLink, file{name: "l", typ: tar.TypeSymlink, link: "/etc"}, file{name: "l/.wh.passwd"}),
		"hard link out":          entries(validate.RuleLayerHardlink, file{name: "l", typ: tar.TypeLink, link: "../../etc/passwd"}),
		"hard link absolute":     entries(validate.RuleLayerAbsolute, file{name: "a"}, file{name: "l", typ: tar.TypeLink, link: "/a"}),
		"hard link too early": {rules: []validate.Rule{validate.RuleLayerHardlink, validate.RuleLayerHardlinkLower}, change: func(t *testing.T, _ *layout.Store, g *sample) {
			g.tar = tarOf(t, file{name: "l", typ: tar.TypeLink, link: "z"}, file{name: "z"})
		}},
		"hard link into a lower layer": entries(validate.RuleLayerHardlinkLower, file{name: "l", typ: tar.TypeLink, link: "z"}),
		"hard link to a directory":     entries(validate.RuleLayerHardlink, dir("d"), file{name: "l", typ: tar.TypeLink, link: "d"}),
		"hard link to the root":        entries(validate.RuleLayerHardlink, file{name: "l", typ: tar.TypeLink, link: "."}),
		"below a file":                 entries(validate.RuleLayerBelowFile, file{name: "a"}, file{name: "a/b"}),
		"the root is a link":           entries(validate.RuleLayerRoot, file{name: ".", typ: tar.TypeSymlink, link: "/etc"}),
		"a Latin-1 name":               raw(append(ustarHeader("caf\xe9", tar.TypeReg, 0), make([]byte, 1024)...), validate.RuleLayerName),
		"sparse":                       raw(extendedTar(tar.TypeXHeader, "SCHILY.realsize", "1099511627776"), validate.RuleLayerSparse),
		"no end":                       {change: func(t *testing.T, _ *layout.Store, g *sample) { g.tar = tarOf(t, file{name: "a"})[:512] }},
		"a global path":                raw(extendedTar(tar.TypeXGlobalHeader, "path", "../../evil"), validate.RuleLayerHeader),
		"a global comment": {change: func(_ *testing.T, _ *layout.Store, g *sample) {
			g.tar = extendedTar(tar.TypeXGlobalHeader, "comment", "0123abcd")
		}},
		"a file of AUFS":         entries(validate.RuleWhiteoutReserved, dir(".wh..wh.plnk")),
		"whiteout of the root":   entries(validate.RuleWhiteoutName, file{name: ".wh.."}),
		"whiteout of the parent": entries(validate.RuleWhiteoutName, dir("d"), file{name: "d/.wh..."}),
		"hard link by a symlink": entries(validate.RuleLayerHardlink, file{name: "s", typ: tar.TypeSymlink, link: "/"}, file{name: "l", typ: tar.TypeLink, link: "s/x"}),
		"contiguous file":        entries(validate.RuleLayerEntryType, file{name: "a", typ: tar.TypeCont}),
		"PAX size below":         raw(paxSized(t, "x", 512, 0), validate.RuleLayerEntrySize),
		"PAX size above":         raw(paxSized(t, "x", 0, 512), validate.RuleLayerEntrySize),
		"zstd cut":               zstdLayer(func(t *testing.T, b []byte) []byte { z := zstded(t, b); return z[:len(z)-5] }, validate.RuleLayerUnreadable),
		"zstd, a giant window":   zstdLayer(giantWindow, validate.RuleLayerUnreadable),
		"gzip, cut in a member": packed(func(t *testing.T, b []byte) []byte {
			return append(gzipped(t, b[:700]), gzipped(t, b[700:])[:30]...)
		}, validate.RuleLayerUnreadable),
		"whiteout with content": entries(validate.RuleWhiteoutForm, file{name: ".wh.a", body: "x"}),
		"whiteout directory":    entries(validate.RuleWhiteoutForm, dir("d"), dir("d/.wh.a")),
		"whiteout of nothing":   entries(validate.RuleWhiteoutName, file{name: ".wh."}),
		"whiteout of its own":   entries(validate.RuleWhiteoutOwn, file{name: ".wh.a"}, file{name: "a"}),
		"whiteout too late":     entries(validate.RuleWhiteoutOrder, dir("d"), file{name: "d/a"}, file{name: "d/.wh..wh..opq"}),
	}
}
