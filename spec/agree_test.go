package spec_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// strayDigest is that of no blob, and storedLayer that of the blob that putStored puts
// into a layout: a tar without entries.
const (
	strayDigest = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
	storedLayer = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
)

// putStored makes a layout that has nothing but the blob storedLayer.
func putStored(t *testing.T, dir string) {
	t.Helper()
	store, err := layout.Open(dir, layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	desc, _, err := store.PutBytes(t.Context(), "application/vnd.oci.image.layer.v1.tar", make([]byte, 1024), nil)
	if err != nil || desc.Digest != storedLayer {
		t.Fatalf("%s, %v", desc.Digest, err)
	}
}

// example is a spec of one block of each kind, in which an attribute can be set.
// Where a value needs others, they come with it.
type example map[string]map[string]string

func goodExample() example {
	return example{
		"base":  {"from": `"oci:vendor:1"`, "platform": `"linux/amd64"`},
		"layer": {}, "compression": {}, "copy": {"from": `"src"`, "to": `"/copied"`}, "file": {"content": `"x"`}, "directory": {}, "symlink": {"target": `"x"`},
		"hardlink": {"target": `"/file"`}, "whiteout": {}, "dynamic": {"for_each": `["a"]`},
		"config": {"platform": `"linux/amd64"`}, "manifest": {"config": "config.c", "layers": "[layer.l]", "tags": `["latest"]`}, "index": {"manifests": "[manifest.m]"},
		"import":   {"to": "manifest.other", "digest": `"` + strayDigest + `"`},
		"variable": {"default": `"v"`}, "validation": {"condition": `var.v != "w"`, "error_message": `"It is w."`}, "output": {"value": `"o"`},
	}
}

func (e example) text() string {
	body := func(block string) string {
		text := ""
		for _, name := range slices.Sorted(maps.Keys(e[block])) {
			text += fmt.Sprintf("  %s = %s\n", name, e[block][name])
		}
		return text
	}
	compression := ""
	if len(e["compression"]) > 0 {
		compression = "compression {\n" + body("compression") + "}\n"
	}
	tree := ""
	if e["layer"]["archive"] == "" && e["layer"]["blob"] == "" && e["layer"]["digest"] == "" {
		for _, kind := range []string{"copy", "file", "directory", "symlink", "hardlink", "whiteout"} {
			label := fmt.Sprintf(" %q", "/"+kind)
			if kind == "copy" {
				label = ""
			}
			tree += kind + label + " {\n" + body(kind) + "}\n"
		}
		tree += "dynamic \"file\" {\n" + body("dynamic") + "  content {\n    content = \"d\"\n  }\n}\n"
		if e["dynamic"]["labels"] == "" {
			tree = strings.Replace(tree, "dynamic \"file\" {\n", "dynamic \"file\" {\n  labels = [\"/dynamic/"+"${"+e.iterator()+".value}\"]\n", 1)
		}
	}
	return "layout { path = \"l\" }\n" +
		"variable \"v\" {\n" + body("variable") + "validation {\n" + body("validation") + "}\n}\n" +
		"base \"b\" {\n" + body("base") + "}\n" +
		"layer \"l\" {\n" + body("layer") + compression + tree + "}\n" +
		"config \"c\" {\n" + body("config") + "}\nmanifest \"m\" {\n" + body("manifest") + "}\n" +
		"manifest \"other\" {\n  artifact_type = \"a/b\"\n}\n" +
		"import {\n" + body("import") + "}\n" +
		"index \"i\" {\n" + body("index") + "}\noutput \"o\" {\n" + body("output") + "}\n"
}

func (e example) iterator() string {
	if name := e["dynamic"]["iterator"]; name != "" {
		return strings.Trim(name, `"`)
	}
	return "file"
}

// tried are values of an attribute. Each is an expression, which may be followed by
// other attributes: "value; BLOCK.NAME = value". An empty value removes them.
type tried struct{ good, bad []string }

func (e example) set(attribute, value string) {
	for i, part := range strings.Split(value, "; ") {
		name := attribute
		if i > 0 {
			name, part, _ = strings.Cut(part, " = ")
		}
		block, name, _ := strings.Cut(name, ".")
		if part == "" {
			delete(e[block], name)
			continue
		}
		e[block][name] = part
	}
}

// triedValues are good and bad values of every attribute of the language.
func triedValues() map[string]tried {
	texts := tried{good: []string{`"x"`, `""`, `"a\nb é"`}, bad: []string{"[]", "{}"}}
	moments := tried{good: []string{`"2026-03-08"`, `"2026-03-08T01:02:03Z"`, `"2026-03-08T01:02:03.5+02:00"`},
		bad: []string{`"yesterday"`, `""`, `"2026-02-30"`, `"2026-03-08T25:00:00Z"`, `"2026-03-08 01:02:03Z"`, `"20260308"`}}
	mtimes := tried{good: append(slices.Clone(moments.good), "0", `"1700000000"`), bad: append(slices.Clone(moments.bad[:5]), `"-1"`, `"1900-01-01"`, "253402300800")}
	modes := tried{good: []string{`"0644"`, `"0755"`, `"4755"`, `"1777"`}, bad: []string{`"0999"`, `"rwx"`, `"-1"`, `""`, `"777777"`}}
	ids := tried{good: []string{"0", "1000", "4294967294"}, bad: []string{"-1", "1.5", "4294967295", `"root"`}}
	xattrs := tried{good: []string{`{ "user.a" = "b" }`, "{}"}, bad: []string{`{ a = "b" }`, `{ "" = "b" }`, `{ "user.a=b" = "c" }`}}
	capabilities := tried{good: []string{`"cap_net_bind_service=ep"`}, bad: []string{`"cap_x=ep"`, `"root"`}}
	annotations := tried{good: []string{`{ a = "b" }`, "{}", `{ a = "" }`, `{ a = null }`, `{ "org.opencontainers.image.created" = "2026-03-08" }`, `{ a = layer.l.digest }`},
		bad: []string{`{ "" = "b" }`, `{ "org.opencontainers.image.created" = "yesterday" }`, `{ "org.opencontainers.image.created" = "" }`,
			`{ a = layer.l.digest, "org.opencontainers.image.created" = "now" }`, `["a"]`, `{ a = [] }`}}
	layerAnnotations := tried{good: annotations.good[:5], bad: annotations.bad[:3]}
	descriptors := tried{good: annotations.good, bad: append(slices.Clone(annotations.bad), `{ "org.opencontainers.image.ref.name" = "x" }`)}
	types := tried{good: []string{`"a/b"`, `"application/vnd.example+json"`}, bad: []string{`""`, `"a"`, `"a/b/c"`, `"a/b; c=d"`, `"a/b\n"`, `"/b"`}}
	tags := tried{good: []string{`["latest"]`, `["a__b"]`, `["v1.2", "registry.example.com:5000/team/app:v1"]`, "[]", `["` + strings.Repeat("a", 4096) + `"]`},
		bad: []string{`[""]`, `["a b"]`, `["-a"]`, `["a/"]`, `["é"]`, `[null]`, `["` + strings.Repeat("a", 4097) + `"]`}}
	extra := tried{good: []string{`{ "x.y" = [1, null, { z = "é" }] }`, "{}"}, bad: []string{`{ annotations = {} }`, `"x"`, `{ "" = 1 }`, `{ Annotations = {} }`}}
	platforms := tried{good: []string{`"linux/amd64"`, `"linux/arm64/v8"`, `"linux/arm/v6"`, `"windows/amd64"`, `"wasip1/wasm"`, `"wasip2/wasm"`, `"unknown/unknown"`},
		bad: []string{`"linux"`, `"linux/x86_64"`, `"Linux/amd64"`, `"linux/amd64/v 2"`, `"linux/amd64/"`, `"wasip3/wasm"`, `""`}}
	apart := func(value string) string {
		return value + "; config.platform = ; config.os = \"linux\"; config.architecture = \"amd64\""
	}
	subject := tried{good: []string{"manifest.other", "base.b", "base.b; base.platform = "}, bad: []string{"config.c", `"x"`}}
	onBase := func(value string) string { return value + "; manifest.base = base.b" }
	return map[string]tried{
		"base.for_each": {good: []string{`toset(["a"]); manifest.base = base.b["a"]`}, bad: []string{"3", `"a"`, `[1]`}},
		"base.from": {good: []string{onBase(`"oci:vendor:1"`), onBase(`"oci:vendor"`), `"docker://example.com/x"`},
			bad: []string{onBase(`"oci:vendor:2"`), onBase(`"oci:nowhere"`), onBase(`"oci:src:1"`), `"vendor"`, `"http://x/y"`, `""`, "layer.l.digest", onBase("null")}},
		"base.platform": {good: []string{onBase(`"linux/amd64"`), onBase(`"linux/arm64/v8"; config.platform = `)},
			bad: []string{onBase(`"linux/s390x"`), `"linux"`, `"Linux/amd64"`, `""`, onBase("null")}},
		"base.layers": {good: []string{onBase(`"copy"`), `"remote"; base.from = "docker://example.com/x:1"; base.platform = `},
			bad: []string{onBase(`"lazy"`), "3", onBase(`"remote"`)}},
		"base.pin": {good: []string{onBase("true"), onBase("false")}, bad: []string{`"x"`, "3", onBase("true; base.from = \"docker://example.com/x:1\"")}},
		"manifest.base": {good: []string{"base.b", "base.b; config.platform = ", "base.b; manifest.layers = []", "base.b; manifest.layers = "},
			bad: []string{"layer.l", "base.x", `"x"`, "base.b; manifest.config = ; manifest.artifact_type = \"a/b\""}},
		"config.unset": {good: []string{onBase(`["cmd", "env.A", "labels"]`), onBase(`["user"]`), "[]"},
			bad: []string{`["cmd"]`, onBase(`["nothing"]`), onBase(`["cmd.x"]`), onBase(`["env."]`), onBase(`["extra", "extra"]`), onBase(`["cmd"]; config.cmd = ["x"]`), onBase(`["env.A"]; config.env = { A = "b" }`)}},
		"layer.for_each": {good: []string{`toset(["a"]); manifest.layers = [layer.l["a"]]`}, bad: []string{"3", `"a"`, `[1]`}},
		"layer.archive":  {good: []string{`"a.tar"`}, bad: []string{`"/a.tar"`, `"../a.tar"`, `"nowhere.tar"`, `"src/a"`, `""`}},
		"layer.on_duplicate": {good: []string{`"error"; layer.archive = "a.tar"`, `"first"; layer.archive = "a.tar"`, `"last"; layer.archive = "a.tar"`},
			bad: []string{`"merge"; layer.archive = "a.tar"`, `""; layer.archive = "a.tar"`, `"first"`}},
		"layer.blob": {good: []string{`"src/a"; layer.media_type = "a/b"; manifest.config = ; manifest.artifact_type = "a/b"`}, bad: []string{`"src/a"`, `"src/a"; layer.media_type = "a/b"`, `"nowhere"; layer.media_type = "a/b"`}},
		"layer.digest": {good: []string{`"` + storedLayer + `"; layer.media_type = "application/vnd.oci.image.layer.v1.tar"`},
			bad: []string{`"` + storedLayer + `"`, `"` + strayDigest + `"; layer.media_type = "a/b"`, `"sha256:x"; layer.media_type = "a/b"`, `"` + storedLayer + `"; layer.media_type = "a/b"; layer.archive = "a.tar"`}},
		"layer.media_type":        {good: []string{`"application/vnd.oci.image.layer.v1.tar+gzip"`, `"application/vnd.docker.image.rootfs.diff.tar.gzip"`, `"application/vnd.oci.image.layer.v1.tar+zstd"; layer.compression = "zstd"`}, bad: append(types.bad, types.good[0], `"application/vnd.oci.image.layer.v1.tar"`, `"application/vnd.oci.image.layer.v1.tar+lz4"`)},
		"layer.compression":       {good: []string{`"gzip"`, `"zstd"`, `"none"`, `{ algorithm = "zstd", level = 3 }`}, bad: []string{`"xz"`, `""`, "3", `{ algorithm = "none", level = 1 }`, `{ level = 10 }`}},
		"layer.on_symlink_parent": {good: []string{`"follow"`, `"error"`, `"replace"`, onBase(`"follow"`)}, bad: []string{`"keep"`, `""`, `"follow"; layer.archive = "a.tar"`}},
		"layer.created_by":        texts, "layer.author": texts, "layer.comment": texts, "layer.created": moments, "layer.annotations": layerAnnotations,
		"layer.urls":            {good: []string{`["https://example.com/x"]`, "[]", `["urn:x:y"]`}, bad: []string{`["x"]`, `["//host/x"]`, `["http://[::1"]`, `[""]`, `[null]`}},
		"compression.algorithm": {good: []string{`"gzip"`, `"zstd"`, `"none"`}, bad: []string{`"xz"`, `""`, "[]"}},
		"compression.level":     {good: []string{"1", "9", `22; compression.algorithm = "zstd"`}, bad: []string{"0", "10", "1.5", `"x"`, `1; compression.algorithm = "none"`, `23; compression.algorithm = "zstd"`}},
		"copy.from":             {good: []string{`"src"`, `"src/a"`}, bad: []string{`"nowhere"`, `"../x"`, `"/src"`, "null"}},
		"copy.to":               {good: []string{`"/x"`, `"/x/../y"; copy.to = "/y"`, `"/"`}, bad: []string{`"x"`, `"/x/../y"`, `"/x/.wh.y"`, `"/` + strings.Repeat("a", 256) + `"`, `"/a\u0000"`}},
		"copy.include":          {good: []string{`["a"]`, `["**"]`}, bad: []string{`["["]`, "3", `[null]`}},
		"copy.exclude":          {good: []string{`["a"]`, `["**", "!a"]`}, bad: []string{`["["]`, "3", `[null]`}},
		"copy.ignore_file":      {good: []string{`"ignore"`}, bad: []string{`"nowhere"`, `"../ignore"`, "[]"}},
		"copy.mode":             modes, "copy.dir_mode": modes, "copy.uid": ids, "copy.gid": ids, "copy.mtime": mtimes, "copy.xattrs": xattrs, "copy.capabilities": capabilities,
		"copy.metadata": {good: []string{`"normalize"`, `"preserve"`}, bad: []string{`"keep"`, `""`}},
		"file.content":  {good: []string{`"x"`, `""`, `manifest.other.digest`}, bad: []string{"[]", "null", `"x"; file.source = "src/a"`}},
		"file.source":   {good: []string{`"src/a"; file.content = `}, bad: []string{`"src"; file.content = `, `"nowhere"; file.content = `, `"../x"; file.content = `}},
		"file.mode":     modes, "file.uid": ids, "file.gid": ids, "file.mtime": mtimes, "file.xattrs": xattrs, "file.capabilities": capabilities,
		"directory.mode": modes, "directory.uid": ids, "directory.gid": ids, "directory.mtime": mtimes, "directory.xattrs": xattrs,
		"symlink.target": {good: []string{`"x"`, `"/x"`, `"../../x"`, `"` + strings.Repeat("a", 4095) + `"`}, bad: []string{`""`, `"a\u0000"`, `"` + strings.Repeat("a", 4096) + `"`}},
		"symlink.uid":    ids, "symlink.gid": ids, "symlink.mtime": mtimes,
		"hardlink.target":   {good: []string{`"/file"`}, bad: []string{`"file"`, `"/nowhere"`, `"/directory"`, `"/"`, `"/../file"`}},
		"whiteout.opaque":   {good: []string{"true", "false"}, bad: []string{`"maybe"`, "[]"}},
		"whiteout.expand":   {good: []string{"true; whiteout.opaque = true", "false"}, bad: []string{`"maybe"`, "[]", "true"}},
		"dynamic.for_each":  {good: []string{`["a", "b"]`, `[]`, `{ k = "v" }`}, bad: []string{`"a"`, "3", `["a", "a"]`}},
		"dynamic.labels":    {good: []string{`["/dynamic/${file.value}"]`}, bad: []string{`["x"]`, `[]`, `["/a", "/b"]`, `["/.wh.x"]`}},
		"dynamic.iterator":  {good: []string{"it"}, bad: []string{`"a b"`, "3"}},
		"config.for_each":   {good: []string{`toset(["a"]); manifest.config = config.c["a"]`}, bad: []string{"3", `"a"`}},
		"config.media_type": {good: []string{`"application/vnd.oci.image.config.v1+json"`, `"a/b"; config.content = "x"; config.platform = `}, bad: append(slices.Clone(types.bad), `"a/b"`)},
		"config.content_base64": {
			good: []string{`"AAH/"; config.media_type = "application/vnd.example"; config.platform = ; manifest.artifact_type = "a/b"`},
			bad: []string{`"e30="`, `"!"; config.media_type = "application/vnd.example"; config.platform = ; manifest.artifact_type = "a/b"`,
				`"e30="; config.content = "{}"; config.media_type = "application/vnd.example"; config.platform = ; manifest.artifact_type = "a/b"`},
		},
		"config.content": {good: []string{`"{}"; config.media_type = "application/vnd.oci.empty.v1+json"; config.platform = ; manifest.artifact_type = "a/b"`}, bad: []string{`"{}"`}},
		"config.digest": {good: []string{`"` + storedLayer + `"; config.media_type = "a/b"; config.platform = ; manifest.artifact_type = "a/b"`},
			bad: []string{`"` + storedLayer + `"`, `"` + storedLayer + `"; config.platform = `, `"` + strayDigest + `"; config.platform = `, `"x"; config.platform = `}},
		"import.to":          {good: []string{"manifest.m", "config.c", "index.i", `"${manifest.other}"`}, bad: []string{"layer.l", "base.b", "manifest.x", `"${var.v}"`, "upper(\"x\")"}},
		"import.digest":      {good: []string{`"` + strayDigest + `"`}, bad: []string{`"x"`, `"sha256:x"`, "var.v", "[]"}},
		"config.annotations": {good: annotations.good[:5], bad: annotations.bad[:3]}, "config.platform": platforms,
		"config.architecture": {good: []string{`"arm64"; config.platform = ; config.os = "linux"`}, bad: []string{`"arm64"`, `"x86_64"; config.platform = ; config.os = "linux"`, `"arm64"; config.platform = `}},
		"config.os":           {good: []string{apart(`"linux"`)}, bad: []string{`"linux"; config.platform = `, `"linux"`, `"Linux"; config.platform = ; config.architecture = "amd64"`}},
		"config.variant":      {good: []string{apart(`"v2"`)}, bad: []string{apart(`"v 2"`), `"v2"`, apart(`"-"`)}},
		"config.os_version":   {good: []string{`"10.0.1"`}, bad: []string{`"a b"`, `"é"`, "[]"}},
		"config.os_features":  {good: []string{`["win32k"]`, "[]"}, bad: []string{`[""]`, `["a b"]`, `[null]`}},
		"config.created":      {good: append(slices.Clone(moments.good), `"none"`), bad: moments.bad}, "config.author": texts,
		"config.user":           {good: []string{`"0"`, `"u:g"`, `"1:2"`, `""`}, bad: []string{`"a b"`, `"a:"`, `":b"`, `"a:b:c"`}},
		"config.exposed_ports":  {good: []string{`["80", "53/udp", "443/tcp"]`, "[]", `["65535"]`}, bad: []string{`["80/sctp"]`, `["0"]`, `["65536"]`, `["http"]`, `["80-90/tcp"]`, `[""]`, `["80/TCP"]`, `[null]`}},
		"config.env":            {good: []string{`{ A = "b" }`, `["A=b", "B="]`, `{ A = "b\nc" }`}, bad: []string{`["A"]`, `["=b"]`, `{ "" = "x" }`, `{ "A=" = "x" }`, `{ A = "\u0000" }`, `["A=1", "A=2"]`, `[null]`}},
		"config.entrypoint":     {good: []string{`["/x", ""]`, "[]"}, bad: []string{`["\u0000"]`, `[null]`, `{}`}},
		"config.cmd":            {good: []string{`["/x", ""]`, "[]"}, bad: []string{`["\u0000"]`, `[null]`, `{}`}},
		"config.volumes":        {good: []string{`["/v"]`, "[]"}, bad: []string{`["v"]`, `[""]`, `[null]`}},
		"config.working_dir":    {good: []string{`"/x"`}, bad: []string{`"x"`, "[]"}},
		"config.labels":         {good: annotations.good[:5], bad: annotations.bad[:3]},
		"config.stop_signal":    {good: []string{`"SIGTERM"`, `"SIGRTMIN+3"`, `"9"`}, bad: []string{`"TERM"`, `"sigterm"`, `"-9"`}},
		"config.args_escaped":   {good: []string{"true", "false"}, bad: []string{`"maybe"`}},
		"config.extra":          {good: extra.good, bad: []string{`{ os = "x" }`, `{ RootFS = {} }`, `"x"`, `{ "" = 1 }`}},
		"manifest.embed_config": {good: []string{"true", "false", `true; manifest.config = ; manifest.artifact_type = "a/b"`}, bad: []string{`"maybe"`, "[]", `true; manifest.media_types = "docker"`}},
		"manifest.media_types": {
			good: []string{`"oci"`, `"docker"`, `"docker"; layer.compression = "none"`},
			bad:  []string{`"v2"`, `"docker"; layer.compression = "zstd"`, `"docker"; manifest.annotations = { a = "b" }`, `"docker"; config.annotations = { a = "b" }`, `"docker"; layer.annotations = { a = "b" }`},
		},
		"index.embed_manifests": {good: []string{"true", "false", "true; manifest.embed_config = true"}, bad: []string{`"maybe"`, "[]"}},
		"index.media_types":     {good: []string{`"oci"`, `"docker"; manifest.media_types = "docker"`}, bad: []string{`"x"`, `"docker"`, `"docker"; manifest.media_types = "docker"; index.annotations = { a = "b" }`}},
		"config.healthcheck": {
			good: []string{`{ test = ["CMD", "/app"], interval = "30s", timeout = "1m30s", start_period = "0s", start_interval = "1s", retries = 3 }`, `{ test = "curl localhost" }`, `{ test = ["NONE"] }`, `{ interval = "1ms" }`,
				`{ test = ["CMD-SHELL", "x"] }; config.config_extra = { Shell = ["sh"] }`},
			bad: []string{"{}", `{ test = [] }`, `{ test = ["CMD"] }`, `{ test = ["NONE", "x"] }`, `{ test = ["x"] }`, `{ test = "" }`, `{ interval = "1us" }`, `{ interval = 3 }`, `{ retries = -1 }`, `{ retries = 1.5 }`,
				`{ tests = ["NONE"] }`, `"x"`, `{ test = ["NONE"] }; config.config_extra = { healthcheck = {} }`},
		},
		"config.memory":      {good: []string{"0", "67108864", `"1024"`}, bad: []string{"-1", "1.5", `"1g"`, "1e300"}},
		"config.memory_swap": {good: []string{"-1", "0", "67108864"}, bad: []string{"-2", `"x"`}},
		"config.cpu_shares":  {good: []string{"0", "512"}, bad: []string{"-1", "[]"}},
		"config.history": {
			good: []string{`[{ created_by = "x" }]`, `[{ empty_layer = true, comment = "a" }, { created = "2026-01-02", author = "b" }, { empty_layer = "true" }]`, "[]", `[{}]`, `[{ created = "none" }]`},
			bad:  []string{`[{ empty_layer = true }]`, `[{}, {}]`, `{}`, `["x"]`, `[{ created = "now" }]`, `[{ create = "x" }]`, `[{ empty_layer = "maybe" }]`, `[null]`, `[{ created_by = [] }]`},
		},
		"config.config_extra":    {good: extra.good, bad: []string{`{ User = "x" }`, `{ env = [] }`, `"x"`}},
		"manifest.for_each":      {good: []string{`toset(["a"]); index.manifests = values(manifest.m)`}, bad: []string{"3"}},
		"manifest.config":        {good: []string{"config.c"}, bad: []string{"layer.l", "config.x", `"x"`}},
		"manifest.layers":        {good: []string{"[layer.l]", "[layer.l, layer.l]"}, bad: []string{"[]", "[config.c]", `["x"]`, "layer.x"}},
		"manifest.artifact_type": types, "manifest.subject": subject, "manifest.annotations": annotations, "manifest.descriptor_annotations": descriptors,
		"manifest.os_version":  {good: []string{`"10.0.1"; manifest.platform = "windows/amd64"`}, bad: []string{`"10.0.1"`, `"a b"; manifest.platform = "windows/amd64"`}},
		"manifest.os_features": {good: []string{`["win32k"]; manifest.platform = "windows/amd64"`, "[]"}, bad: []string{`["win32k"]`, `[""]; manifest.platform = "windows/amd64"`}},
		"manifest.platform":    platforms, "manifest.tags": tags, "manifest.extra": extra,
		"index.for_each":      {good: []string{`toset(["a"])`}, bad: []string{"3"}},
		"index.manifests":     {good: []string{"[manifest.m]", "[]", "[manifest.m, manifest.other]", "[base.b, manifest.m]", "[base.b, manifest.m]; base.platform = "}, bad: []string{"[manifest.m, manifest.m]", "[layer.l]", `["x"]`, "[index.i]"}},
		"index.artifact_type": types, "index.subject": subject, "index.annotations": annotations, "index.descriptor_annotations": descriptors,
		"index.tags":    {good: []string{`["i"]`, "[]"}, bad: append(slices.Clone(tags.bad), `["latest"]`)},
		"index.extra":   extra,
		"variable.type": {good: []string{"string", "list(string); variable.default = [\"v\"]"}, bad: []string{"text", `list`, "number"}}, "variable.default": {good: []string{`"v"`}, bad: []string{`"w"`, "layer.l.digest"}},
		"variable.description": {good: []string{`"x"`}, bad: []string{"[]"}}, "variable.sensitive": {good: []string{"true"}, bad: []string{`"maybe"`}}, "variable.nullable": {good: []string{"true", "false"}, bad: []string{`"maybe"`}},
		"validation.condition": {good: []string{`var.v == "v"`}, bad: []string{`var.v == "x"`, `"maybe"`}}, "validation.error_message": {good: []string{`"It is w."`}, bad: []string{"var.nowhere", "layer.l.digest"}},
		"output.value": {good: []string{`"x"`, "layer.l.digest", "null"}, bad: []string{"layer.x.digest", "nowhere"}}, "output.description": {good: []string{`"x"`}, bad: []string{"[1]"}}, "output.sensitive": {good: []string{"true"}, bad: []string{`"maybe"`}},
	}
}

// TestCommandsAgree holds for every attribute of the language that what one command
// accepts all accept, validation of the layout included, and that what is refused
// is refused with its place before anything is written.
func TestCommandsAgree(t *testing.T) {
	t.Parallel()
	values := triedValues()
	attributes := spec.AllAttributes()
	if len(attributes) < 80 {
		t.Fatalf("the schema has only %d attributes", len(attributes))
	}
	for _, attribute := range attributes {
		tried := values[attribute]
		if len(tried.good) == 0 || len(tried.bad) == 0 {
			t.Errorf("%s has no values here: add good and bad ones", attribute)
		}
		delete(values, attribute)
		for good, list := range map[bool][]string{true: tried.good, false: tried.bad} {
			for _, value := range list {
				e := goodExample()
				e.set(attribute, value)
				if problem := tryExample(t, e.text()); (problem == "") != good {
					t.Errorf("%s = %.100s: good is %v, but: %s", attribute, value, good, problem)
				}
			}
		}
	}
	for attribute := range values {
		t.Errorf("%s is no attribute of the schema", attribute)
	}
}

// tryExample plans, applies and validates a spec, and gives what is wrong with it,
// "" for nothing. A refusal that is no diagnostic with a place fails the test.
func tryExample(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	stores := strings.Contains(text, storedLayer)
	if stores {
		putStored(t, filepath.Join(dir, "l"))
	}
	if strings.Contains(text, "oci:vendor") {
		vendor(t, dir)
	}
	for name, content := range map[string]string{"src/a": "a", "src/b": "b", "ignore": "b\n", "a.tar": strings.Repeat("\x00", 1024)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(err error) string {
		diags, ok := err.(hcl.Diagnostics)
		if !ok || !diags.HasErrors() || diags.Errs()[0].(*hcl.Diagnostic).Subject == nil {
			t.Errorf("refused without a place: %v\n%.2000s", err, text)
		}
		if _, err := os.Stat(filepath.Join(dir, "l")); err == nil && !stores {
			t.Errorf("refused, but something was written: %.2000s", text)
		}
		return err.Error()
	}
	bases := &vendored{dir: dir}
	defer bases.close()
	sp, diags := spec.Load(dir, spec.LoadOptions{
		Sources: []spec.Source{{Name: "layform.hcl", Text: text}},
		Bases: func(requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
			return bases.Resolve(t.Context(), requests)
		},
	})
	if diags.HasErrors() {
		return refused(diags)
	}
	store, err := layout.Open(filepath.Join(dir, sp.LayoutPath), layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	made, err := planner.New(t.Context(), sp, store, planner.RefreshOptions{Bases: bases})
	if err != nil {
		return refused(err)
	}
	if _, err := executor.Apply(t.Context(), store, made.Plan, executor.Options{Dir: dir, Planned: made, Bases: bases}); err != nil {
		t.Errorf("validate and plan accept what apply refuses: %v\n%.2000s", err, text)
		return ""
	}
	for f, err := range validate.Layout(t.Context(), store.Reader, validate.Options{}) {
		if err != nil || f.Severity == validate.Must {
			t.Errorf("what was built is wrong: %+v, %v\n%.2000s", f, err, text)
		}
	}
	return ""
}
