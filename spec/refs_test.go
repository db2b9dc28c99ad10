package spec

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

const graphSpec = `
locals {
  arches = toset(["amd64", "arm64"])
  base   = [layer.base]
  note   = "built from ${layer.base.digest}"
}
layer "base" {
  file "/base" { content = "" }
}
layer "app" {
  for_each = local.arches
  file "/app" { content = each.key }
}
layer "notes" {
  file "/note" { content = local.note }
  file "/app" { content = "app is ${layer.app["amd64"].diff_id}" }
  file "/image" { content = manifest.app["arm64"].digest }
}
config "app" {
  for_each = local.arches
  platform = "linux/${each.key}"
}
manifest "app" {
  for_each    = local.arches
  config      = config.app[each.key]
  layers      = concat(local.base, [layer.app[each.key]])
  annotations = { "com.example.layer" = layer.app[each.key].digest }
}
manifest "notes" {
  artifact_type = "text/plain"
  layers        = [layer.notes]
  subject       = manifest.app["amd64"]
}
index "app" {
  manifests = [for key in ["arm64", "amd64"] : manifest.app[key]]
}
index "chained" {
  for_each    = manifest.app
  manifests   = [each.value]
  annotations = { key = each.key, digest = each.value.digest }
}
output "sizes" { value = { for key, m in manifest.app : key => m.size } }
`

func TestReferences(t *testing.T) {
	s := mustLoad(t, t.TempDir(), source(graphSpec))
	want := []string{
		`layer.app["amd64"]`, `layer.app["arm64"]`, "layer.base",
		`config.app["amd64"]`, `config.app["arm64"]`,
		`manifest.app["amd64"]`, `manifest.app["arm64"]`,
		"layer.notes", "index.app", `index.chained["amd64"]`, `index.chained["arm64"]`, "manifest.notes",
	}
	if diff := cmp.Diff(want, strs(s.Addresses())); diff != "" {
		t.Errorf("addresses:\n%s", diff)
	}
	for address, want := range map[string]string{
		`layer.app["amd64"]`:     "",
		"layer.notes":            `layer.app["amd64"] layer.base manifest.app["arm64"]`,
		`config.app["amd64"]`:    "",
		`manifest.app["amd64"]`:  `layer.app["amd64"] layer.base config.app["amd64"]`,
		"manifest.notes":         `layer.notes manifest.app["amd64"]`,
		"index.app":              `manifest.app["amd64"] manifest.app["arm64"]`,
		`index.chained["arm64"]`: `manifest.app["amd64"] manifest.app["arm64"]`,
	} {
		if got := strings.Join(strs(object(t, s, address, nil).Refs), " "); got != want {
			t.Errorf("references of %s: %s, want %s", address, got, want)
		}
	}
	if got := strs(object(t, s, "index.app", nil).Body.(*Index).Manifests); got[0] != `manifest.app["arm64"]` {
		t.Errorf("the order of the list is lost: %v", got)
	}
	if got := strs(object(t, s, `index.chained["arm64"]`, nil).Body.(*Index).Manifests); len(got) != 1 || got[0] != `manifest.app["arm64"]` {
		t.Errorf("each.value is %v", got)
	}
}

func TestKnown(t *testing.T) {
	s := mustLoad(t, t.TempDir(), source(graphSpec))
	o := object(t, s, "layer.notes", nil)
	l := o.Body.(*Layer)
	if o.Known() || !l.Tree[0].ContentUnknown || l.Tree[0].Content != "" {
		t.Errorf("content over an unbuilt layer: %+v", l.Tree[0])
	}
	m := object(t, s, `manifest.app["amd64"]`, nil)
	if diff := cmp.Diff([]string{
		`annotations["com.example.layer"]=(unknown)`, `config="config.app[\"amd64\"]"`, `layers[0]="layer.base"`,
		`layers[1]="layer.app[\"amd64\"]"`,
	}, fieldsOf(m)); diff != "" || m.Known() {
		t.Errorf("fields:\n%s", diff)
	}
	if m.Body.(*Manifest).Annotations != nil {
		t.Errorf("annotations are %v before they are known", m.Body.(*Manifest).Annotations)
	}

	known := builtOf(map[string]string{
		"layer.base": "base", `layer.app["amd64"]`: "amd", `manifest.app["arm64"]`: "arm image", `manifest.app["amd64"]`: "amd image",
	})
	o = object(t, s, "layer.notes", known)
	l = o.Body.(*Layer)
	want := []string{
		"built from " + digest.FromString("base").String(),
		"app is " + digest.FromString("diff amd").String(),
		digest.FromString("arm image").String(),
	}
	for i, n := range l.Tree {
		if n.ContentUnknown || n.Content != want[i] {
			t.Errorf("content %q, want %q", n.Content, want[i])
		}
	}
	if !o.Known() {
		t.Error("everything is known, but the object says otherwise")
	}
	chained := object(t, s, `index.chained["arm64"]`, known)
	if got := chained.Body.(*Index).Annotations["digest"]; got != digest.FromString("arm image").String() {
		t.Errorf("each.value.digest is %q", got)
	}
	outputs, diags := s.Outputs(known)
	if diags.HasErrors() || outputs[0].Value != `{"amd64":9,"arm64":9}` || outputs[0].Unknown {
		t.Errorf("outputs %v, %v", outputs, diags)
	}
	if outputs, _ := s.Outputs(nil); !outputs[0].Unknown || outputs[0].Value != "" {
		t.Errorf("outputs before the build: %v", outputs)
	}
}

