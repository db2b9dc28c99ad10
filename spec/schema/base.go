package schema

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
)

var baseBlock = &Block{
	Name: string(addr.Base), Label: "name",
	Text: "An image of somebody else, as the base of manifests, in an index or as a subject. It is read when the plan is made. " +
		"What it says is known then, as base.NAME.digest, index_digest, name, platform, media_type, size, layers (each with digest, size, media_type and diff_id), " +
		"annotations and config (author, user, working_dir, stop_signal, env, labels, entrypoint, cmd, exposed_ports, volumes).",
	Attributes: []Attribute{
		forEach(),
		{Name: "from", Type: cty.String, Required: true, Example: `"oci:vendor/alpine:3.20"`, Decides: Blob, Text: "Where the image is: oci:DIR[:NAME], oci-archive:FILE[:NAME] or docker-archive:FILE[:NAME], with a path relative to the directory of the spec, or docker://HOST/REPOSITORY[:TAG][@DIGEST] in a registry. " +
			"A digest may follow each of them; without a name there must be one image alone, and in a registry the tag latest is meant. It refers to variables and locals alone."},
		{Name: "platform", Type: cty.String, Default: "what the reference leads to", Example: `"linux/arm64/v8"`, Section: "image-index.md: platform", Decides: Blob, Text: "The platform whose image is taken from an index, or that the image must be for: os/architecture or os/architecture/variant. An index without it can be in an index and be a subject."},
		{Name: "pin", Type: cty.Bool, Default: "false", Example: "true", Decides: Blob, Text: "Whether layform.lock.hcl pins the digest of an image in a layout or an archive. Without it the image is an input like a file: what lies there is used, and a plan made from something else is stale. Tags of registries are pinned always."},
		{Name: "layers", Type: cty.String, Values: []string{"copy", "remote"}, Default: `"copy"`, Example: `"remote"`, Decides: Blob, Text: "Where the layers of an image of a registry are: copy brings them into the layout, remote leaves them in the registry. The layout is sparse then: layform push mounts or copies what is not there from the base's repository, layform layout complete fetches it, and all else that reads layers refuses. Layers over them are not compared with what lies below: no links are followed, and no modes and owners taken over."},
	},
	Example: `base "alpine" {
  from     = "oci:vendor/alpine:1"
  platform = "linux/amd64"
}
layer "app" {
  file "/app" { content = "hello" }
}
config "app" {
  env   = { PATH = "/opt/bin:${base.alpine.config.env.PATH}" }
  unset = ["cmd", "env.DEBUG"]
}
manifest "app" {
  base   = base.alpine
  config = config.app
  layers = [layer.app]
  tags   = ["latest"]
}
`,
}
