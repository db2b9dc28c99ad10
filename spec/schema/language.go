package schema

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
)

// Types of values.
var (
	texts  = cty.List(cty.String)
	labels = cty.Map(cty.String)
	anyMap = cty.Map(cty.DynamicPseudoType)
)

var root = []*Block{
	{
		Name: "layform",
		Text: "What the spec asks of layform, and its name. A spec has at most one such block.",
		Attributes: []Attribute{
			{Name: "name", Type: cty.String, Default: `"default"`, Example: `"web"`, Text: "The name of the spec: specs that share a layout have different ones."},
			{Name: "required_version", Type: cty.String, Example: `">= 0.1, < 2"`, Text: "The versions of layform that may be used."},
		},
		Example: `layform {
  name             = "web"
  required_version = ">= 0.1"
}
manifest "app" { artifact_type = "application/vnd.example.note" }
`,
	},
	{
		Name: "layout",
		Text: "Where the image layout is. A spec has exactly one such block.",
		Attributes: []Attribute{
			{Name: "path", Type: cty.String, Example: `"dist/web"`, Text: "The directory of the layout, relative to that of the spec; it is required."},
			{Name: "archive", Type: cty.String, Example: `"dist/web.tar"`, Text: "A tar of the layout, relative to the directory of the spec: each apply that changes the layout writes it anew. It holds all that index.json leads to, and depends on nothing else."},
		},
		Example: `layout { path = "dist/web" }
manifest "app" { artifact_type = "application/vnd.example.note" }
`,
	},
	{
		Name: "variable", Label: "name",
		Text: "A value that is given from outside, as var.NAME in expressions.",
		Attributes: []Attribute{
			{Name: "type", Type: cty.DynamicPseudoType, Form: TypeExpression, Default: "any type", Example: "list(string)", Text: "The type that values are converted to."},
			{Name: "default", Type: cty.DynamicPseudoType, Example: `"dev"`, Text: "The value where none is given. It may refer to other variables and to locals. Without it the variable must be given a value."},
			{Name: "description", Type: cty.String, Example: `"The version of the image."`, Text: "What the variable is for, in words."},
			{Name: "sensitive", Type: cty.Bool, Default: "false", Example: "true", Text: "Keeps the value out of plans, outputs and messages."},
			{Name: "nullable", Type: cty.Bool, Default: "true", Example: "false", Text: "Whether null is a value that may be given."},
		},
		Blocks: []*Block{{
			Name: "validation",
			Text: "A rule that the value of the variable must meet.",
			Attributes: []Attribute{
				{Name: "condition", Type: cty.Bool, Required: true, Example: `var.version != ""`, Text: "What must hold: an expression that uses the variable."},
				{Name: "error_message", Type: cty.String, Required: true, Example: `"version is not empty."`, Text: "What to say where it does not hold."},
			},
			Example: `variable "version" {
  default = "dev"
  validation {
    condition     = var.version != ""
    error_message = "version is not empty."
  }
}
output "version" { value = var.version }
`,
		}},
		Example: `variable "ports" {
  type        = list(number)
  default     = [80]
  description = "The ports that the server listens on."
}
output "ports" { value = var.ports }
`,
	},
	{
		Name: "locals", Open: true,
		Text: "Values with names, as local.NAME in expressions. Every attribute is one of them.",
		Example: `locals {
  platforms = { amd64 = "linux/amd64", arm64 = "linux/arm64/v8" }
}
output "platforms" { value = values(local.platforms) }
`,
	},
	baseBlock,
	layerBlock,
	configBlock,
	manifestBlock,
	indexBlock,
	importBlock,
	{
		Name: "output", Label: "name",
		Text: "A value that apply prints and keeps for the output command.",
		Attributes: []Attribute{
			{Name: "value", Type: cty.DynamicPseudoType, Required: true, Example: "index.app.digest", Text: "The value. Digests and sizes are known after apply."},
			{Name: "description", Type: cty.String, Example: `"The digest of the image."`, Text: "What the output is for, in words."},
			{Name: "sensitive", Type: cty.Bool, Default: "false", Example: "true", Text: "Keeps the value out of plans and messages. An output whose value is made from something sensitive needs it."},
		},
		Example: `output "name" {
  value       = upper("app")
  description = "A name in capitals."
}
`,
	},
}