// TestUnknownReferences shows a list that depends on a digest: all that it may
// name counts as needed until it is known.
func TestUnknownReferences(t *testing.T) {
	s := mustLoad(t, t.TempDir(), source(`
layer "a" {
  file "/a" { content = "" }
}
layer "b" {
  file "/b" { content = "" }
}
manifest "m" {
  artifact_type = "a/b"
  layers        = layer.a.size > 100 ? [layer.b] : [layer.a]
  subject       = layer.a.size > 100 ? manifest.other : null
}
manifest "other" { artifact_type = "a/b" }
`))
	o := object(t, s, "manifest.m", nil)
	if got := strings.Join(strs(o.Refs), " "); got != "layer.a layer.b manifest.other" {
		t.Errorf("references %s", got)
	}
	if o.Known() || o.Body.(*Manifest).Layers != nil {
		t.Errorf("layers %v are known", o.Body.(*Manifest).Layers)
	}
	o = object(t, s, "manifest.m", builtOf(map[string]string{"layer.a": "short"}))
	if got := strs(o.Body.(*Manifest).Layers); len(got) != 1 || got[0] != "layer.a" || o.Body.(*Manifest).Subject != nil {
		t.Errorf("layers %v", got)
	}
}

func TestConfigDigest(t *testing.T) {
	const objects = `
layer "a" {
  file "/a" { content = "" }
}
layer "b" {
  file "/b" { content = "" }
}
config "c" { platform = "linux/amd64" }
manifest "one" {
  config = config.c
  layers = [layer.a]
}
`
	const digest = "output \"digest\" { value = config.c.digest }\n"
	mustLoad(t, t.TempDir(), source(objects+digest))
	same := strings.ReplaceAll(objects[strings.Index(objects, "manifest"):], "one", "two")
	mustLoad(t, t.TempDir(), source(objects+same+digest))
	other := strings.ReplaceAll(same, "layer.a", "layer.b")
	mustLoad(t, t.TempDir(), source(objects+other))
	mustFail(t, t.TempDir(), source(objects+other+digest), "config.c has more than one digest: manifest.one and manifest.two use it with different layers",
		`in output "digest"`)
	unused := objects[:strings.Index(objects, "manifest")]
	mustFail(t, t.TempDir(), source(unused+digest), "config.c has no digest, for no manifest uses it")
	mustLoad(t, t.TempDir(), source(unused+"output \"address\" { value = config.c.address }"))
}

func TestReachability(t *testing.T) {
	s, diags := Load(t.TempDir(), source(`
layer "used" {
  file "/a" { content = layer.indirect.digest }
}
layer "indirect" {
  file "/a" { content = "" }
}
layer "output" {
  file "/a" { content = "" }
}
layer "unused" {
  for_each = toset(["x", "y"])
  file "/a" { content = layer.below.digest }
}
layer "below" {
  file "/a" { content = "" }
}
config "unused" { platform = "linux/amd64" }
manifest "m" {
  artifact_type = "a/b"
  layers        = [layer.used, layer.unused["y"]]
}
output "o" { value = layer.output.digest }
`))
	if diags.HasErrors() {
		t.Fatal(render(t, s, diags))
	}
	want := []string{"layer.below", "layer.indirect", "layer.output", `layer.unused["y"]`, "layer.used", "manifest.m"}
	if diff := cmp.Diff(want, strs(s.Addresses())); diff != "" {
		t.Errorf("addresses:\n%s", diff)
	}
	var unused []string
	for _, d := range diags {
		unused = append(unused, strings.Fields(d.Detail)[2])
	}
	if diff := cmp.Diff([]string{`layer.unused["x"],`, "config.unused,"}, unused); diff != "" {
		t.Errorf("warnings:\n%s", diff)
	}
}

