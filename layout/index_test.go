//go:build unix

package layout_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/jsondoc"
)

func putJSON(t *testing.T, s *layout.Store, mediaType string, v any) ocispec.Descriptor {
	t.Helper()
	data, err := jsondoc.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, s, mediaType, data)
}

// layoutWith makes a layout whose index.json holds the given bytes.
func layoutWith(t *testing.T, index string) *layout.Store {
	t.Helper()
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "blobs/sha256"))
	writeFile(t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
	writeFile(t, filepath.Join(dir, "index.json"), index)
	return open(t, dir, layout.Options{LockTimeout: 1})
}

func descriptor(content, ref string) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: "application/xml", Digest: digest.FromString(content), Size: int64(len(content))}
	if ref != "" {
		d.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
	}
	return d
}

func encoded(t *testing.T, d ocispec.Descriptor) string {
	t.Helper()
	data, err := jsondoc.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

const (
	xmlA = `{ "size" : 1,"digest":"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",` + "\n\t" +
		`"mediaType":"application/xml", "x-unknown":[1 ,2.50,"<\u0026>"], "annotations":{"org.opencontainers.image.ref.name":"a"} }`
	xmlB = `{"mediaType":"application/xml","digest":"sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d","size":1,"urls":[ ],"annotations":{}}`
)

// Every edit leaves the bytes of what it does not concern as they were.
func TestIndexKeepsForeignBytes(t *testing.T) {
	head := "\n{ \"x-top\": {\"b\":1,\"a\":[ ]},\r\n \"schemaVersion\":2 ,\n  \"manifests\" : ["
	tail := "\n  ],\"annotations\":{\"k\":\"<v>\"} , \"y\":null}\n\n"
	foreign := head + "\n    " + xmlA + " ,\n    " + xmlB + tail
	c := descriptor("c", "c")
	a2 := descriptor("other", "a")
	b2 := descriptor("b", "")
	b2.Data, b2.Annotations = []byte{}, map[string]string{}
	for name, tc := range map[string]struct {
		edit func(*layout.Index) error
		want string
	}{
		"nothing":                   {func(*layout.Index) error { return nil }, foreign},
		"append":                    {func(x *layout.Index) error { return x.Set(c) }, head + "\n    " + xmlA + " ,\n    " + xmlB + ",\n    " + encoded(t, c) + tail},
		"replace":                   {func(x *layout.Index) error { return x.Set(a2) }, head + "\n    " + encoded(t, a2) + " ,\n    " + xmlB + tail},
		"remove first":              {func(x *layout.Index) error { x.Remove("a"); return nil }, head + "\n    " + xmlB + tail},
		"remove last":               {func(x *layout.Index) error { x.RemoveUntagged(digest.FromString("b")); return nil }, head + "\n    " + xmlA + tail},
		"add and remove":            {func(x *layout.Index) error { err := x.Set(c); x.Remove("c"); return err }, foreign},
		"remove unknown":            {func(x *layout.Index) error { x.Remove("zzz"); x.Remove(""); return nil }, foreign},
		"remove tagged as untagged": {func(x *layout.Index) error { x.RemoveUntagged(digest.FromString("a")); return nil }, foreign},
		"set the same":              {func(x *layout.Index) error { return x.Set(descriptor("b", "")) }, foreign},
		"set the same, empty":       {func(x *layout.Index) error { return x.Set(b2) }, foreign},
		"remove all": {func(x *layout.Index) error {
			x.Remove("a")
			x.RemoveUntagged(digest.FromString("b"))
			return nil
		}, head + tail[3:]},
	} {
		t.Run(name, func(t *testing.T) {
			s := layoutWith(t, foreign)
			before, after, err := s.Swap(t.Context(), tc.edit)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(s.Dir(), "index.json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if want := digest.FromString(foreign); before != want {
				t.Errorf("before is %s, want %s", before, want)
			}
			if want := digest.FromString(tc.want); after != want {
				t.Errorf("after is %s, want %s", after, want)
			}
		})
	}
}

func TestSameEntry(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*ocispec.Descriptor)
		same bool
	}{
		"nothing": {func(*ocispec.Descriptor) {}, true},
		"a copy":  {func(d *ocispec.Descriptor) { d.Annotations = maps.Clone(d.Annotations) }, true},
		"no URLs": {func(d *ocispec.Descriptor) { d.URLs = []string{} }, true},
		"no data": {func(d *ocispec.Descriptor) { d.Data = []byte{} }, true},
		"no OS features": {func(d *ocispec.Descriptor) {
			d.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64", OSFeatures: []string{}}
		}, true},
		"a URL": {func(d *ocispec.Descriptor) { d.URLs = []string{""} }, false},
		"data":  {func(d *ocispec.Descriptor) { d.Data = []byte{0} }, false},
		"an OS feature": {func(d *ocispec.Descriptor) {
			d.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64", OSFeatures: []string{"x"}}
		}, false},
		"no platform":   {func(d *ocispec.Descriptor) { d.Platform = nil }, false},
		"no annotation": {func(d *ocispec.Descriptor) { d.Annotations = map[string]string{} }, false},
		"an annotation": {func(d *ocispec.Descriptor) { d.Annotations = map[string]string{ocispec.AnnotationRefName: "a", "": ""} }, false},
		"media type":    {func(d *ocispec.Descriptor) { d.MediaType = "" }, false},
		"artifact type": {func(d *ocispec.Descriptor) { d.ArtifactType = "x" }, false},
		"size":          {func(d *ocispec.Descriptor) { d.Size++ }, false},
		"digest":        {func(d *ocispec.Descriptor) { d.Digest = digest.FromString("") }, false},
		"not UTF-8":     {func(d *ocispec.Descriptor) { d.MediaType = "\xff" }, false},
	} {
		a, b := descriptor("a", "a"), descriptor("a", "a")
		a.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
		b.Platform = a.Platform
		tc.edit(&b)
		if layout.SameEntry(a, b) != tc.same || layout.SameEntry(b, a) != tc.same {
			t.Errorf("%s: not %v", name, tc.same)
		}
	}
}

