package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// situation is what the layout and the spec are like, and what the plan is then.
type situation struct {
	name string
	make func(s *scene)
	want string
}

// situations are those of tags, targets and outputs, and of whole plans.
var situations = []situation{
	{"an annotation of the entry changed", func(s *scene) {
		s.fields("index.a", `descriptor_annotations["x"]`, `"1"`, "tags[0]", `"latest"`)
	}, `
update index.a (fields)
entry update "latest" index.a
+0 ~1 -0, writes 0, deletes 0
`},
	{"a tag is new", func(s *scene) {
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{Entry: spec.Entry{Tags: []string{"latest", "v1"}}} })
		s.fields("index.a", "tags[0]", `"latest"`, "tags[1]", `"v1"`)
	}, `
update index.a (fields)
entry create "v1" index.a
+0 ~1 -0, writes 0, deletes 0
`},
	{"a tag is renamed", func(s *scene) {
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{Entry: spec.Entry{Tags: []string{"v1"}}} })
		s.fields("index.a", "tags[0]", `"v1"`)
	}, `
update index.a (fields)
entry create "v1" index.a
entry delete "latest"
+0 ~1 -0, writes 0, deletes 0
`},
	{"the only tag goes", func(s *scene) {
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{} })
		s.fields("index.a")
	}, `
update index.a (fields)
entry create "" index.a
entry delete "latest"
+0 ~1 -0, writes 0, deletes 0
`},
	{"an object without a tag gets one", func(s *scene) {
		s.evaluated("manifest.u", func(e *Evaluated) { e.Object.Body = &spec.Manifest{Entry: spec.Entry{Tags: []string{"u"}}} })
		s.fields("manifest.u", "tags[0]", `"u"`)
	}, `
update manifest.u (fields)
entry create "u" manifest.u
entry delete ""
+0 ~1 -0, writes 0, deletes 0
`},
	{"a member of an index gets a tag", func(s *scene) {
		s.evaluated("manifest.a", func(e *Evaluated) { e.Object.Body = &spec.Manifest{Entry: spec.Entry{Tags: []string{"m"}}} })
		s.fields("manifest.a", "tags[0]", `"m"`)
	}, `
update manifest.a (fields)
entry create "m" manifest.a
+0 ~1 -0, writes 0, deletes 0
`},
	{"a tag was moved", func(s *scene) { s.foreign("latest", "1") }, `
entry update "latest" index.a
drift tag-moved index.a latest
`},
	{"a tag was removed", func(s *scene) { s.prior.Entries = s.prior.Entries[1:] }, `
entry create "latest" index.a
drift tag-gone index.a latest
`},
	{"an entry was edited", func(s *scene) { s.prior.Entries[0].ArtifactType = "a/b" }, `
entry update "latest" index.a
drift tag-edited index.a latest
`},
	{"a tag was moved, and its object changes", func(s *scene) {
		s.foreign("latest", "1")
		s.unknown("index.a")
	}, `
update index.a (encoding) written
entry update "latest" index.a
drift tag-moved index.a latest
+0 ~1 -0, writes 1, deletes 1
`},
	{"a tag that was moved is not asked for any more", func(s *scene) {
		s.foreign("latest", "1")
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{} })
		s.fields("index.a")
	}, `
update index.a (fields)
entry create "" index.a
entry forget "latest"
drift tag-moved latest
+0 ~1 -0, writes 0, deletes 0
`},
	{"the entry without a ref name was removed", func(s *scene) { s.prior.Entries = s.prior.Entries[:1] }, `
entry create "" manifest.u
drift tag-gone manifest.u
`},
	{"the entry without a ref name was edited", func(s *scene) { s.prior.Entries[1].ArtifactType = "a/b" }, `
entry update "" manifest.u
drift tag-edited manifest.u
`},
	{"the entry without a ref name is not ours", func(s *scene) { s.prior.Stage.Untagged = nil }, `entry import "" manifest.u adopted`},
	{"a tag that was removed is not asked for any more", func(s *scene) {
		s.prior.Entries = s.prior.Entries[1:]
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{} })
		s.fields("index.a")
	}, `
update index.a (fields)
entry create "" index.a
entry forget "latest"
+0 ~1 -0, writes 0, deletes 0
`},
	{"an entry without a ref name that was removed is not asked for any more", func(s *scene) {
		s.prior.Entries = s.prior.Entries[:1]
		s.remove("manifest.u")
	}, `
delete manifest.u (gone)
entry forget ""
+0 ~0 -1, writes 0, deletes 2
`},
	{"a tag is known after apply", func(s *scene) {
		s.evaluated("index.a", func(e *Evaluated) {
			e.Object.Body = &spec.Index{Entry: spec.Entry{Tags: []string{"latest"}, TagsUnknown: true}}
		})
		s.fields("index.a", "tags[0]", `"latest"`, "tags[1]", "")
	}, `
update index.a (fields)
entry create ? index.a
+0 ~1 -0, writes 0, deletes 0
`},
	{"a new tag leads to something else, and is taken over", func(s *scene) {
		s.opts.Adopt = true
		s.foreign("v1", "1")
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{Entry: spec.Entry{Tags: []string{"latest", "v1"}}} })
		s.fields("index.a", "tags[0]", `"latest"`, "tags[1]", `"v1"`)
	}, `
update index.a (fields)
entry update "v1" index.a adopted
+0 ~1 -0, writes 0, deletes 0
`},
	{"a new tag leads to something, and the object is known after apply", func(s *scene) {
		s.foreign("v1", "1")
		s.unknown("index.a")
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{Entry: spec.Entry{Tags: []string{"latest", "v1"}}} })
		s.fields("index.a", "tags[0]", `"latest"`, "tags[1]", `"v1"`)
	}, `
update index.a (fields) written
entry update "latest" index.a
entry update "v1" index.a adopted
+0 ~1 -0, writes 1, deletes 1
`},
	{"a new tag leads to the object already", func(s *scene) {
		same := blob("index.a", "")
		same.Annotations = map[string]string{ocispec.AnnotationRefName: "v1"}
		s.prior.Entries = append(s.prior.Entries, same)
		s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{Entry: spec.Entry{Tags: []string{"latest", "v1"}}} })
		s.fields("index.a", "tags[0]", `"latest"`, "tags[1]", `"v1"`)
	}, `
update index.a (fields)
entry import "v1" index.a adopted
+0 ~1 -0, writes 0, deletes 0
`},
	{"an object is not described any more", func(s *scene) { s.remove("manifest.u") }, `
delete manifest.u (gone)
entry delete ""
+0 ~0 -1, writes 0, deletes 2
`},
	{"an image is not described any more", func(s *scene) { s.remove("index.a", "manifest.a", "config.a", "layer.a") }, `
delete index.a (gone)
delete manifest.a (gone)
delete config.a (gone)
delete layer.a (gone)
entry delete "latest"
+0 ~0 -4, writes 0, deletes 4
`},
	{"an object goes that another spec has as well", func(s *scene) {
		s.remove("manifest.u")
		s.prior.Shared[blob("manifest.u", "").Digest] = "other"
		s.prior.InUse[blob("manifest.u", "").Digest] = true
	}, `
delete manifest.u (gone)
entry forget ""
+0 ~0 -1, writes 0, deletes 0
`},
	{"an object goes whose blob is gone", func(s *scene) {
		s.remove("manifest.u")
		s.prior.Blobs[blob("manifest.u", "").Digest] = layout.Missing
	}, `
delete manifest.u (gone)
entry delete ""
+0 ~0 -1, writes 0, deletes 1
`},
	{"an object goes that was never ours", func(s *scene) {
		s.remove("manifest.u")
		s.prior.Stage.Blobs = nil
	}, `
delete manifest.u (gone)
entry delete ""
+0 ~0 -1, writes 0, deletes 0
`},
	{"an object goes that an entry of others reaches", func(s *scene) {
		s.remove("manifest.u")
		s.prior.InUse[ocispec.DescriptorEmptyJSON.Digest] = true
	}, `
delete manifest.u (gone)
entry delete ""
+0 ~0 -1, writes 0, deletes 1
`},
	{"the name of a layer changed", func(s *scene) {
		s.remove("layer.a")
		s.add("layer.c", &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpFile}}}, nil)
		s.forget("layer.c")
		s.evaluated("layer.c", func(e *Evaluated) { e.Built.Descriptor = blob("layer.a", "") })
	}, `
create layer.c (new)
delete layer.a (gone)
+1 ~0 -1, writes 0, deletes 0
`},
	{"a new object", func(s *scene) {
		s.add("manifest.n", &spec.Manifest{}, nil)
		s.forget("manifest.n")
		s.unknown("manifest.n")
	}, `
create manifest.n (new) written
entry create "" manifest.n
+1 ~0 -0, writes 1, deletes 0
`},
	{"a shared config gets a second use", func(s *scene) {
		s.add("config.a for manifest.u", &spec.Config{Image: &spec.Image{}}, []string{"layer.b"})
		s.forget("config.a for manifest.u")
		s.unknown("config.a for manifest.u")
	}, `
create config.a for manifest.u (new) written
+1 ~0 -0, writes 1, deletes 0
`},
	{"one use of a config goes", func(s *scene) {
		s.add("config.a for manifest.u", &spec.Config{Image: &spec.Image{}}, []string{"layer.b"})
		s.remove("config.a for manifest.u")
	}, `
delete config.a for manifest.u (gone)
+0 ~0 -1, writes 0, deletes 1
`},
	{"destroy", func(s *scene) { s.destroy() }, allGone + `entry delete "latest"
entry delete ""
output delete o
+0 ~0 -6, writes 0, deletes 7
`},
	{"destroy what somebody changed", func(s *scene) {
		s.foreign("latest", "1")
		s.destroy()
	}, allGone + `entry forget "latest"
entry delete ""
drift tag-moved latest
output delete o
+0 ~0 -6, writes 0, deletes 7
`},
	{"destroy where others use a blob", func(s *scene) {
		s.prior.InUse[blob("layer.a", "").Digest] = true
		s.destroy()
	}, allGone + `entry delete "latest"
entry delete ""
output delete o
+0 ~0 -6, writes 0, deletes 6
`},
	{"destroy a target with what is built from it", func(s *scene) {
		s.opts.Targets = []string{"layer.a"}
		s.destroy()
	}, `
delete index.a (requested)
delete manifest.a (requested)
delete config.a (requested)
delete layer.a (requested)
entry delete "latest"
+0 ~0 -4, writes 0, deletes 4
2 left out
`},
	{"destroy nothing", func(s *scene) {
		s.empty()
		s.destroy()
	}, `empty`},
	{"replace a layer", func(s *scene) { s.opts.Replace = []string{"layer.a"} }, `
replace layer.a (requested) written
+1 ~0 -1, writes 0, deletes 0
`},
	{"replace a layer that changed", func(s *scene) {
		s.unknown("layer.a")
		s.opts.Replace = []string{"layer.a"}
	}, `replace layer.a (files, requested, update /f) written
` + afterLayerA + `+1 ~3 -1, writes 4, deletes 4
`},
	{"replace what is new", func(s *scene) {
		s.empty()
		s.opts.Replace = []string{"manifest.u"}
	}, newImage + `create manifest.u (new, requested) written with the empty blob
` + newEntries},
	{"a target", func(s *scene) {
		s.unknown("layer.a")
		s.unknown("layer.b")
		s.opts.Targets = []string{"config.a"}
	}, `
update layer.a (files, update /f) written
update layer.b (files, update /f) written
update config.a (cause layer.a, cause layer.b) written
+0 ~3 -0, writes 3, deletes 0
3 left out
`},
	{"a target whose entry changes", func(s *scene) {
		s.unknown("layer.b")
		s.opts.Targets = []string{"manifest.u"}
	}, `
update layer.b (files, update /f) written
update manifest.u (cause layer.b) written
entry create "" manifest.u
entry delete ""
+0 ~2 -0, writes 2, deletes 1
4 left out
`},
	{"a target that nothing concerns", func(s *scene) {
		s.unknown("layer.a")
		s.opts.Targets = []string{"manifest.u"}
	}, `
4 left out
empty
`},
	{"a target that is not described any more", func(s *scene) {
		s.remove("manifest.u")
		s.unknown("layer.a")
		s.opts.Targets = []string{"manifest.u"}
	}, `
delete manifest.u (gone)
entry delete ""
+0 ~0 -1, writes 0, deletes 2
5 left out
`},
	{"a target, and something else is not described any more", func(s *scene) {
		s.remove("manifest.u")
		s.opts.Targets = []string{"index.a"}
	}, `
1 left out
empty
`},
	{"an output changed", func(s *scene) { s.prior.Outputs[0].Value = `"now"` }, `output update o`},
	{"an output is new", func(s *scene) { s.prior.Outputs = append(s.prior.Outputs, spec.Output{Name: "p", Value: "1"}) }, `output create p`},
	{"an output is gone", func(s *scene) { s.prior.Outputs = nil }, `output delete o`},
	{"an output is known after apply", func(s *scene) { s.prior.Outputs[0] = spec.Output{Name: "o", Unknown: true} }, `output update o`},
	{"an output became sensitive", func(s *scene) { s.prior.Outputs[0].Sensitive = true }, `output update o`},
	{"the file oci-layout is gone", func(s *scene) { s.prior.NoLayoutFile = true }, `drift no-layout`},
	{"the spec was taken over", func(s *scene) { s.prior.TakenOver = "../elsewhere" }, ``},
	{"an apply was interrupted", func(s *scene) { s.prior.Interrupted = true }, `
finishes earlier work
empty
`},
	{"an apply left a blob to be swept", func(s *scene) {
		s.prior.Stage.Blobs = append(s.prior.Stage.Blobs, "sha256:left")
	}, `
+0 ~0 -0, writes 0, deletes 1
finishes earlier work
empty
`},
	{"an apply with a target left a blob that an entry reaches", func(s *scene) {
		s.prior.Stage.Blobs = append(s.prior.Stage.Blobs, "sha256:left")
		s.reach("index.a", ocispec.Descriptor{Digest: "sha256:left"})
	}, `empty`},
	{"an apply with a target left a blob that an entry reaches which goes", func(s *scene) {
		s.prior.Stage.Blobs = append(s.prior.Stage.Blobs, "sha256:left")
		s.reach("index.a", ocispec.Descriptor{Digest: "sha256:left"})
		s.unknown("index.a")
	}, `
update index.a (encoding) written
entry update "latest" index.a
+0 ~1 -0, writes 1, deletes 2
`},
	{"two objects are made of the same", func(s *scene) {
		for _, key := range []string{"manifest.n", "manifest.o"} {
			s.add(key, &spec.Manifest{Entry: spec.Entry{Tags: []string{key}}}, nil)
			s.forget(key)
			s.unknown(key)
			s.evaluated(key, func(e *Evaluated) { e.Fingerprint = "sha256:same" })
		}
	}, `
create manifest.n (new) written
create manifest.o (new) written
entry create "manifest.n" manifest.n
entry create "manifest.o" manifest.o
+2 ~0 -0, writes 1, deletes 0
`},
	{"two objects had one blob that is missing", func(s *scene) {
		for _, key := range []string{"manifest.n", "manifest.o"} {
			s.add(key, &spec.Manifest{Entry: spec.Entry{Tags: []string{key}}}, nil)
			s.forget(key)
			s.evaluated(key, func(e *Evaluated) { e.Built.Descriptor = blob("manifest.n", "") })
		}
	}, `
create manifest.n (new) written
create manifest.o (new) written
entry create "manifest.n" manifest.n
entry create "manifest.o" manifest.o
+2 ~0 -0, writes 1, deletes 0
`},
}