// forEach is the for_each of objects.
func forEach() Attribute {
	return Attribute{
		Name: "for_each", Type: anyMap, Forms: []cty.Type{cty.Set(cty.String)}, Example: `{ amd64 = "linux/amd64" }`, Decides: Blob,
		Text: "Makes one object for each element, with each.key and each.value in its expressions. References name one by its key: KIND.NAME[KEY].",
	}
}

// annotations are annotations of a document or of descriptors.
func annotations(name, section, text string, decides Effect) Attribute {
	return Attribute{
		Name: name, Type: labels, Example: `{ "org.opencontainers.image.title" = "app" }`, Section: section, Text: text, Decides: decides,
	}
}

// member gives an attribute the name of its JSON member.
func member(a Attribute, name string) Attribute {
	a.Member = name
	return a
}

var manifestBlock = &Block{
	Name: string(addr.Manifest), Label: "name",
	Text:    "An image manifest: of an image, with a config, or of an artifact, with artifact_type.",
	Members: []string{"schemaVersion", "mediaType", "manifests"},
	Attributes: []Attribute{
		forEach(),
		{Name: "base", Type: cty.DynamicPseudoType, Refers: []addr.Kind{addr.Base}, Example: "base.alpine", Section: "annotations.md: org.opencontainers.image.base.digest", Decides: Blob, Text: "The image that this one stands on. Its layers come first, byte for byte, and its history and config are inherited. The annotations org.opencontainers.image.base.digest and, for an image of a registry, base.name tell it."},
		{Name: "config", Type: cty.DynamicPseudoType, Refers: []addr.Kind{addr.Config}, Default: "the empty config", Example: "config.app", Section: "manifest.md: config", Member: "config", Decides: Blob, Text: "The config of the image. A manifest without one is an artifact and needs artifact_type."},
		{Name: "layers", Type: cty.List(cty.DynamicPseudoType), Refers: []addr.Kind{addr.Layer}, Example: "[layer.rootfs, layer.app]", Section: "manifest.md: layers", Member: "layers", Decides: Blob, Text: "The layers, bottom first, over those of a base. An image has at least one; an artifact without any gets the empty layer."},
		{Name: "artifact_type", Type: cty.String, Example: `"application/spdx+json"`, Section: "manifest.md: artifactType", Member: "artifactType", Decides: Blob, Text: "The type of the artifact, a media type."},
		{Name: "subject", Type: cty.DynamicPseudoType, Refers: []addr.Kind{addr.Manifest, addr.Index, addr.Base}, Example: "index.app", Section: "manifest.md: subject", Member: "subject", Decides: Blob, Text: "The image that this one refers to, as a signature or an SBOM does."},
		member(annotations("annotations", "manifest.md: annotations", "Annotations of the manifest.", Blob), "annotations"),
		annotations("descriptor_annotations", "descriptor.md: annotations", "Annotations of the manifest's descriptors, in indexes and in index.json.", Descriptor),
		{Name: "platform", Type: cty.String, Default: "the platform of the config", Example: `"linux/arm64/v8"`, Section: "image-index.md: platform", Decides: Descriptor, Text: "The platform in the manifest's descriptors: os/architecture or os/architecture/variant."},
		{Name: "embed_config", Type: cty.Bool, Default: "false", Example: "true", Section: "descriptor.md: data", Decides: Blob, Text: "Embeds the content of the config, or the empty content of an artifact without one, in its descriptor: readers then need not ask for it. It is for configs of up to 256 KiB."},
		{Name: "media_types", Type: cty.String, Values: []string{"oci", "docker"}, Default: `"oci"`, Example: `"docker"`, Section: "media-types.md: compatibility matrix", Decides: Blob, Text: "Whether the manifest, its config and its layers have the media types of the image spec or those of Docker, for readers that know no others. Docker has none for artifacts and for zstd, and knows no annotations and no subject."},
		{Name: "os_version", Type: cty.String, Example: `"10.0.14393.1066"`, Section: "image-index.md: platform, os.version", Decides: Descriptor, Text: "The version of the operating system in the manifest's descriptors, beside platform."},
		{Name: "os_features", Type: texts, Example: `["win32k"]`, Section: "image-index.md: platform, os.features", Decides: Descriptor, Text: "Features of the operating system in the manifest's descriptors, beside platform."},
		tagsAttribute(),
		{Name: "extra", Type: anyMap, Example: `{ "com.example.note" = "x" }`, Section: "considerations.md: extensibility", Decides: Blob, Text: "Further members of the document, by JSON name, which the image spec does not define."},
	},
	Example: `layer "app" {
  file "/app" { content = "hello" }
}
config "app" { platform = "linux/amd64" }
manifest "app" {
  config      = config.app
  layers      = [layer.app]
  annotations = { "org.opencontainers.image.title" = "app" }
  tags        = ["latest"]
}
manifest "sbom" {
  artifact_type = "application/spdx+json"
  subject       = manifest.app
}
`,
}

