package planner

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// What follows from a change, and other parts of plans that many have.
const (
	afterLayerB = `update config.a (cause layer.b) written
update manifest.a (cause config.a, cause layer.b) written
update index.a (cause manifest.a) written
update manifest.u (cause layer.b) written
entry update "latest" index.a
entry create "" manifest.u
entry delete ""
+0 ~5 -0, writes 5, deletes 5
`
	afterLayerA = `update config.a (cause layer.a) written
update manifest.a (cause config.a, cause layer.a) written
update index.a (cause manifest.a) written
entry update "latest" index.a
`
	afterConfig = `update manifest.a (cause config.a) written
update index.a (cause manifest.a) written
entry update "latest" index.a
+0 ~3 -0, writes 3, deletes 3
`
	newImage = `create layer.a (new, create /f) written
create layer.b (new, create /f) written
create config.a (new) written
create manifest.a (new) written
create index.a (new) written
`
	newEntries = `entry create "latest" index.a
entry create "" manifest.u
output create o
+6 ~0 -0, writes 7, deletes 0
`
	allGone = `delete index.a (requested)
delete manifest.u (requested)
delete manifest.a (requested)
delete config.a (requested)
delete layer.b (requested)
delete layer.a (requested)
`
)

// objectSituations are those of objects that change.
var objectSituations = []situation{
	{"nothing changed", func(s *scene) {}, `empty`},
	{"nothing is there", func(s *scene) { s.empty() }, newImage + `create manifest.u (new) written with the empty blob
` + newEntries},
	{"a file of a layer changed", func(s *scene) { s.unknown("layer.a") }, `update layer.a (files, update /f) written
` + afterLayerA + `+0 ~4 -0, writes 4, deletes 4
`},
	{"a layer changed to what was built before", func(s *scene) {
		s.unknown("layer.a")
		s.evaluated("layer.a", func(e *Evaluated) { e.Known, e.Built.Descriptor = true, blob("layer.a", "before") })
		s.prior.Blobs[blob("layer.a", "before").Digest] = layout.Intact
	}, `update layer.a (files, update /f)
` + afterLayerA + `+0 ~4 -0, writes 3, deletes 4
`},
	{"a layer changed to what was built before, and is missing", func(s *scene) {
		s.unknown("layer.a")
		s.evaluated("layer.a", func(e *Evaluated) { e.Known, e.Built.Descriptor = true, blob("layer.a", "before") })
	}, `update layer.a (files, update /f) written
` + afterLayerA + `+0 ~4 -0, writes 4, deletes 4
`},
	{"a layer changed, and its blob cannot be read", func(s *scene) {
		s.unknown("layer.b")
		clear(s.prior.Contents)
	}, `update layer.b (files) written
` + afterLayerB},
	{"a layer changed, and its blob is torn", func(s *scene) {
		s.unknown("layer.b")
		s.prior.Blobs[blob("layer.b", "").Digest] = layout.Torn
		clear(s.prior.Contents)
	}, `
update layer.b (drift) written
update config.a (cause layer.b) written
update manifest.a (cause config.a, cause layer.b) written
update index.a (cause manifest.a) written
update manifest.u (cause layer.b) written
entry update "latest" index.a
entry create "" manifest.u
entry delete ""
drift blob-torn layer.b
+0 ~5 -0, writes 5, deletes 5
`},
	{"a layer has a new file", func(s *scene) {
		s.unknown("layer.b")
		tree := s.prior.Observed[at("layer.b")].Tree
		tree.Entries = append(tree.Entries, source.Entry{Entry: layer.Entry{Path: "g", Type: layer.Regular, Digest: "sha256:g"}})
	}, `update layer.b (files, update /f, create /g) written
` + afterLayerB},
	{"a layer lost a file", func(s *scene) {
		s.unknown("layer.b")
		s.prior.Observed[at("layer.b")].Tree.Entries = nil
	}, `update layer.b (files, delete /f) written
` + afterLayerB},
	{"a mode of a layer changed", func(s *scene) {
		s.unknown("layer.b")
		e := &s.prior.Observed[at("layer.b")].Tree.Entries[0]
		e.Size, e.Digest, e.Mode = 1, digest.FromString("f"), 0o755
	}, `update layer.b (files, update /f) written
` + afterLayerB},
	{"the content of a layer is known after apply", func(s *scene) {
		s.unknown("layer.b")
		s.prior.Observed[at("layer.b")].Tree.Entries[0].Unknown = true
		s.evaluated("layer.b", func(e *Evaluated) { e.Fingerprint = "" })
	}, `update layer.b (unknown, files, update /f) written
` + afterLayerB},
	{"the encoding of layers changed", func(s *scene) {
		s.unknown("layer.b")
		s.staged("layer.b", func(o *stage.Object) { o.Encoding = "layform/0 gzip-6" })
		s.prior.Observed[at("layer.b")].Tree.Entries[0].Entry = s.prior.Contents[blob("layer.b", "").Digest].Entries[0]
	}, `update layer.b (encoding) written
` + afterLayerB},
	{"something of a layer changed that its files do not show", func(s *scene) {
		s.unknown("layer.b")
		s.prior.Observed[at("layer.b")].Tree.Entries[0].Entry = s.prior.Contents[blob("layer.b", "").Digest].Entries[0]
	}, `update layer.b (files) written
` + afterLayerB},
	{"the blob of a layer is gone", func(s *scene) { s.prior.Blobs[blob("layer.a", "").Digest] = layout.Missing }, `
update layer.a (drift) written
drift blob-missing layer.a
+0 ~1 -0, writes 1, deletes 0
`},
	{"the blob of a layer is torn", func(s *scene) { s.prior.Blobs[blob("layer.a", "").Digest] = layout.Torn }, `
update layer.a (drift) written
drift blob-torn layer.a
+0 ~1 -0, writes 1, deletes 0
`},
	{"the blob of a config is gone", func(s *scene) { s.prior.Blobs[blob("config.a", "").Digest] = layout.Missing }, `
update config.a (drift) written
drift blob-missing config.a
+0 ~1 -0, writes 1, deletes 0
`},
	{"the blob of an index is torn", func(s *scene) { s.prior.Blobs[blob("index.a", "").Digest] = layout.Torn }, `
update index.a (drift) written
drift blob-torn index.a
+0 ~1 -0, writes 1, deletes 0
`},
	{"the empty blob is gone", func(s *scene) { s.prior.Blobs[ocispec.DescriptorEmptyJSON.Digest] = layout.Missing }, `
update manifest.u (drift) with the empty blob
drift blob-missing manifest.u
+0 ~1 -0, writes 1, deletes 0
`},
	{"the empty blob is torn", func(s *scene) { s.prior.Blobs[ocispec.DescriptorEmptyJSON.Digest] = layout.Torn }, `
update manifest.u (drift) with the empty blob
drift blob-torn manifest.u
+0 ~1 -0, writes 1, deletes 0
`},
	{"an archive changed", func(s *scene) {
		s.unknown("layer.b")
		s.evaluated("layer.b", func(e *Evaluated) { e.Object.Body = &spec.Layer{Archive: "x.tar"} })
		s.prior.Observed[at("layer.b")] = &source.Observed{File: &source.File{Path: "x.tar", Size: 99, Compression: imagespec.Gzip}}
	}, `update layer.b (files) written
` + afterLayerB},
	{"a blob changed", func(s *scene) {
		s.unknown("layer.b")
		s.evaluated("layer.b", func(e *Evaluated) { e.Object.Body = &spec.Layer{Blob: "model", MediaType: "a/b"} })
		s.prior.Observed[at("layer.b")] = &source.Observed{File: &source.File{Path: "model", Size: 99}}
	}, `update layer.b (files) written
` + afterLayerB},
	{"a label changed", func(s *scene) {
		s.unknown("config.a")
		s.fields("config.a", `labels["x"]`, `"2"`)
	}, `update config.a (fields) written
` + afterConfig},
	{"a label is new", func(s *scene) {
		s.unknown("config.a")
		s.fields("config.a", `labels["x"]`, `"1"`, `labels["y"]`, `"2"`)
	}, `update config.a (fields) written
` + afterConfig},
	{"a label is gone", func(s *scene) {
		s.unknown("config.a")
		s.fields("config.a")
	}, `update config.a (fields) written
` + afterConfig},
	{"a label is known after apply", func(s *scene) {
		s.unknown("config.a")
		s.evaluated("config.a", func(e *Evaluated) { e.Object.Fields = []spec.Field{{Path: `labels["x"]`, Unknown: true}} })
	}, `update config.a (fields) written
` + afterConfig},
	{"a label became sensitive", func(s *scene) {
		s.unknown("config.a")
		s.evaluated("config.a", func(e *Evaluated) {
			e.Object.Fields = []spec.Field{{Path: `labels["x"]`, Value: "sha256:1", Sensitive: true}}
		})
	}, `update config.a (fields) written
` + afterConfig},
	{"a sensitive label stays", func(s *scene) {
		s.staged("config.a", func(o *stage.Object) {
			o.Fields, o.Sensitive = nil, map[string]string{`labels["x"]`: s.prior.Stage.Seal("sha256:1")}
		})
		s.evaluated("config.a", func(e *Evaluated) {
			e.Object.Fields = []spec.Field{{Path: `labels["x"]`, Value: "sha256:1", Sensitive: true}}
		})
	}, `empty`},
	{"a document changed without a value or a dependency that did", func(s *scene) { s.unknown("index.a") }, `
update index.a (encoding) written
entry update "latest" index.a
+0 ~1 -0, writes 1, deletes 1
`},
	{"a config changed without a value or a dependency that did", func(s *scene) { s.unknown("config.a") }, `update config.a (encoding) written
` + afterConfig},
}
