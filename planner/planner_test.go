package planner

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

func TestDecodeRefusesWhatEncodeDoesNotWrite(t *testing.T) {
	good, err := Encode(&Plan{FormatVersion: FormatVersion, Changes: []Change{
		{Address: "layer.a", Kind: spec.KindLayer, Action: Create, After: &State{}},
		{Address: "layer.b", Kind: spec.KindLayer, Action: Create, After: &State{}, Files: []FileChange{{Path: "/b", Action: Create, After: &layer.Properties{Type: layer.Regular, Mode: 0o644}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(good); err != nil {
		t.Fatalf("a plan that Encode wrote: %v", err)
	}
	for name, text := range map[string]string{
		"nothing":                "",
		"something else":         `{"a":1}`,
		"a newer version":        strings.Replace(string(good), `"format_version":1`, `"format_version":2`, 1),
		"a truncated plan":       string(good[:len(good)/2]),
		"trailing data":          string(good) + "{}",
		"an unknown member":      strings.Replace(string(good), `"format_version":1`, `"format_version":1,"steps":[]`, 1),
		"a member twice":         strings.Replace(string(good), `"format_version":1`, `"format_version":1,"format_version":1`, 1),
		"an unknown action":      strings.Replace(string(good), `"create"`, `"explode"`, 1),
		"a change to nothing":    strings.Replace(string(good), `"after":{}`, `"needs":[]`, 1),
		"a change from nothing":  strings.Replace(string(good), `"create"`, `"delete"`, 1),
		"a file from nothing":    strings.Replace(string(good), `"/b","action":"create"`, `"/b","action":"update"`, 1),
		"an unknown file action": strings.Replace(string(good), `"/b","action":"create"`, `"/b","action":"no-op"`, 1),
		"a mode in decimal":      strings.Replace(string(good), `"0644"`, `420`, 1),
		"NUL":                    "\x00",
	} {
		if _, err := Decode([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	_, err = Decode([]byte(`{"format_version":7}`))
	if !errors.Is(err, ErrFormat) {
		t.Errorf("another version: got %v, want ErrFormat", err)
	}
}

// TestDeepValues: a value that a spec may have comes through a plan file.
func TestDeepValues(t *testing.T) {
	deep := spec.JSON(strings.Repeat("[", spec.MaxDepth) + strings.Repeat("]", spec.MaxDepth))
	want := &Plan{
		FormatVersion: FormatVersion,
		Changes: []Change{{Address: "layer.a", Action: Create, After: &State{
			Fields: []spec.Field{{Path: "labels", Value: deep}, {Path: "null", Value: "null"}, {Path: "later", Unknown: true}},
		}}},
		Outputs: []OutputChange{{Name: "deep", Action: Create, After: deep}},
	}
	data, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Outputs, got.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Changes, got.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	good, err := Encode(&Plan{FormatVersion: FormatVersion, Spec: Record{Name: "x", Sources: []spec.Source{{Name: "layform.hcl", Text: "layout {}"}}}, Changes: []Change{
		{Address: "layer.a", Kind: spec.KindLayer, Action: Update, Before: &State{}, After: &State{Fields: []spec.Field{{Path: "a", Value: "1"}}}, Files: []FileChange{{Path: "/a", Action: Create, After: &layer.Properties{Type: layer.Regular, Mode: 0o644, Mtime: 1}}}},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format_version":1}`))
	f.Add([]byte(`{"format_version":1,"changes":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(p)
		if err != nil {
			t.Fatalf("a plan that was read cannot be written: %v", err)
		}
		q, err := Decode(again)
		if err != nil {
			t.Fatalf("a plan that was written cannot be read: %v", err)
		}
		third, err := Encode(q)
		if diff := cmp.Diff(string(again), string(third)); err != nil || diff != "" {
			t.Errorf("the plan changed on the way: %v (-first +second):\n%s", err, diff)
		}
	})
}

func TestDiffFields(t *testing.T) {
	was := stage.Object{
		Fields:    map[string]string{"a": `"same"`, "b": `"old"`, "c": `"gone"`, "d": `"1"`, "h": `"now secret"`},
		Sensitive: map[string]string{"s": "sha256:1", "t": "sha256:2", "u": "sha256:3"},
	}
	now := []spec.Field{
		{Path: "a", Value: `"same"`},
		{Path: "b", Value: `"new"`},
		{Path: "d", Unknown: true},
		{Path: "e", Value: `"added"`},
		{Path: "h", Value: "sha256:4", Sensitive: true},
		{Path: "s", Value: "sha256:1", Sensitive: true},
		{Path: "t", Value: "sha256:9", Sensitive: true},
		{Path: "u", Value: `"now open"`},
	}
	want := []FieldChange{
		{Path: "b", Before: `"old"`, After: `"new"`},
		{Path: "c", Before: `"gone"`},
		{Path: "d", Before: `"1"`, Unknown: true},
		{Path: "e", After: `"added"`},
		{Path: "h", Sensitive: true},
		{Path: "t", Sensitive: true},
		{Path: "u", Sensitive: true},
	}
	if diff := cmp.Diff(want, diffFields(was, now, (&stage.Stage{}).Seal)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestFileChangeSaysWhatDiffers(t *testing.T) {
	before := &layer.Entry{Path: "srv/a", Type: layer.Regular, Mode: 0o644, Size: 10, Digest: digest.FromString("1")}
	after := &layer.Entry{Path: "srv/a", Type: layer.Regular, Mode: 0o4755, UID: 7, Size: 2000, Digest: digest.FromString("2")}
	what := []layer.Property{layer.PropertyContent, layer.PropertyMode, layer.PropertyOwner}
	changed := source.Difference{Path: "srv/a", Kind: source.Changed, Old: before, New: after, What: what}
	old, made := before.Properties(), after.Properties()
	want := FileChange{Path: "/srv/a", Action: Update, What: what, Before: &old, After: &made}
	if diff := cmp.Diff(want, new(fileChanges).change(changed, false)); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
	// Content that no apply has made yet has neither size nor digest.
	made.Size, made.Digest = 0, ""
	want.Unknown = true
	if diff := cmp.Diff(want, new(fileChanges).change(changed, true)); diff != "" {
		t.Errorf("change to unknown content (-want +got):\n%s", diff)
	}
	// Where content is not compared its digest says nothing.
	old.Digest = ""
	gone := FileChange{Path: "/srv/a", Action: Delete, Before: &old}
	if diff := cmp.Diff(gone, new(fileChanges).change(source.Difference{Path: "srv/a", Kind: source.Removed, Old: before}, true)); diff != "" {
		t.Errorf("deletion (-want +got):\n%s", diff)
	}
	hidden := new(fileChanges).change(source.Difference{Path: ".profile", Kind: source.Added, New: &layer.Entry{Path: ".profile", Type: layer.Regular}}, false)
	if hidden.Path != "/.profile" {
		t.Errorf("hidden file: %+v", hidden)
	}
	root := new(fileChanges).change(source.Difference{Path: ".", Kind: source.Added, New: &layer.Entry{Path: ".", Type: layer.Directory}}, false)
	if root.Path != "/" || root.Action != Create {
		t.Errorf("root: %+v", root)
	}
}

// TestSettled: a layer's entries are done without where nobody can ask for them.
func TestSettled(t *testing.T) {
	blob, fingerprint := digest.FromString("blob"), digest.FromString("what it is made of")
	a := spec.Address{Kind: spec.KindLayer, Name: "a"}
	for name, c := range map[string]struct {
		entries int
		state   layout.BlobState
		replace []string
		want    digest.Digest
	}{
		"as it was":           {3, layout.Intact, nil, fingerprint},
		"another is replaced": {3, layout.Intact, []string{"layer.b"}, fingerprint},
		"it is replaced":      {3, layout.Intact, []string{"layer.a"}, ""},
		"its blob is gone":    {3, layout.Missing, nil, ""},
		"its blob is torn":    {3, layout.Torn, nil, ""},
		"it has no entries":   {0, layout.Intact, nil, ""},
	} {
		was := stage.Object{Fingerprint: fingerprint, Descriptor: ocispec.Descriptor{Digest: blob}, Entries: c.entries}
		p := &Prior{Stage: &stage.Stage{Objects: map[string]stage.Object{"layer.a": was}}, Blobs: map[digest.Digest]layout.BlobState{blob: c.state}}
		if got := p.unchangedFingerprint(Step{ID: addr.ID{Address: a}, Key: "layer.a"}, &Options{Replace: c.replace}); got != c.want {
			t.Errorf("%s: known as %q", name, got)
		}
	}
	p := &Prior{Stage: &stage.Stage{}}
	if got := p.unchangedFingerprint(Step{ID: addr.ID{Address: a}, Key: "layer.a"}, &Options{}); got != "" {
		t.Errorf("new: known as %q", got)
	}
}

func TestEntryDrift(t *testing.T) {
	was := ocispec.Descriptor{
		MediaType: "a/b", Digest: digest.FromString("a"), Size: 1,
		Annotations: map[string]string{ocispec.AnnotationRefName: "v1"},
	}
	same, moved, edited := was, was, was
	same.URLs = []string{}
	moved.Digest, moved.Size = digest.FromString("other"), 5
	edited.MediaType = "a/c"
	for name, tc := range map[string]struct {
		now  []ocispec.Descriptor
		want DriftKind
		is   digest.Digest
	}{
		"gone":            {nil, DriftTagGone, ""},
		"same":            {[]ocispec.Descriptor{same}, "", ""},
		"moved":           {[]ocispec.Descriptor{moved}, DriftTagMoved, moved.Digest},
		"edited":          {[]ocispec.Descriptor{edited}, DriftTagEdited, was.Digest},
		"moved in one":    {[]ocispec.Descriptor{same, moved, edited}, DriftTagMoved, moved.Digest},
		"edited in one":   {[]ocispec.Descriptor{same, edited, same}, DriftTagEdited, was.Digest},
		"same, and again": {[]ocispec.Descriptor{same, was}, "", ""},
	} {
		got, ok := EntryDrift(&stage.Stage{}, was, tc.now)
		if ok != (tc.want != "") {
			t.Errorf("%s: drift is %v", name, ok)
		}
		if diff := cmp.Diff(Drift{Kind: tc.want, Ref: "v1", Was: was.Digest, Is: tc.is}, got); ok && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestKeysCanBeTakenApart(t *testing.T) {
	for _, c := range []Change{
		{Address: "layer.a"},
		{Address: `layer.a["x for manifest.y"]`},
		{Address: "config.a", Use: "manifest.b"},
		{Address: `config.a["k"]`, Use: `manifest.b["for"]`},
		{Address: `config.a["k for manifest.b"]`, Use: `manifest.b["c for manifest.d"]`},
	} {
		id, err := addr.ParseID(c.Key())
		if err != nil || id.Address.String() != c.Address || c.Use != "" && id.Use.String() != c.Use || id.String() != c.Key() {
			t.Errorf("%s: got %s, %v", c.Key(), id, err)
		}
	}
}

// The digests of files are in a plan, but for those of a layer with a sensitive file,
// now or when it was built last.
func TestDigestsOfSensitiveFilesAreWithheld(t *testing.T) {
	for _, tt := range []struct {
		name     string
		make     func(s *scene)
		withheld bool
	}{
		{"plain", func(*scene) {}, false},
		{"sensitive now", func(s *scene) {
			s.evaluated("layer.b", func(e *Evaluated) {
				e.Object.Body = &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpFile, To: "g"}, {Kind: spec.OpFile, To: "f", ContentSensitive: true}}}
			})
		}, true},
		{"sensitive before", func(s *scene) {
			s.staged("layer.b", func(o *stage.Object) { o.ContentSensitive = true })
		}, true},
	} {
		s := newScene()
		s.unknown("layer.b")
		tt.make(s)
		plan, err := Diff(s.graph, s.prior, s.opts)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(plan.Changes, func(c Change) bool { return c.Address == "layer.b" })
		files := plan.Changes[i].Files
		if len(files) != 1 || files[0].Before.Digest == "" != tt.withheld || files[0].After.Digest == "" != tt.withheld {
			t.Errorf("%s: the files are %+v", tt.name, files)
		}
	}
}

// The changes of many new files share what is equal in them.
func TestNewFilesInLittleMemory(t *testing.T) {
	now := make([]source.Entry, 100_000)
	for i := range now {
		now[i].Entry = layer.Entry{Path: fmt.Sprintf("usr/share/%06d", i), Type: layer.Regular, Mode: 0o644, Size: int64(i % 1000)}
	}
	now[7].Unknown = true
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	files := diffFiles(nil, now)
	runtime.ReadMemStats(&after)
	if got := int(after.TotalAlloc-before.TotalAlloc) / len(now); got > 130 {
		t.Errorf("%d bytes for each file", got)
	}
	for i, f := range files {
		want := layer.Properties{Type: layer.Regular, Mode: 0o644, Size: int64(i % 1000)}
		if i == 7 {
			want.Size = 0
		}
		if f.Path != layer.Bytes("/"+now[i].Path) || f.Action != Create || f.Unknown != (i == 7) || !cmp.Equal(*f.After, want) {
			t.Fatalf("%d: %+v %+v", i, f, f.After)
		}
	}
}
