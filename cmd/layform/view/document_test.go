package view_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/internal/samples"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update writes it anew:\n%s", path, diff)
	}
}

// TestJSONIsWhole holds that the document keeps all that a view is drawn from.
func TestJSONIsWhole(t *testing.T) {
	want := view.Document{FormatVersion: view.FormatVersion, Type: view.TypePlan, OK: true, Plan: samples.UpdatePlan(), State: samples.State()}
	want.Diagnostics = []view.Diagnostic{{Severity: "error", Summary: "\x1b[2J \x7f \u009b2J \u202e \U000e0001 \u00a0 é → 𝄞"}}
	var out bytes.Buffer
	if err := view.JSON(&out, want); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Errorf("%q is written as it is", r)
		}
	}
	var got view.Document
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the document changed on its way through JSON (-want +got):\n%s", diff)
	}
}

// wholeDocument has every member that a document can have.
func wholeDocument() view.Document {
	entry := layer.Entry{Path: "bin/su", Type: layer.Regular, Mode: 0o4755, UID: 1, GID: 2, Mtime: 60, Size: 3, Digest: digest.FromString("x"), Xattrs: map[string]string{"user.a": "\xff"}}
	return view.Document{
		Type: view.TypePlan, OK: true,
		Diagnostics: []view.Diagnostic{{
			Severity: "error", Summary: "s", Detail: "d", Snippet: "x", Hint: "h",
			Range: &view.Range{Filename: "layform.hcl", Start: view.Position{Line: 1, Column: 2, Byte: 1}, End: view.Position{Line: 1, Column: 3, Byte: 2}},
		}},
		Plan: samples.UpdatePlan(),
		Apply: view.NewDone(&executor.Result{
			Counts: planner.Counts{Add: 1, Change: 2, Destroy: 3}, WrittenBlobs: 4, WrittenBytes: 5, DeletedBlobs: 6, DeletedBytes: 7,
			Objects: []executor.Object{{Key: "layer.app", Action: planner.Create, Built: spec.Built{Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromString("x"), Size: 5}, DiffID: digest.FromString("y")}}},
			Outputs: []spec.Output{{Name: "digest", Value: `"sha256:1"`, Description: "d"}, {Name: "secret", Value: `"sha256:2"`, Sensitive: true}},
		}),
		State: samples.State(), Layout: samples.Layout(),
		Outputs:      []view.Output{{Name: "list", Value: json.RawMessage(`[1,"a"]`)}},
		Findings:     []validate.Finding{{Rule: "blob-missing", Severity: validate.Must, Object: "index.json", Place: "manifests[0]", Problem: "p", Advice: "a"}},
		Contents:     []view.File{view.NewFile(entry, 1), view.NewFile(layer.Entry{Path: "l", Type: layer.Symlink, Mode: 0o777, Linkname: "bin"}, 0)},
		GC:           &layout.GCResult{Blobs: []layout.Blob{{Digest: digest.FromString("x"), Size: 1}}, Bytes: 1},
		Repair:       []repair.Mended{{Object: "a", Problem: "b", Remedy: repair.Left, Note: "c"}},
		Files:        []string{"layform.hcl"},
		Transfer:     samples.Transfer(),
		Tags:         []view.LayoutTag{{Name: "app:v1", MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1}},
		Repositories: []view.Repository{{Name: "app", Tags: 1, Manifests: 2}},
		Referrers:    []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1, ArtifactType: "a/b"}},
		Descriptor:   &ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromString("x"), Size: 1},
		Edit:         &view.Edit{Entries: []view.EntryChange{{Name: "app:v1", Before: digest.FromString("x"), After: digest.FromString("y"), Spec: "web"}}, Referrers: 1},
		SpecEdit:     &view.SpecEdit{Files: []view.EditedFile{{Name: "layform.hcl", Diff: "+a\n"}}, Names: []view.GivenName{{Address: "layer.a-b", From: "a b.tar"}}, DryRun: true},
		Version:      &view.Version{Version: "v1", Go: "go1", Encoding: "v1", Platform: "linux/amd64"},
	}
}

// TestDocument holds the JSON of a document with all its members.
func TestDocument(t *testing.T) {
	var out bytes.Buffer
	if err := view.JSON(&out, wholeDocument()); err != nil {
		t.Fatal(err)
	}
	golden(t, "document.json", out.Bytes())
}

