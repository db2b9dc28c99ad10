package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/spec"
)

// found is an image of a base in a registry.
func found() *spec.BaseImage {
	return &spec.BaseImage{
		Name: "example.com/alpine:3", Registry: true, Index: digest.FromString("index"),
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("image"), Size: 7},
		Layers:     []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromString("layer"), Size: 3}},
		DiffIDs:    []digest.Digest{digest.FromString("tar")},
		Config: &spec.Config{Image: &spec.Image{
			Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, User: pointer("1000"), Env: []string{"PATH=/bin"},
		}},
		Annotations: map[string]string{"org.opencontainers.image.version": "3.20.1"},
	}
}

const onBase = `
layout { path = "l" }
layer "l" {
  file "/x" { content = "x" }
}
base "alpine" {
  from     = "docker://example.com/alpine:3"
  platform = "linux/arm64"
}
config "c" {}
manifest "m" {
  base   = base.alpine
  config = config.c
  layers = [layer.l]
}
`

// loadBased loads a spec whose bases all stand for one image, and counts how often
// bases were looked for.
func loadBased(t *testing.T, text string, image *spec.BaseImage) (*spec.Spec, hcl.Diagnostics, *[][]spec.BaseRequest) {
	t.Helper()
	var asked [][]spec.BaseRequest
	sp, diags := spec.Load(t.TempDir(), spec.LoadOptions{
		Sources: []spec.Source{{Name: "layform.hcl", Text: text}},
		Bases: func(requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
			asked = append(asked, requests)
			all := map[spec.Address]*spec.BaseImage{}
			for _, r := range requests {
				all[r.Address] = image
			}
			return all, nil
		},
	})
	return sp, diags, &asked
}

// texts are all diagnostics in words.
func texts(diags hcl.Diagnostics) string {
	var all []string
	for _, d := range diags {
		all = append(all, d.Error())
	}
	return strings.Join(all, "\n")
}

// TestBaseValues: all that a base says is known when the spec is loaded, wherever it
// is used.
func TestBaseValues(t *testing.T) {
	sp, diags, asked := loadBased(t, onBase+`
locals {
  path = base.alpine.config.env.PATH
  env  = base.alpine.config.env
}
layer "by_env" {
  for_each = local.env
  file "/env" {
    content = "${each.key}=${each.value}"
    uid     = base.alpine.config.user
  }
}
manifest "files" {
  artifact_type = "a/b"
  layers        = values(layer.by_env)
  tags          = [base.alpine.annotations["org.opencontainers.image.version"]]
}
output "all" {
  value = join(" ", [base.alpine.name, base.alpine.digest, base.alpine.index_digest, base.alpine.platform, base.alpine.layers[0].diff_id, local.path, base.alpine.media_type, base.alpine.size])
}
output "unset" { value = [base.alpine.config.working_dir, base.alpine.config.cmd] }
`, found())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(*asked) != 1 || len((*asked)[0]) != 1 || (*asked)[0][0].Base.From.String() != "docker://example.com/alpine:3" {
		t.Errorf("asked for %+v", *asked)
	}
	outputs, diags := sp.Outputs(nil)
	want := `"example.com/alpine:3 ` + string(digest.FromString("image")) + " " + string(digest.FromString("index")) + " linux/arm64/v8 " + string(digest.FromString("tar")) +
		` /bin application/vnd.oci.image.manifest.v1+json 7"`
	if diags.HasErrors() || outputs[0].Value != want || outputs[1].Value != `[null,[]]` {
		t.Errorf("outputs %+v, %v\nwant %s", outputs, diags, want)
	}
	o, diags := sp.Evaluate(spec.Address{Kind: spec.KindLayer, Name: "by_env", Key: "PATH", Keyed: true}, nil)
	if l := o.Body.(*spec.Layer); diags.HasErrors() || *l.Tree[0].UID != 1000 || l.Tree[0].Content != "PATH=/bin" {
		t.Errorf("%+v, %v", l, diags)
	}
	bases, resolved := sp.Bases()
	if !resolved || len(bases) != 1 || bases[0].Body.(*spec.Base).Image == nil {
		t.Errorf("%+v, %v", bases, resolved)
	}
	for _, a := range sp.Addresses() {
		if a.Kind == spec.KindBase {
			t.Errorf("%s is to be built", a)
		}
	}
}

