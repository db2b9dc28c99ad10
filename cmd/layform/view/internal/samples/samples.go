// Package samples has documents that the tests of the view and its renderers draw.
package samples

import (
	"encoding/json"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

func dgst(s string) digest.Digest { return digest.FromString(s) }

// file is a regular file with mode 0644.
func file(size int64) *layer.Properties {
	return &layer.Properties{Type: layer.Regular, Mode: 0o644, Size: size}
}

// UpdatePlan is a plan in which one layer brings changes to all that is above it.
func UpdatePlan() *planner.Plan {
	return &planner.Plan{
		FormatVersion: planner.FormatVersion,
		Spec: planner.Record{
			Name: "default", Encoding: "v1",
			Sources: []spec.Source{{Name: "layform.hcl", Text: "layout { path = \"dist/app\" }\n"}},
		},
		Layout:  planner.LayoutRecord{Path: "dist/app"},
		Changes: updateChanges(),
		Tags: []planner.TagChange{
			{Ref: "latest", Action: planner.Update, Address: "index.app", Before: dgst("i")},
			{Ref: "v1", Action: planner.Delete, Before: dgst("i")},
			{Ref: "v2", Action: planner.Create, Address: "index.app", Adopted: true},
			{Ref: "same", Action: planner.NoOp, Address: "index.app", Before: dgst("z"), After: dgst("z")},
			{Action: planner.Create, Address: "manifest.sbom", After: dgst("sbom")},
			{Unknown: true, Action: planner.Create, Address: "index.app"},
			{Ref: "theirs", Action: planner.Forget, Before: dgst("i")},
		},
		Drift: []planner.Drift{
			{Kind: planner.DriftMissing, Key: "layer.rootfs", Was: dgst("r")},
			{Kind: planner.DriftTorn, Key: "config.app", Was: dgst("c")},
			{Kind: planner.DriftTagMoved, Ref: "latest", Was: dgst("i"), Is: dgst("x")},
			{Kind: planner.DriftTagGone, Ref: "v1", Was: dgst("i")},
			{Kind: planner.DriftTagEdited, Ref: "v2", Was: dgst("i"), Is: dgst("i")},
			{Kind: planner.DriftTagGone, Key: "manifest.sbom", Was: dgst("sbom")},
			{Kind: planner.DriftArchiveGone, Path: "dist/gone.tar", Was: dgst("tar")},
			{Kind: planner.DriftArchiveChanged, Path: "dist/app.tar", Was: dgst("tar"), Is: dgst("x")},
		},
		Archives: []planner.ArchiveChange{
			{Path: "dist/app.tar", Action: planner.Update, Before: dgst("x")},
			{Path: "dist/new.tar", Action: planner.Create, After: dgst("tar")},
			{Path: "dist/old.tar", Action: planner.Delete, Before: dgst("old"), Stays: true},
			{Path: "dist/same.tar", Action: planner.NoOp, Before: dgst("old")},
			{Path: "dist/theirs.tar", Action: planner.Update, Before: dgst("old"), Adopted: true},
		},
		Outputs: []planner.OutputChange{
			{Name: "digest", Action: planner.Update, Before: `"sha256:1"`, Unknown: true},
			{Name: "secret", Action: planner.Create, Sensitive: true},
			{Name: "gone", Action: planner.Delete, Before: "3"},
			{Name: "same", Action: planner.NoOp, Before: "3", After: "3"},
		},
		Warnings: []string{"layer.unused is used by nothing"},
		Summary: planner.Summary{
			Counts: planner.Counts{Change: 4, Destroy: 1}, Entries: planner.Counts{Add: 3, Change: 1, Destroy: 1}, WriteBlobs: 4, WriteContent: 41_000, DeleteBlobs: 5, DeleteBytes: 7_002_400,
		},
	}
}

// updateChanges are the changes of UpdatePlan, in the order of their build.
func updateChanges() []planner.Change {
	cause := func(key string) planner.Reason {
		return planner.Reason{Kind: planner.ReasonCause, Cause: key, Text: key + " changes"}
	}
	return []planner.Change{
		{Address: "layer.rootfs", Kind: spec.KindLayer, Action: planner.NoOp, Before: &planner.State{Digest: dgst("r")}, After: &planner.State{Digest: dgst("r")}},
		{
			Address: `layer.app["arm64"]`, Kind: spec.KindLayer, Action: planner.Update, Place: "layform.hcl:12",
			Before:  &planner.State{Digest: dgst("a"), Size: 1200, Content: 40_000},
			After:   &planner.State{Content: 41_000, Form: planner.FormTree},
			Reasons: []planner.Reason{{Kind: planner.ReasonFiles, Text: "4 files changed"}},
			Files: []planner.FileChange{
				{Path: "/srv/app.js", Action: planner.Update, What: []layer.Property{"content"}, Before: file(1200), After: file(1300)},
				{Path: "/srv/lib", Action: planner.Create, After: &layer.Properties{Type: layer.Directory, Mode: 0o755}},
				{Path: "/srv/new.js", Action: planner.Create, After: file(80)},
				{Path: "/srv/run", Action: planner.Update, What: []layer.Property{"mode", "owner"}, Before: file(9), After: &layer.Properties{Type: layer.Regular, Mode: 0o755, UID: 10, GID: 10, Size: 9}},
				{Path: "/srv/same", Action: planner.Update, What: []layer.Property{"content"}, Before: file(9), After: file(9)},
				{Path: "/srv/link", Action: planner.Delete, Before: &layer.Properties{Type: layer.Symlink, Mode: 0o777, Target: "a"}},
			},
		},
		{
			Address: "config.app", Use: `manifest.app["arm64"]`, Kind: spec.KindConfig, Action: planner.Update, Place: "layform.hcl:30",
			Before:  &planner.State{Digest: dgst("c"), Size: 300},
			After:   &planner.State{},
			Reasons: []planner.Reason{{Kind: planner.ReasonFields, Text: "4 values changed"}, cause(`layer.app["arm64"]`)},
			Fields: []planner.FieldChange{
				{Path: `env["TOKEN"]`, Sensitive: true},
				{Path: `labels["layer"]`, Before: `"x"`, Unknown: true},
				{Path: `labels["version"]`, Before: `"1"`, After: `"2"`},
				{Path: "user", After: `"65532"`},
				{Path: "working_dir", Before: `"/"`},
			},
		},
		{
			Address: `manifest.app["arm64"]`, Kind: spec.KindManifest, Action: planner.Update, Place: "layform.hcl:40",
			Before:  &planner.State{Digest: dgst("m"), Size: 400},
			After:   &planner.State{},
			Reasons: []planner.Reason{cause(`config.app for manifest.app["arm64"]`), cause(`layer.app["arm64"]`)},
			Fields:  []planner.FieldChange{{Path: "layers[1]", Before: `"layer.old"`, After: `"layer.app[\"arm64\"]"`}},
		},
		{
			Address: "index.app", Kind: spec.KindIndex, Action: planner.Replace, Place: "layform.hcl:50",
			Before:  &planner.State{Digest: dgst("i"), Size: 500},
			After:   &planner.State{},
			Reasons: []planner.Reason{{Kind: planner.ReasonRequested, Text: "--replace asks for it"}, cause(`manifest.app["arm64"]`)},
		},
		{
			Address: "layer.old", Kind: spec.KindLayer, Action: planner.Delete,
			Before:  &planner.State{Digest: dgst("old"), Size: 7_000_000},
			Reasons: []planner.Reason{{Kind: planner.ReasonGone, Text: "the spec no longer describes it"}},
		},
	}
}

// CreatePlan is a plan that builds one layer of many files.
func CreatePlan() *planner.Plan {
	created := &planner.Plan{
		Layout: planner.LayoutRecord{Path: "dist/new"},
		Changes: []planner.Change{{
			Address: "layer.app", Kind: spec.KindLayer, Action: planner.Create, Place: "layform.hcl:3",
			After:   &planner.State{Content: 5_000, Form: planner.FormTree, FileBytes: 171},
			Reasons: []planner.Reason{{Kind: planner.ReasonNew, Text: "the layout does not hold it yet"}},
		}},
		Summary: planner.Summary{Counts: planner.Counts{Add: 1}, WriteBlobs: 1, WriteContent: 5_000},
	}
	for i := range 25 {
		created.Changes[0].Files = append(created.Changes[0].Files, planner.FileChange{
			Path: layer.Bytes("/data/" + strings.Repeat("x", i)), Action: planner.Create, After: file(int64(i)),
		})
	}
	return created
}

// HostilePlan is a plan whose strings would all do harm to a terminal.
func HostilePlan() *planner.Plan {
	return &planner.Plan{
		Layout: planner.LayoutRecord{Path: "dist/\x1b[31mred"},
		Changes: []planner.Change{{
			Address: "layer.a\u202eb", Kind: spec.KindLayer, Action: planner.Update, Place: "a\nb.hcl:1",
			Before:  &planner.State{Digest: "sha256:\x1b]0;title\x07"},
			After:   &planner.State{},
			Reasons: []planner.Reason{{Kind: planner.ReasonFiles, Text: "\x1b[2J"}, {Kind: planner.ReasonCause, Cause: "layer.a\u202eb"}},
			Files:   []planner.FileChange{{Path: "/x\r\x00\xff", Action: planner.Update, What: []layer.Property{"\x1b", "target"}, Before: &layer.Properties{Type: "\x1b", Target: "\x07"}, After: &layer.Properties{Target: "\u200b"}}},
			Fields:  []planner.FieldChange{{Path: "\x1b", Before: "\"\u2028\"", After: "\"\u2066\""}, {Path: "config", Before: `"\u001b"`, After: `"a"`}},
		}},
		Tags:     []planner.TagChange{{Ref: "a\x1bb", Action: planner.Create, Address: "\x1b"}},
		Drift:    []planner.Drift{{Kind: "\x1b", Key: "\x1b"}},
		Outputs:  []planner.OutputChange{{Name: "\x1b", Action: planner.Create, After: "\"\u009b\""}},
		Warnings: []string{"\x1b[1m"},
	}
}

// State is a sample of a spec's part of a layout.
func State() *view.State {
	return &view.State{
		Layout: "dist/app", Exists: true, Spec: "default", Serial: 3, Index: dgst("index"),
		Objects: []view.Object{
			{Key: "layer.app", Kind: spec.KindLayer, Standing: view.Intact, MediaType: ocispec.MediaTypeImageLayerGzip, Digest: dgst("l"), Size: 1200, DiffID: dgst("d"), Fields: []spec.Field{{Path: "created_by", Value: `"me"`}, {Path: `env["TOKEN"]`, Sensitive: true}}},
			{Key: "layer.model", Kind: spec.KindLayer, Standing: view.NotBuilt},
			{Key: "config.app", Kind: spec.KindConfig, Standing: view.Torn, MediaType: ocispec.MediaTypeImageConfig, Digest: dgst("c"), Size: 300},
			{Key: "manifest.app", Kind: spec.KindManifest, Standing: view.Missing, MediaType: ocispec.MediaTypeImageManifest, Digest: dgst("m"), Size: 400, Fields: []spec.Field{{Path: "config", Value: `"config.app"`}}},
		},
		Tags: []view.Tag{
			{Ref: "latest", Key: "manifest.app", Standing: view.Moved, Digest: dgst("m"), Is: dgst("x")},
			{Ref: "v1", Key: "manifest.app", Standing: view.Edited, Digest: dgst("m")},
			{Standing: view.Intact, Digest: dgst("s")},
		},
		Outputs: []view.Output{
			{Name: "digest", Value: json.RawMessage(`"sha256:1"`)},
			{Name: "secret", Sensitive: true},
		},
	}
}

// Layout is the content of a layout.
func Layout() *view.Layout {
	return &view.Layout{Path: "dist/app", Entries: []view.Node{{
		Role: view.RoleEntry, Ref: "latest",
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst("m"), Size: 400, Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}},
		Children: []view.Node{
			{Role: view.RoleConfig, Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: dgst("c"), Size: 300}},
			{Role: view.RoleLayer, Missing: true, Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: dgst("l"), Size: 1200}},
		},
	}, {
		Role:       view.RoleEntry,
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst("s"), Size: 40, ArtifactType: "application/spdx+json"},
	}}}
}