// tagsAttribute is the tags of manifests and indexes.
func tagsAttribute() Attribute {
	return Attribute{
		Name: "tags", Type: texts, Example: `["latest", "v1.2"]`, Section: "annotations.md: org.opencontainers.image.ref.name", Decides: Entry,
		Text: "The ref names in index.json, one entry for each. What has no tag and is in no index is registered without one.",
	}
}

var indexBlock = &Block{
	Name: string(addr.Index), Label: "name",
	Text:    "An image index: manifests of several platforms, or of any kind, under one digest.",
	Members: []string{"schemaVersion", "mediaType", "config", "layers"},
	Attributes: []Attribute{
		forEach(),
		{Name: "manifests", Type: cty.List(cty.DynamicPseudoType), Refers: []addr.Kind{addr.Manifest, addr.Index, addr.Base}, Example: "values(manifest.app)", Section: "image-index.md: manifests", Member: "manifests", Decides: Blob, Text: "The manifests and indexes in the index, in order. It is required and may be empty."},
		{Name: "artifact_type", Type: cty.String, Example: `"application/vnd.example.set"`, Section: "image-index.md: artifactType", Member: "artifactType", Decides: Blob, Text: "The type of the artifact that the index is, a media type."},
		{Name: "subject", Type: cty.DynamicPseudoType, Refers: []addr.Kind{addr.Manifest, addr.Index, addr.Base}, Example: "manifest.app", Section: "image-index.md: subject", Member: "subject", Decides: Blob, Text: "The image that this one refers to."},
		member(annotations("annotations", "image-index.md: annotations", "Annotations of the index.", Blob), "annotations"),
		annotations("descriptor_annotations", "descriptor.md: annotations", "Annotations of the index's descriptors, in other indexes and in index.json.", Descriptor),
		{Name: "embed_manifests", Type: cty.Bool, Default: "false", Example: "true", Section: "descriptor.md: data", Decides: Blob, Text: "Embeds the content of the manifests and indexes in their descriptors: readers then need not ask for it. It is for documents of up to 256 KiB."},
		{Name: "media_types", Type: cty.String, Values: []string{"oci", "docker"}, Default: `"oci"`, Example: `"docker"`, Section: "media-types.md: compatibility matrix", Decides: Blob, Text: "Whether the index has the media type of the image spec or that of Docker, which lists images with Docker's media types alone."},
		tagsAttribute(),
		{Name: "extra", Type: anyMap, Example: `{ "com.example.note" = "x" }`, Section: "considerations.md: extensibility", Decides: Blob, Text: "Further members of the document, by JSON name, which the image spec does not define."},
	},
	Example: `locals { platforms = { amd64 = "linux/amd64", arm64 = "linux/arm64/v8" } }
layer "app" {
  for_each = local.platforms
  file "/app" { content = each.key }
}
config "app" {
  for_each = local.platforms
  platform = each.value
}
manifest "app" {
  for_each = local.platforms
  config   = config.app[each.key]
  layers   = [layer.app[each.key]]
}
index "app" {
  manifests = values(manifest.app)
  tags      = ["latest"]
}
`,
}