// TestEqualPlatforms: one warning for each platform that several manifests have,
// however many there are.
func TestEqualPlatforms(t *testing.T) {
	for keys, want := range map[string]string{
		`one = "linux/arm64", two = "linux/arm64/v8", three = "linux/amd64"`: `manifest.a["one"] and manifest.a["two"] in index.a are for the same platform, linux/arm64.`,
		`a = "linux/386", b = "linux/386", c = "linux/386"`:                  `manifest.a["a"], manifest.a["b"] and manifest.a["c"] in index.a are for the same platform, linux/386.`,
		`a = "linux/386", b = "linux/386", c = "linux/386", d = "linux/386"`: `manifest.a["a"], manifest.a["b"] and 2 more in index.a are for the same platform, linux/386.`,
	} {
		s, diags := Load(t.TempDir(), source(`
layer "a" {
  file "/a" { content = "" }
}
config "a" {
  for_each = { `+keys+` }
  platform = each.value
}
manifest "a" {
  for_each = config.a
  config   = each.value
  layers   = [layer.a]
}
index "a" { manifests = values(manifest.a) }
`))
		if diags.HasErrors() || len(diags) != 1 || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("want %s\n%s", want, render(t, s, diags))
		}
	}
}

// TestSettledObjects lets go of the syntax of what is known, and answers for it as before.
func TestSettledObjects(t *testing.T) {
	s := mustLoad(t, t.TempDir(), source(`
layer "known" {
  compression = "zstd"
  file "/a" { content = "a" }
}
layer "each" {
  for_each = toset(["x"])
  file "/a" { content = each.key }
}
layer "late" {
  file "/a" { content = layer.known.digest }
}
manifest "known" {
  artifact_type = "a/b"
  layers        = [layer.known, layer.each["x"], layer.late]
}
manifest "late" {
  artifact_type = "a/b"
  layers        = [layer.known]
  annotations   = { type = layer.known.media_type, of = layer.late.digest }
}
`))
	settled := map[string]bool{"layer.known": true, "manifest.known": true}
	known := builtOf(map[string]string{"layer.late": "late"})
	for _, addr := range s.Addresses() {
		if got := s.root.instances[addr].block.syntax == nil; got != settled[addr.String()] {
			t.Errorf("%s is settled: %t", addr, got)
		}
		first, _ := s.Evaluate(addr, nil)
		o, diags := s.Evaluate(addr, known)
		if diags.HasErrors() || settled[addr.String()] && !cmp.Equal(first, o) {
			t.Errorf("%s: %v %s", addr, diags, cmp.Diff(first, o))
		}
	}
	late := object(t, s, "manifest.late", known)
	if got := late.Body.(*Manifest).Annotations["type"]; got != "application/vnd.oci.image.layer.v1.tar+zstd" {
		t.Errorf("the media type of a settled layer is %q", got)
	}
}

// TestEvaluateConcurrently evaluates everything at once; the race detector sees
// to the rest.
func TestEvaluateConcurrently(t *testing.T) {
	dir := files(t, map[string]string{"t.tftpl": "%{ for n in names }${n}%{ endfor }"})
	s := mustLoad(t, dir, source(graphSpec+`
layer "template" {
  file "/a" { content = templatefile("t.tftpl", { names = ["a", layer.base.digest] }) }
}
manifest "template" {
  artifact_type = "a/b"
  layers        = [layer.template]
}
`))
	known := builtOf(map[string]string{"layer.base": "base"})
	want := object(t, s, "layer.template", known)
	var group sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for _, addr := range s.Addresses() {
				if _, diags := s.Evaluate(addr, known); diags.HasErrors() {
					t.Error(diags)
				}
			}
			got, _ := s.Evaluate(want.Address, known)
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Error(diff)
			}
			s.Inputs()
		})
	}
	group.Wait()
}

// TestEvaluateUnknownAddress asks for what is not there.
func TestEvaluateUnknownAddress(t *testing.T) {
	s := mustLoad(t, t.TempDir(), source(""))
	if _, diags := s.Evaluate(Address{Kind: KindLayer, Name: "x"}, nil); !diags.HasErrors() {
		t.Error("no error")
	}
}