// TestUnusedBases are not looked for, nor are any for a spec that is wrong.
func TestUnusedBases(t *testing.T) {
	_, diags, asked := loadBased(t, strings.Replace(onBase, "  base   = base.alpine\n", "", 1)+`base "other" { from = "oci:x" }`, found())
	if len(*asked) != 0 || !strings.Contains(texts(diags), "An image config needs platform") {
		t.Errorf("asked for %v: %s", *asked, texts(diags))
	}
	_, diags, asked = loadBased(t, onBase+`base "other" { from = "oci:x" }`, found())
	if len(*asked) != 1 || len((*asked)[0]) != 1 || diags.HasErrors() || !strings.Contains(texts(diags), "Nothing uses base.other, so it is not read.") {
		t.Errorf("asked for %v: %v", *asked, diags)
	}
	_, diags, asked = loadBased(t, onBase+`base "wrong" { from = "alpine" }
output "o" { value = base.wrong.digest }`, found())
	if len(*asked) != 0 || !diags.HasErrors() {
		t.Errorf("asked for %v: %v", *asked, diags)
	}
}

// TestUnresolvedBases: without somebody to look for bases a spec is checked as far as
// it does not depend on them.
func TestUnresolvedBases(t *testing.T) {
	text := onBase + `
locals { env = base.alpine.config.env }
layer "by_env" {
  for_each = local.env
  file "/x" {
    content = base.alpine.name
    uid     = base.alpine.config.user
  }
}
layer "beside" {
  file "/y" { content = "y" }
}
manifest "other" {
  artifact_type = "a/b"
  layers        = concat(values(layer.by_env), [layer.beside])
  tags          = [base.alpine.digest]
  subject       = base.alpine
}
`
	for _, check := range []bool{true, false} {
		sp, diags := spec.Load(t.TempDir(), spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: text}}, CheckOnly: check})
		if diags.HasErrors() || strings.Contains(texts(diags), "Nothing uses") {
			t.Errorf("checking only is %v: %v", check, diags)
		}
		if _, resolved := sp.Bases(); resolved {
			t.Error("bases were looked for")
		}
	}
	_, diags := spec.Load(t.TempDir(), spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: text + `output "o" { value = base.alpine.digst }`}}})
	if !diags.HasErrors() || !strings.Contains(texts(diags), `Did you mean "digest"?`) {
		t.Errorf("%v", diags)
	}
}

// TestWrongBases: what cannot stand on a base, with the reason.
func TestWrongBases(t *testing.T) {
	index, artifact := found(), found()
	index.Descriptor.MediaType, index.Config = ocispec.MediaTypeImageIndex, nil
	artifact.Config = nil
	other := found()
	other.Config.Image.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	for name, c := range map[string]struct {
		edit  [2]string
		image *spec.BaseImage
		want  string
	}{
		"an index":               {image: index, want: "set platform in the base block"},
		"an artifact":            {image: artifact, want: "nothing can stand on it"},
		"no config":              {edit: [2]string{"  config = config.c\n", "  artifact_type = \"a/b\"\n"}, want: "needs a config, which inherits what it does not set"},
		"another config":         {edit: [2]string{`config "c" {}`, "config \"c\" {\n media_type = \"a/b\"\n content = \"x\"\n}"}, want: "needs an image config"},
		"a reference":            {edit: [2]string{"docker://example.com/alpine:3", "alpine:3"}, want: "write docker://alpine:3 for a registry"},
		"made of an object":      {edit: [2]string{`"docker://example.com/alpine:3"`, "layer.l.digest"}, want: "may not refer to layer"},
		"made of another base":   {edit: [2]string{`"docker://example.com/alpine:3"`, "base.alpine.digest"}, want: "may not refer to base"},
		"no such attribute":      {edit: [2]string{"  base   = base.alpine\n", "  base   = base.alpine\n  annotations = { a = base.alpine.digst }\n"}, want: `Did you mean "digest"?`},
		"another platform":       {image: other, edit: [2]string{`config "c" {}`, `config "c" { platform = "linux/arm64" }`}, want: "is for linux/arm64, and its base base.alpine for linux/amd64"},
		"half a platform":        {edit: [2]string{`config "c" {}`, `config "c" { os = "linux" }`}, want: "needs platform"},
		"a version of no system": {edit: [2]string{`config "c" {}`, `config "c" { os_version = "1" }`}, want: "needs platform"},
		"nothing to unset":       {edit: [2]string{`config "c" {}`, `config "c" { unset = ["env.DEBG"] }`}, want: `"env.DEBG", which the config of base.alpine does not have`},
	} {
		t.Run(name, func(t *testing.T) {
			image := c.image
			if image == nil {
				image = found()
			}
			text := onBase
			if c.edit[0] != "" {
				if text = strings.Replace(onBase, c.edit[0], c.edit[1], 1); text == onBase {
					t.Fatalf("the spec has no %q", c.edit[0])
				}
			}
			_, diags, _ := loadBased(t, text, image)
			if len(diags) == 0 || !strings.Contains(texts(diags), c.want) || diags[0].Subject == nil {
				t.Errorf("%s\nwant %q", texts(diags), c.want)
			}
		})
	}
}

