package view

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

func testState() *State {
	return &State{
		Layout: "dist/app", Exists: true, Spec: "default", Serial: 3, Index: dgst("index"),
		Objects: []Object{
			{Key: "layer.app", Kind: spec.KindLayer, Standing: Intact, MediaType: ocispec.MediaTypeImageLayerGzip, Digest: dgst("l"), Size: 1200, DiffID: dgst("d"), Fields: []spec.Field{{Path: "created_by", Value: `"me"`}, {Path: `env["TOKEN"]`, Sensitive: true}}},
			{Key: "layer.model", Kind: spec.KindLayer, Standing: NotBuilt},
			{Key: "config.app", Kind: spec.KindConfig, Standing: Torn, MediaType: ocispec.MediaTypeImageConfig, Digest: dgst("c"), Size: 300},
			{Key: "manifest.app", Kind: spec.KindManifest, Standing: Missing, MediaType: ocispec.MediaTypeImageManifest, Digest: dgst("m"), Size: 400, Fields: []spec.Field{{Path: "config", Value: `"config.app"`}}},
		},
		Tags: []Tag{
			{Ref: "latest", Key: "manifest.app", Standing: Moved, Digest: dgst("m"), Is: dgst("x")},
			{Ref: "v1", Key: "manifest.app", Standing: Edited, Digest: dgst("m")},
			{Standing: Intact, Digest: dgst("s")},
		},
		Outputs: []Output{
			{Name: "digest", Value: json.RawMessage(`"sha256:1"`)},
			{Name: "secret", Sensitive: true},
		},
	}
}

func TestState(t *testing.T) {
	views := map[string]func(*bytes.Buffer, *State) error{
		"status": func(b *bytes.Buffer, s *State) error { return Status(b, s, Style{}) },
		"show":   func(b *bytes.Buffer, s *State) error { return Show(b, s, Style{}) },
	}
	empty := &State{Layout: "dist/app", Spec: "default", Objects: []Object{{Key: "layer.app", Kind: spec.KindLayer, Standing: NotBuilt}}}
	for name, draw := range views {
		for suffix, state := range map[string]*State{"": testState(), "-empty": empty} {
			var out bytes.Buffer
			if err := draw(&out, state); err != nil {
				t.Fatal(err)
			}
			golden(t, name+suffix+".txt", out.Bytes())
		}
	}
}

func TestApplied(t *testing.T) {
	done := NewDone(&executor.Result{
		Added: 2, Changed: 1, Destroyed: 3, WrittenBlobs: 1, WrittenBytes: 34_000_000, DeletedBlobs: 2, DeletedBytes: 700,
		Outputs: []spec.Output{
			{Name: "digest", Value: `"sha256:1"`},
			{Name: "secret", Value: `"sha256:2"`, Sensitive: true},
			{Name: "unknown", Unknown: true},
		},
	})
	for name, destroy := range map[string]bool{"apply.txt": false, "destroy.txt": true} {
		var out bytes.Buffer
		if err := Applied(&out, done, destroy, Style{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
	if NewDone(nil) != nil {
		t.Error("NewDone(nil) is not nil")
	}
}

func TestStep(t *testing.T) {
	tests := []struct {
		event executor.Event
		want  string
	}{
		{executor.Event{Kind: executor.EventStart, Key: "layer.a"}, ""},
		{executor.Event{Kind: executor.EventProgress, Key: "layer.a"}, ""},
		{executor.Event{Kind: executor.EventDone, Key: "layer.a\x1b", Action: planner.Create, Digest: "sha256:0123456789abcdef", Size: 34_000_000, Elapsed: 1234 * time.Millisecond},
			`layer.a\x1b: built sha256:0123456789ab in 1.2s (34 MB)`},
		{executor.Event{Kind: executor.EventDone, Key: "layer.a", Action: planner.Update, Digest: "sha256:0123456789abcdef", Reused: true},
			"layer.a: sha256:0123456789ab stands there already"},
		{executor.Event{Kind: executor.EventDone, Key: "layer.a", Action: planner.Delete}, "layer.a: removed"},
	}
	for _, tt := range tests {
		if got := Step(tt.event, Style{}); got != tt.want {
			t.Errorf("Step(%+v) = %q, want %q", tt.event, got, tt.want)
		}
	}
}

func TestLayout(t *testing.T) {
	l := &Layout{Path: "dist/app", Entries: []Node{{
		Role: RoleEntry, Ref: "latest",
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst("m"), Size: 400, Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}},
		Children: []Node{
			{Role: RoleConfig, Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: dgst("c"), Size: 300}},
			{Role: RoleLayer, Missing: true, Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: dgst("l"), Size: 1200}},
		},
	}, {
		Role:       RoleEntry,
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst("s"), Size: 40, ArtifactType: "application/spdx+json"},
	}}}
	var out bytes.Buffer
	if err := LayoutTree(&out, l, Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "layout.txt", out.Bytes())
}

func TestFindings(t *testing.T) {
	findings := []layout.Finding{
		{Rule: "blob-missing", Severity: layout.Must, Object: "index.json", Place: "manifests[0]", Problem: "the blob is missing", Advice: "apply again"},
		{Rule: "ref-grammar", Severity: layout.Should, Object: "index.json", Problem: "a\x1bb is off-grammar"},
	}
	for name, list := range map[string][]layout.Finding{"findings.txt": findings, "findings-should.txt": findings[1:], "findings-none.txt": nil} {
		var out bytes.Buffer
		if err := Findings(&out, "dist/app", list, Style{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
}

// TestJSONIsWhole holds that the document keeps all that a view is drawn from.
func TestJSONIsWhole(t *testing.T) {
	want := Document{FormatVersion: FormatVersion, Type: TypePlan, OK: true, Plan: updatePlan(), State: testState()}
	want.Diagnostics = []Diagnostic{{Severity: "error", Summary: "\x1b[2J \x7f \u009b2J \u202e \U000e0001 \u00a0 é → 𝄞"}}
	var out bytes.Buffer
	if err := JSON(&out, want); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Errorf("%q is written as it is", r)
		}
	}
	var got Document
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the document changed on its way through JSON (-want +got):\n%s", diff)
	}
}