func TestIndexForms(t *testing.T) {
	c := descriptor("c", "c")
	for _, tc := range []struct{ index, want string }{
		{`{"schemaVersion":2,"manifests":[]}`, `{"schemaVersion":2,"manifests":[` + encoded(t, c) + `]}`},
		{`{"schemaVersion":2,"manifests": null }`, `{"schemaVersion":2,"manifests": [` + encoded(t, c) + `] }`},
		{"{\"manifests\":[ \n ],\"schemaVersion\":2}", "{\"manifests\":[" + encoded(t, c) + "],\"schemaVersion\":2}"},
	} {
		s := layoutWith(t, tc.index)
		setTag(t, s, c, "c")
		got, err := os.ReadFile(filepath.Join(s.Dir(), "index.json"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestIndexEdits(t *testing.T) {
	s := layoutWith(t, `{"schemaVersion":2,"manifests":[`+encoded(t, descriptor("1", "t"))+","+encoded(t, descriptor("2", "u"))+","+encoded(t, descriptor("3", "t"))+`]}`)
	x, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ocispec.Descriptor{descriptor("1", "t"), descriptor("3", "t")}, x.Resolve("t")); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Resolve(t.Context(), "t"); err == nil || !strings.Contains(err.Error(), "2 entries") {
		t.Errorf("an ambiguous tag: %v", err)
	}
	if err := x.Set(descriptor("4", "t")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ocispec.Descriptor{descriptor("4", "t"), descriptor("2", "u")}, x.Descriptors()); diff != "" {
		t.Error(diff)
	}
	if x.Digest() == digest.FromBytes(x.Encode()) {
		t.Error("an edit does not change the digest after it")
	}
	for _, bad := range []ocispec.Descriptor{{Digest: "sha256:../../x"}, {Digest: ""}, {Digest: digest.FromString("x"), Size: -1}} {
		if x.Set(bad) == nil {
			t.Errorf("%v was set", bad)
		}
	}
}

func TestIndexRefuses(t *testing.T) {
	valid := `"digest":"` + digest.FromString("a").String() + `","mediaType":"x"`
	for name, index := range map[string]string{
		"empty":              "",
		"halved":             `{"schemaVersion":2,"manifests":[`,
		"zeros":              strings.Repeat("\x00", 100),
		"an array":           `[]`,
		"null":               `null`,
		"no manifests":       `{"schemaVersion":2}`,
		"schema version 1":   `{"schemaVersion":1,"manifests":[]}`,
		"another type":       `{"schemaVersion":2,"mediaType":"x","manifests":[]}`,
		"layers as well":     `{"schemaVersion":2,"manifests":[],"layers":[]}`,
		"config as well":     `{"schemaVersion":2,"manifests":[],"config":{}}`,
		"duplicate":          `{"schemaVersion":2,"manifests":[],"manifests":[]}`,
		"folded":             `{"schemaVersion":2,"manifests":[],"Manifests":[]}`,
		"trailing":           `{"schemaVersion":2,"manifests":[]}{}`,
		"negative size":      `{"schemaVersion":2,"manifests":[{` + valid + `,"size":-1}]}`,
		"path as digest":     `{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":1}]}`,
		"path as algorithm":  `{"schemaVersion":2,"manifests":[{"digest":"../..:x","size":1}]}`,
		"short digest":       `{"schemaVersion":2,"manifests":[{"digest":"sha256:abc","size":1}]}`,
		"upper case digest":  `{"schemaVersion":2,"manifests":[{"digest":"sha256:` + strings.Repeat("A", 64) + `","size":1}]}`,
		"no digest":          `{"schemaVersion":2,"manifests":[{"size":1}]}`,
		"null as descriptor": `{"schemaVersion":2,"manifests":[null]}`,
		"longer than 10 MiB": `{"schemaVersion":2,"manifests":[],"x":"` + strings.Repeat("x", 10<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := layoutWith(t, index)
			before := snapshot(t, filepath.Join(s.Dir(), "blobs"))
			if _, err := s.Index(t.Context()); err == nil || !strings.Contains(err.Error(), "index.json") {
				t.Errorf("got %v", err)
			}
			_, _, err := s.Swap(t.Context(), func(x *layout.Index) error { return x.Set(descriptor("c", "c")) })
			if err == nil {
				t.Error("what cannot be read was written over")
			}
			got, err := os.ReadFile(filepath.Join(s.Dir(), "index.json"))
			if err != nil || string(got) != index {
				t.Errorf("index.json was changed: %v", err)
			}
			if diff := cmp.Diff(before, snapshot(t, filepath.Join(s.Dir(), "blobs"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What takes the place of index.json is refused, and never blocks.
func TestIndexIsNoFile(t *testing.T) {
	for name, place := range map[string]func(*testing.T, string){
		"pipe":             mkfifo,
		"directory":        mkdir,
		"link to a device": func(t *testing.T, name string) { symlink(t, "/dev/zero", name) },
		"link to a file": func(t *testing.T, name string) {
			writeFile(t, name+".real", `{"schemaVersion":2,"manifests":[]}`)
			symlink(t, filepath.Base(name)+".real", name)
		},
		"dangling link": func(t *testing.T, name string) { symlink(t, "nowhere", name) },
	} {
		t.Run(name, func(t *testing.T) {
			s := layoutWith(t, "")
			file := filepath.Join(s.Dir(), "index.json")
			remove(t, file)
			place(t, file)
			if _, err := s.Index(t.Context()); !errors.Is(err, layout.ErrNotPlain) {
				t.Errorf("got %v, want ErrNotPlain", err)
			}
			if _, _, err := s.Swap(t.Context(), func(*layout.Index) error { return nil }); err == nil {
				t.Error("swapped over what is no file")
			}
		})
	}
}

func TestSwapNoticesForeignWriters(t *testing.T) {
	s := layoutWith(t, `{"schemaVersion":2,"manifests":[]}`)
	file := filepath.Join(s.Dir(), "index.json")
	calls := 0
	_, _, err := s.Swap(t.Context(), func(x *layout.Index) error {
		if calls++; calls == 1 {
			writeFile(t, file, `{"schemaVersion":2,"manifests":[`+xmlA+`]}`)
		}
		return x.Set(descriptor("c", "c"))
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schemaVersion":2,"manifests":[` + xmlA + "," + encoded(t, descriptor("c", "c")) + `]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if calls != 2 {
		t.Errorf("edit was called %d times", calls)
	}
	// A writer that never rests is an error, not a lost update.
	n := 0
	_, _, err = s.Swap(t.Context(), func(x *layout.Index) error {
		n++
		writeFile(t, file, `{"schemaVersion":2,"manifests":[`+strings.Repeat(" ", n)+`]}`)
		return x.Set(descriptor("d", "d"))
	})
	if err == nil || !strings.Contains(err.Error(), "other writer") {
		t.Errorf("got %v", err)
	}
}

func TestSwapWritesNothingWhenNothingChanges(t *testing.T) {
	s := layoutWith(t, `{"schemaVersion":2,"manifests":[`+xmlA+`]}`)
	file := filepath.Join(s.Dir(), "index.json")
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error { return x.Set(x.Descriptors()[0]) }); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	_, _, err = s.Swap(t.Context(), func(x *layout.Index) error { x.Remove("a"); return boom })
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	after, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("index.json was written")
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(`{"schemaVersion":2,"manifests":[`+xmlA+","+xmlB+`]}`, "tag")
	f.Add(`{"schemaVersion":2,"manifests":null}`, "")
	f.Add(" { \"manifests\" : [ ] , \"schemaVersion\" : 2 } \n", "a")
	f.Fuzz(func(t *testing.T, doc, ref string) {
		x, err := layout.ParseIndex([]byte(doc))
		if err != nil {
			return
		}
		if got := string(x.Encode()); got != doc {
			t.Fatalf("unchanged, %q encodes to %q", doc, got)
		}
		entries := x.Descriptors()
		if x.Set(descriptor("fuzz", ref)) != nil {
			return
		}
		again, err := layout.ParseIndex(x.Encode())
		if err != nil {
			t.Fatalf("after an edit of %q: %v", doc, err)
		}
		if diff := cmp.Diff(x.Descriptors(), again.Descriptors()); diff != "" {
			t.Fatal(diff)
		}
		if len(again.Descriptors()) > len(entries)+1 {
			t.Fatal("one edit added more than one entry")
		}
	})
}
