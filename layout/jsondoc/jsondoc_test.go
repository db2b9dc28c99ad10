package jsondoc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/jsondoc"
)

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	for name, tc := range map[string]struct{ doc, want string }{
		"empty":             {"", "empty"},
		"white space":       {" \n", "empty"},
		"zeros":             {"\x00\x00\x00", "not JSON"},
		"cut":               {`{"layers": [`, "ends too early"},
		"trailing":          {`{} {}`, "data after the end"},
		"trailing garbage":  {`{}x`, "data after the end"},
		"duplicate":         {`{"layers":[],"layers":[]}`, "twice"},
		"duplicate unknown": {`{"x":{"y":1,"y":2}}`, "twice"},
		"folded pair":       {`{"layers":[],"Layers":[]}`, "case alone"},
		"folded pair first": {`{"Layers":[]}`, `must be written "layers"`},
		"long s":            {`{"layerſ":[]}`, `must be written "layers"`},
		"folded unknown":    {`{"abc":1,"ABC":2}`, "case alone"},
		"folded in element": {`{"layers":[{"Digest":"x"}]}`, `must be written "digest"`},
		"folded in pointer": {`{"subject":{"mediatype":"x"}}`, `must be written "mediaType"`},
		"folded in inner":   {`{"layers":[{"platform":{"OS":"x"}}]}`, `must be written "os"`},
		"not UTF-8":         {"{\"mediaType\":\"\xff\"}", "UTF-8"},
		"lone surrogate":    {`{"mediaType":"\ud800"}`, "surrogate"},
		"BOM":               {"\ufeff{}", "not JSON"},
		"deep":              {`{"x":` + deep + `}`, "nested more than 32"},
		"wrong type":        {`{"layers":{}}`, "does not fit"},
		"fraction":          {`{"layers":[{"size":1.5}]}`, "does not fit"},
		"too large":         {`{"layers":[{"size":9223372036854775808}]}`, "does not fit"},
		"long":              {`{"x":"` + strings.Repeat("x", 5<<20) + `"}`, "the limit is"},
		"empty elements":    {`{"layers":[` + strings.Repeat("{},", 20_000) + `{}]}`, "of memory"},
		"nulls":             {`{"layers":[` + strings.Repeat("null,", 20_000) + `{}]}`, "of memory"},
		"empty platforms":   {`{"layers":[` + strings.Repeat(`{"platform":{}},`, 20_000) + `{}]}`, "of memory"},
		"empty maps":        {`{"layers":[` + strings.Repeat(`{"annotations":{"":""}},`, 20_000) + `{}]}`, "of memory"},
		"many annotations":  {`{"annotations":{` + members(100_001) + `}}`, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			var m ocispec.Manifest
			err := jsondoc.Decode([]byte(tc.doc), jsondoc.Limits{}, &m)
			var je *jsondoc.Error
			if !errors.As(err, &je) {
				t.Fatalf("got %v, want a *jsondoc.Error", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want it to say %q", err, tc.want)
			}
		})
	}
}

// members are n members of an object.
func members(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"%x":""`, i)
	}
	return strings.Join(all, ",")
}

func TestDecodeSaysWhere(t *testing.T) {
	doc := "{\n  \"layers\": [\n    {\"digest\": \"x\", \"Size\": 3}\n  ]\n}"
	var m ocispec.Manifest
	err := jsondoc.Decode([]byte(doc), jsondoc.Limits{}, &m)
	var je *jsondoc.Error
	if !errors.As(err, &je) {
		t.Fatalf("got %v", err)
	}
	got := []any{je.Line, je.Column, je.Pointer}
	if diff := cmp.Diff([]any{3, 21, "/layers/0/Size"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeAccepts(t *testing.T) {
	for name, doc := range map[string]string{
		"unknown members":                 `{"schemaVersion":2,"x-unknown":{"y":[1,2]}}`,
		"annotations by case":             `{"annotations":{"a":"1","A":"2"}}`,
		"exactly at the depth":            `{"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
		"white space":                     " {\n} \n",
		"as many layers as fit":           `{"layers":[` + strings.Repeat(`{"mediaType":"a/b","digest":"sha256:`+strings.Repeat("0", 64)+`","size":1,"annotations":{"a":"b"},"platform":{"os":"linux","architecture":"arm"}},`, 5000) + `{}]}`,
		"many elements that nobody reads": `{"x":[` + strings.Repeat("{},", 20_000) + `0]}`,
	} {
		var m ocispec.Manifest
		if err := jsondoc.Decode([]byte(doc), jsondoc.Limits{}, &m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEmbeddedMembers(t *testing.T) {
	var img ocispec.Image
	if err := jsondoc.Decode([]byte(`{"architecture":"amd64","os":"linux"}`), jsondoc.Limits{}, &img); err != nil {
		t.Fatal(err)
	}
	if img.Architecture != "amd64" {
		t.Errorf("got architecture %q", img.Architecture)
	}
	if err := jsondoc.Decode([]byte(`{"Architecture":"amd64"}`), jsondoc.Limits{}, &img); err == nil {
		t.Error("a member of an embedded struct was accepted in another case")
	}
}

// The canonical form must be what encoding/json makes of image-spec values, but
// for HTML escapes and nil slices: the types are written for it.
func TestEncodeIsCanonical(t *testing.T) {
	created := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	desc := ocispec.Descriptor{
		MediaType: "a/b", Digest: "sha256:x", Size: 0, Data: []byte("d"),
		Annotations: map[string]string{"z": "<&>", "a": "1"},
		Platform:    &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"},
	}
	for name, v := range map[string]any{
		"manifest": ocispec.Manifest{MediaType: "m", Config: desc, Layers: []ocispec.Descriptor{desc}},
		"image": ocispec.Image{
			Created: &created, Platform: ocispec.Platform{OS: "linux"},
			Config:  ocispec.ImageConfig{ExposedPorts: map[string]struct{}{"80/tcp": {}, "8/udp": {}}},
			RootFS:  ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{"sha256:y"}},
			History: []ocispec.History{{CreatedBy: "x"}, {EmptyLayer: true}},
		},
	} {
		got, err := jsondoc.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	got, err := jsondoc.Encode(ocispec.Index{})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"schemaVersion":0,"manifests":[]}` + "\n"; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEncodeRefuses(t *testing.T) {
	if _, err := jsondoc.Encode(map[string]string{"a": "\xff"}); err == nil {
		t.Error("a string that is not UTF-8 was written")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"layers":[{"digest":"sha256:x","size":1}],"annotations":{"a":"b"}}`))
	f.Add([]byte(`{"Layers":[],"layers":[]}`))
	f.Add([]byte(`[[[[{"a":1}]]]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m ocispec.Manifest
		if jsondoc.Decode(data, jsondoc.Limits{}, &m) != nil {
			return
		}
		// What is accepted means the same to encoding/json, which folds case.
		var other ocispec.Manifest
		if err := json.Unmarshal(data, &other); err != nil {
			t.Skip()
		}
		if diff := cmp.Diff(m, other); diff != "" {
			t.Error(diff)
		}
	})
}