// TestNoNulls: what a document leaves out is absent, and a list without elements
// is a list.
func TestNoNulls(t *testing.T) {
	for _, d := range []view.Document{
		{},
		{Plan: &planner.Plan{}, Apply: &view.Done{}, State: &view.State{}, Layout: &view.Layout{}, GC: &layout.GCResult{}, Transfer: &view.Transfer{}, Edit: &view.Edit{}, SpecEdit: &view.SpecEdit{}, Version: &view.Version{}},
		{Plan: &planner.Plan{Changes: []planner.Change{{Before: &planner.State{}, Files: []planner.FileChange{{After: &layer.Properties{}}}}}}, State: &view.State{Objects: []view.Object{{}}}},
	} {
		var out bytes.Buffer
		if err := view.JSON(&out, d); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "null") {
			t.Errorf("a null in %s", out.String())
		}
	}
}

// TestForeignBytes: bytes that are no UTF-8 do not make a document fail.
func TestForeignBytes(t *testing.T) {
	var out bytes.Buffer
	if err := view.JSON(&out, view.Document{Files: []string{"a\xff<b>"}}); err != nil || !strings.Contains(out.String(), "\"a\ufffd<b>\"") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestMembers holds the names and types of the members of documents: while the
// format version is the same, none goes away or changes. Those that were added
// are written with -update, so that each addition is seen as one.
func TestMembers(t *testing.T) {
	var out bytes.Buffer
	members(&out, "", reflect.TypeFor[view.Document](), map[reflect.Type]bool{})
	if *update {
		golden(t, "members.txt", out.Bytes())
	}
	want, err := os.ReadFile("testdata/members.txt")
	if err != nil || len(want) == 0 {
		t.Fatalf("no members: %v", err)
	}
	lines := func(text string) map[string]bool {
		set := map[string]bool{}
		for line := range strings.Lines(text) {
			set[line] = true
		}
		return set
	}
	held, now := lines(string(want)), lines(out.String())
	for line := range held {
		if !now[line] {
			t.Errorf("documents no longer have the member %s", line)
		}
	}
	for line := range now {
		if !held[line] {
			t.Errorf("members.txt lacks the member that -update adds: %s", line)
		}
	}
}

// members writes a line for each member of a type, with its type in JSON.
func members(out *bytes.Buffer, path string, t reflect.Type, above map[reflect.Type]bool) {
	switch {
	case t == reflect.TypeFor[json.RawMessage](), t == reflect.TypeFor[spec.JSON]():
		fmt.Fprintln(out, path, "any")
		return
	case t.Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()):
		fmt.Fprintln(out, path, "string,", t)
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		members(out, path, t.Elem(), above)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			fmt.Fprintln(out, path, "string, base64")
			return
		}
		members(out, path+"[]", t.Elem(), above)
	case reflect.Map:
		members(out, path+"{}", t.Elem(), above)
	case reflect.Struct:
		if above[t] {
			fmt.Fprintln(out, path, "like a", t, "above")
			return
		}
		above[t] = true
		defer delete(above, t)
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				members(out, path, f.Type, above)
				continue
			case name == "-" || !f.IsExported():
				continue
			case name == "":
				name = f.Name
			}
			if options != "" {
				name += "?"
			}
			members(out, path+"."+name, f.Type, above)
		}
	default:
		fmt.Fprintln(out, path, map[bool]string{true: "string", false: t.Kind().String()}[t.Kind() == reflect.String])
	}
}

// TestContents: a listing that is written as it is made has the JSON of one that is not.
func TestContents(t *testing.T) {
	d := view.Document{Type: view.TypeContents, OK: true, Diagnostics: []view.Diagnostic{{Severity: "warning", Summary: "s"}}}
	files := slices.Repeat([]view.File{view.NewFile(layer.Entry{Path: "ä\xff\u202e", Type: layer.Regular, Mode: 0o4755, Size: 3}, 2)}, 1000)
	var streamed, whole bytes.Buffer
	if err := view.JSONContents(&streamed, d, slices.Values(files)); err != nil {
		t.Fatal(err)
	}
	d.Contents = files
	if err := view.JSON(&whole, d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole.String(), streamed.String()); diff != "" {
		t.Error(diff)
	}
	streamed.Reset()
	if err := view.JSONContents(&streamed, d, slices.Values(files[:0])); err != nil || !strings.Contains(streamed.String(), `"contents": []`) {
		t.Errorf("%v: %s", err, streamed.String())
	}
}
