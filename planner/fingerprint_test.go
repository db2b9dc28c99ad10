package planner

import (
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/spec"
)

// object makes an object with fields, given as path, value, path, value, …
func object(kind spec.Kind, pairs ...string) *spec.Object {
	o := &spec.Object{Address: spec.Address{Kind: kind, Name: "x"}}
	for i := 0; i < len(pairs); i += 2 {
		o.Fields = append(o.Fields, spec.Field{Path: pairs[i], Value: spec.JSON(pairs[i+1])})
	}
	return o
}

func need(role Role, o *spec.Object, content string) Dependency {
	dgst := digest.FromString(content)
	return Dependency{Role: role, Evaluated: Evaluated{Object: o, Known: true, Built: spec.Built{
		Descriptor: ocispec.Descriptor{MediaType: "application/x", Digest: dgst, Size: int64(len(content))},
		DiffID:     digest.FromString("diff of " + content),
	}}}
}

func TestFingerprintFollowsWhatDecidesBytes(t *testing.T) {
	const epoch = 5
	layer := func(pairs ...string) *spec.Object { return object(spec.KindLayer, pairs...) }
	for _, tt := range []struct {
		name  string
		a, b  *spec.Object
		na    []Dependency
		nb    []Dependency
		ea    int64
		eb    int64
		equal bool
	}{
		{name: "a label of a config", a: object(spec.KindConfig, `labels["a"]`, `"1"`), b: object(spec.KindConfig, `labels["a"]`, `"2"`)},
		{name: "an annotation of a config stands in manifests", a: object(spec.KindConfig, `annotations["a"]`, `"1"`), b: object(spec.KindConfig), equal: true},
		{name: "an annotation of a manifest", a: object(spec.KindManifest, `annotations["a"]`, `"1"`), b: object(spec.KindManifest)},
		{name: "tags of a manifest", a: object(spec.KindManifest, `tags[0]`, `"1"`), b: object(spec.KindManifest), equal: true},
		{name: "descriptor annotations of an index", a: object(spec.KindIndex, `descriptor_annotations["a"]`, `"1"`), b: object(spec.KindIndex), equal: true},
		{name: "the platform of a config", a: object(spec.KindConfig, `platform`, `"linux/arm64"`), b: object(spec.KindConfig, `platform`, `"linux/amd64"`)},
		{name: "the platform of a manifest stands in indexes", a: object(spec.KindManifest, `platform`, `"linux/arm64"`), b: object(spec.KindManifest), equal: true},
		{name: "kinds", a: object(spec.KindManifest), b: object(spec.KindIndex)},
		{name: "the epoch of a config", a: object(spec.KindConfig), b: object(spec.KindConfig), ea: epoch},
		{name: "the epoch of a manifest", a: object(spec.KindManifest), b: object(spec.KindManifest), ea: epoch, equal: true},
		{name: "the content of a layer of a config", a: object(spec.KindConfig), b: object(spec.KindConfig),
			na: []Dependency{need(RoleLayer, layer(), "1")}, nb: []Dependency{need(RoleLayer, layer(), "2")}},
		{name: "the order of layers", a: object(spec.KindConfig), b: object(spec.KindConfig),
			na: []Dependency{need(RoleLayer, layer(), "1"), need(RoleLayer, layer(), "2")}, nb: []Dependency{need(RoleLayer, layer(), "2"), need(RoleLayer, layer(), "1")}},
		{name: "created_by of a layer, for a config", a: object(spec.KindConfig), b: object(spec.KindConfig),
			na: []Dependency{need(RoleLayer, layer("created_by", `"a"`), "1")}, nb: []Dependency{need(RoleLayer, layer("created_by", `"b"`), "1")}},
		{name: "created_by of a layer, for a manifest", a: object(spec.KindManifest), b: object(spec.KindManifest),
			na: []Dependency{need(RoleLayer, layer("created_by", `"a"`), "1")}, nb: []Dependency{need(RoleLayer, layer("created_by", `"b"`), "1")}, equal: true},
		{name: "an annotation of a layer, for a manifest", a: object(spec.KindManifest), b: object(spec.KindManifest),
			na: []Dependency{need(RoleLayer, layer(`annotations["a"]`, `"a"`), "1")}, nb: []Dependency{need(RoleLayer, layer(), "1")}},
		{name: "an annotation of a layer, for a config", a: object(spec.KindConfig), b: object(spec.KindConfig),
			na: []Dependency{need(RoleLayer, layer(`annotations["a"]`, `"a"`), "1")}, nb: []Dependency{need(RoleLayer, layer(), "1")}, equal: true},
		{name: "a member of an index", a: object(spec.KindIndex), b: object(spec.KindIndex),
			na: []Dependency{need(RoleMember, object(spec.KindManifest), "1")}, nb: []Dependency{need(RoleMember, object(spec.KindManifest), "2")}},
		{name: "the platform of a member", a: object(spec.KindIndex), b: object(spec.KindIndex),
			na: []Dependency{need(RoleMember, object(spec.KindManifest, "platform", `"linux/arm"`), "1")}, nb: []Dependency{need(RoleMember, object(spec.KindManifest), "1")}},
		{name: "a subject is not a member", a: object(spec.KindIndex), b: object(spec.KindIndex),
			na: []Dependency{need(RoleSubject, object(spec.KindManifest), "1")}, nb: []Dependency{need(RoleMember, object(spec.KindManifest), "1")}},
	} {
		a, okA := Fingerprint(tt.a, tt.na, tt.ea)
		b, okB := Fingerprint(tt.b, tt.nb, tt.eb)
		if !okA || !okB {
			t.Errorf("%s: a fingerprint is not known", tt.name)
		}
		if (a == b) != tt.equal {
			t.Errorf("%s: equal is %v, want %v", tt.name, a == b, tt.equal)
		}
	}
}

func TestFingerprintIsUnknownWithAnythingUnknown(t *testing.T) {
	known := object(spec.KindManifest)
	unknown := object(spec.KindManifest)
	unknown.Fields = []spec.Field{{Path: `annotations["a"]`, Unknown: true}}
	if _, ok := Fingerprint(unknown, nil, 0); ok {
		t.Error("an unknown value")
	}
	n := need(RoleLayer, object(spec.KindLayer), "1")
	n.Known = false
	if _, ok := Fingerprint(known, []Dependency{n}, 0); ok {
		t.Error("an object that is not built")
	}
	n.Known = true
	n.Object.Fields = []spec.Field{{Path: `annotations["a"]`, Unknown: true}}
	if _, ok := Fingerprint(known, []Dependency{n}, 0); ok {
		t.Error("an unknown annotation of a layer")
	}
	tagged := object(spec.KindManifest)
	tagged.Fields = []spec.Field{{Path: "tags[0]", Unknown: true}}
	if _, ok := Fingerprint(tagged, nil, 0); !ok {
		t.Error("an unknown tag does not decide the bytes of a manifest")
	}
}