// TestManyObjects guards against work that grows faster than the spec: every
// manifest refers to two instances out of many.
func TestManyObjects(t *testing.T) {
	count := func(n int) int {
		s := mustLoad(t, t.TempDir(), source(fmt.Sprintf(`
locals { names = toset([for i in range(%d) : format("n%%04d", i)]) }
layer "base" {
  file "/base" { content = "" }
}
layer "a" {
  for_each = local.names
  file "/a" { content = each.key }
}
manifest "a" {
  for_each      = local.names
  artifact_type = "a/b"
  layers        = [layer.base, layer.a[each.key]]
}
`, n)))
		ses := newSession(s.root, nil)
		for _, addr := range s.Addresses() {
			if s.root.instances[addr].block.syntax == nil {
				continue // layer.base stays as it is
			}
			one := newSession(s.root, nil)
			if _, diags := one.evaluate(s.root.instances[addr]); diags.HasErrors() {
				t.Fatal(diags)
			}
			for a, v := range one.objects {
				ses.objects[a] = v
			}
			if len(one.objects) > 2 {
				t.Fatalf("%s looks at %d objects", addr, len(one.objects))
			}
		}
		return len(s.Addresses())
	}
	if got := count(1000); got != 2001 {
		t.Errorf("%d addresses", got)
	}
}

// TestMissingKeys: a key that for_each of a block does not have is named, unless it is
// sensitive, and try goes on.
func TestMissingKeys(t *testing.T) {
	const text = `
variable "secret" {
  default   = "hush"
  sensitive = true
}
locals { key = "blue" }
layer "a" {
  for_each = { red = 1, green = 2 }
  file "/a" { content = each.key }
}
layer "none" {
  for_each = {}
  file "/a" { content = each.key }
}
layer "many" {
  for_each = { for i in range(30) : "k${i}" => i }
  file "/a" { content = each.key }
}
`
	for _, c := range []struct{ expression, want string }{
		{`layer.a["blue"].digest`, `There is no layer.a["blue"]: for_each of layer.a has green, red.`},
		{`layer.a[local.key].digest`, `There is no layer.a["blue"]: for_each of layer.a has green, red.`},
		{`layer.a["rde"].digest`, `There is no layer.a["rde"]: for_each of layer.a has no such key. Did you mean "red"?`},
		{`layer.a.blue.digest`, `There is no layer.a["blue"]`},
		{`{ x = [layer.a["red"].digest, layer.a["blue"].digest] }`, `There is no layer.a["blue"]`},
		{`layer.none[1].digest`, `There is no layer.none["1"]: for_each of layer.none has no keys.`},
		{`layer.many["other"].digest`, `for_each of layer.many has 30 others: k0, k1, k10, k11, k12, k13, k14, k15, k16, k17, ….`},
		{`{ a = 1 }["blue"]`, "The given key does not identify an element"},
	} {
		_, diags := Load(t.TempDir(), source(text+"output \"o\" { value = "+c.expression+" }"))
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, c.want) {
			t.Errorf("%s: got %v, want %s", c.expression, diags, c.want)
		}
	}
	_, diags := Load(t.TempDir(), source(text+"output \"o\" {\n  value     = layer.a[var.secret].digest\n  sensitive = true\n}"))
	if len(diags) != 1 || strings.Contains(diags[0].Detail, "hush") {
		t.Errorf("a sensitive key: %v", diags)
	}
	mustLoad(t, t.TempDir(), source(text+`output "o" { value = try(layer.a["blue"].digest, "none") }`))
}

// TestDivisionByZero: neither / nor % gives anything for zero, and try goes on.
func TestDivisionByZero(t *testing.T) {
	for _, expression := range []string{"5 / 0", "5 % 0", "5.5 % -0", "0 / 0", "0 % 0", "5 % (2 - 2)", "[for x in [1] : x % 0]", `"${5 / 0}"`, `sum([1 / 0])`} {
		_, diags := Load(t.TempDir(), source("output \"o\" { value = "+expression+" }"))
		if len(diags) != 1 || diags[0].Summary != "Division by zero" {
			t.Errorf("%s: got %v", expression, diags)
		}
	}
	mustLoad(t, t.TempDir(), source("output \"o\" { value = [try(5 % 0, 1), can(5 / 0), 5 % 3, 0 / 5] }"))
}