// TestTextsOfBasesAreBytes: text of a base that a string would change is no value of
// anything, and stops nothing that does not use it.
func TestTextsOfBasesAreBytes(t *testing.T) {
	image := found()
	image.Config.Image.Labels = map[string]string{"plain": "x", "accent": "cafe\u0301"}
	image.Config.Image.Volumes = map[string]struct{}{"/e\u0301": {}}
	image.Annotations = map[string]string{"e\u0301": "x"}
	sp, diags, _ := loadBased(t, onBase+`
locals { all = [base.alpine] }
output "plain" { value = local.all[0].config.labels.plain }
output "name" { value = base.alpine.name }
`, image)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if o, diags := sp.Evaluate(spec.Address{Kind: spec.KindConfig, Name: "c"}, nil); diags.HasErrors() {
		t.Errorf("%+v, %v", o, diags)
	}
	const inConfig, inAnnotations = "text of the config of base.alpine with a letter and its accent as two characters", "text of the annotations of base.alpine with"
	for use, want := range map[string]string{
		`config "d" {
  platform = "linux/amd64"
  labels   = { copy = upper(base.alpine.config.labels.accent) }
}`: inConfig,
		`config "d" {
  platform = "linux/amd64"
  volumes  = base.alpine.config.volumes
}`: inConfig,
		`config "d" {
  platform = "linux/amd64"
  labels   = nonsensitive(base.alpine.annotations)
}`: inAnnotations,
		`output "all" { value = base.alpine.config }`:                                            inConfig,
		`output "some" { value = [for k, v in base.alpine.config.labels : v if k == "accent"] }`: inConfig,
	} {
		if _, diags, _ := loadBased(t, onBase+use, image); !diags.HasErrors() || !strings.Contains(texts(diags), want) {
			t.Errorf("%s: %s", use, texts(diags))
		}
	}
}

// TestUnsetOfReservedMembers: what Docker's members are called in a spec is what unset
// calls them.
func TestUnsetOfReservedMembers(t *testing.T) {
	image := found()
	image.Config.ConfigExtra = map[string]json.RawMessage{"Healthcheck": json.RawMessage(`{"Test":["NONE"]}`), "Memory": json.RawMessage("1"), "Shell": json.RawMessage(`["sh"]`)}
	sp, diags, _ := loadBased(t, strings.Replace(onBase, `config "c" {}`, `config "c" {
  unset  = ["healthcheck"]
  memory = 2
}`, 1), image)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	o, _ := sp.Evaluate(spec.Address{Kind: spec.KindConfig, Name: "c"}, nil)
	merged, _ := o.Body.(*spec.Config).Over(image.Config)
	if diff := cmp.Diff(map[string]json.RawMessage{"Memory": json.RawMessage("2"), "Shell": json.RawMessage(`["sh"]`)}, merged.ConfigExtra); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDockerOverBase: Docker has no media type for a layer of a base, which is known when the
// spec is loaded.
func TestDockerOverBase(t *testing.T) {
	text := strings.Replace(onBase, "config = config.c", "config = config.c\n  media_types = \"docker\"", 1)
	if _, diags, _ := loadBased(t, text, found()); diags.HasErrors() {
		t.Fatal(diags)
	}
	image := found()
	image.Layers[0].MediaType = ocispec.MediaTypeImageLayerZstd
	if _, diags, _ := loadBased(t, text, image); !strings.Contains(texts(diags), "layers[0] of base.alpine") {
		t.Errorf("of a base with zstd: %v", diags)
	}
}