// TestDiff: what a plan does in each situation, with its reasons. The graph and
// what was seen are made by hand: Diff needs neither a disk nor a spec.
func TestDiff(t *testing.T) {
	for _, tt := range slices.Concat(objectSituations, situations) {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene()
			tt.make(s)
			s.own()
			plan, err := Diff(s.graph, s.prior, s.opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(tt.want), lines(plan)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			again, err := Diff(s.graph, s.prior, s.opts)
			if diff := cmp.Diff(plan, again); err != nil || diff != "" {
				t.Errorf("the plan is another one the second time: %v\n%s", err, diff)
			}
		})
	}
}

// TestDiffRefuses: what no plan can be made of is an error that says why.
func TestDiffRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(s *scene)
		want string
	}{
		{"a target that is no address", func(s *scene) { s.opts.Targets = []string{"layer"} }, "--target: "},
		{"a target that there is not", func(s *scene) { s.opts.Targets = []string{"layer.x"} }, "the spec has no layer.x"},
		{"a replacement of a key that there is not", func(s *scene) { s.opts.Replace = []string{`layer.a["x"]`} }, "--replace: the spec has no"},
		{"a tag of another spec", func(s *scene) { s.prior.Owners["latest"] = "web" }, `belongs to the spec named "web"`},
		{"a tag of somebody else", func(s *scene) {
			s.foreign("v1", "1")
			s.evaluated("index.a", func(e *Evaluated) { e.Object.Body = &spec.Index{Entry: spec.Entry{Tags: []string{"v1"}}} })
		}, "`layform apply --adopt`"},
		{"a ref name twice", func(s *scene) { s.twin() }, "2 entries of index.json"},
		{"a ref name twice, of what goes", func(s *scene) { s.twin(); s.opts.Destroy = true }, "2 entries of index.json"},
		{"a key in the staging state that names nothing", func(s *scene) { s.prior.Stage.Objects["cat.a"] = stage.Object{} }, `no kind "cat"`},
		{"a key in the staging state that is written otherwise", func(s *scene) { s.prior.Stage.Objects["layer . a"] = stage.Object{} }, "its name is written layer.a"},
	} {
		s := newScene()
		tt.make(s)
		if _, err := Diff(s.graph, s.prior, s.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}
