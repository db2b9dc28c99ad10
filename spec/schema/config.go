package schema

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
)

// image makes an attribute one of image configs, with its JSON member in the
// document.
func image(a Attribute, name string) Attribute {
	a.Image, a.Member, a.Decides = true, name, Blob
	a.Section = "config.md: " + name
	return a
}

// inConfig is image for a member of "config".
func inConfig(a Attribute, name string) Attribute {
	a = image(a, name)
	a.InConfig, a.Section = true, "config.md: config."+name
	return a
}

// someOf is the type of objects with some of these members.
func someOf(members map[string]cty.Type) cty.Type {
	return cty.ObjectWithOptionalAttrs(members, slices.Collect(maps.Keys(members)))
}

var configBlock = &Block{
	Name: string(addr.Config), Label: "name",
	Text:    "A config: of an image, made of attributes, of another media type, with content, or one that is in the layout already, with digest. Layers and history follow from the manifest that uses it.",
	Members: []string{"config", "rootfs", "history"},
	Attributes: []Attribute{
		forEach(),
		{Name: "media_type", Type: cty.String, Default: `"application/vnd.oci.image.config.v1+json"`, Example: `"application/vnd.example.config+json"`, Section: "manifest.md: config, mediaType", Decides: Blob, Text: "The media type of the config. Any but that of image configs needs content."},
		{Name: "content", Type: cty.String, Example: `jsonencode({ a = 1 })`, Decides: Blob, Text: "The text of a config of another media type."},
		{Name: "content_base64", Type: cty.String, Example: `filebase64("model.bin")`, Decides: Blob, Text: "The bytes of a config of another media type that is no text, in base64."},
		{Name: "digest", Type: cty.String, Example: `"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"`, Decides: Blob, Text: "The digest of a blob that is in the layout already, and is the config as it is: it has no attributes and no content. An image config tells the diffIDs of the layers, which have to be those of the manifest."},
		annotations("annotations", "descriptor.md: annotations", "Annotations of the config's descriptor in manifests.", Descriptor),
		{Name: "platform", Type: cty.String, Default: "the platform of the base", Example: `"linux/arm64/v8"`, Image: true, Section: "config.md: os, architecture, variant", Decides: Blob, Text: "The platform as os/architecture or os/architecture/variant. An image config needs it, or os and architecture."},
		image(Attribute{Name: "architecture", Type: cty.String, Example: `"amd64"`, Text: "The processor architecture, as GOARCH has it."}, "architecture"),
		image(Attribute{Name: "os", Type: cty.String, Example: `"linux"`, Text: "The operating system, as GOOS has it."}, "os"),
		image(Attribute{Name: "variant", Type: cty.String, Example: `"v8"`, Text: "The variant of the processor."}, "variant"),
		image(Attribute{Name: "os_version", Type: cty.String, Example: `"10.0.14393.1066"`, Text: "The version of the operating system."}, "os.version"),
		image(Attribute{Name: "os_features", Type: texts, Example: `["win32k"]`, Text: "Features of the operating system that the image needs."}, "os.features"),
		image(Attribute{Name: "created", Type: cty.String, Default: "SOURCE_DATE_EPOCH, or 1970-01-01T00:00:00Z", Example: `"2026-01-31T12:00:00Z"`, Text: "When the image was made: an RFC 3339 time or a date, or none for a config that does not tell it."}, "created"),
		image(Attribute{Name: "author", Type: cty.String, Example: `"Ann <ann@example.com>"`, Text: "Who made and maintains the image."}, "author"),
		inConfig(Attribute{Name: "user", Type: cty.String, Example: `"65532:65532"`, Text: "The user who runs the process: user, uid, user:group or uid:gid."}, "User"),
		inConfig(Attribute{Name: "exposed_ports", Type: texts, Example: `["8080/tcp"]`, Text: "Ports that the process listens on: PORT, PORT/tcp or PORT/udp."}, "ExposedPorts"),
		inConfig(Attribute{Name: "env", Type: labels, Forms: []cty.Type{texts}, Example: `{ LOG = "info" }`, Text: "Environment variables of the process: a map, which is sorted, or a list of NAME=VALUE, which keeps its order."}, "Env"),
		inConfig(Attribute{Name: "entrypoint", Type: texts, Example: `["/app"]`, Text: "The command of the process, with arguments."}, "Entrypoint"),
		inConfig(Attribute{Name: "cmd", Type: texts, Example: `["--port", "80"]`, Text: "Further arguments, which whoever runs the image may replace."}, "Cmd"),
		inConfig(Attribute{Name: "volumes", Type: texts, Example: `["/data"]`, Text: "Directories for data of the container: absolute paths."}, "Volumes"),
		inConfig(Attribute{Name: "working_dir", Type: cty.String, Example: `"/srv"`, Text: "The working directory of the process: an absolute path."}, "WorkingDir"),
		inConfig(Attribute{Name: "labels", Type: labels, Example: `{ version = "1.2" }`, Text: "Labels of containers that are made from the image."}, "Labels"),
		inConfig(Attribute{Name: "stop_signal", Type: cty.String, Example: `"SIGTERM"`, Text: "The signal that stops the container: a name or a number."}, "StopSignal"),
		inConfig(Attribute{Name: "args_escaped", Type: cty.Bool, Default: "false", Example: "true", Text: "Whether the entrypoint is one escaped command line. Deprecated; for Windows."}, "ArgsEscaped"),
		{Name: "healthcheck", Type: someOf(map[string]cty.Type{
			"test": cty.DynamicPseudoType, "interval": cty.String, "timeout": cty.String, "start_period": cty.String, "start_interval": cty.String, "retries": cty.Number,
		}), Example: `{ test = ["CMD", "/app", "check"], interval = "30s", retries = 3 }`, Image: true, Section: "config.md: config.Healthcheck", Decides: Blob, Text: "The health check that Docker runs: test is a command, as [\"CMD\", ...], [\"CMD-SHELL\", LINE] or LINE for the shell, or [\"NONE\"] to have none; interval, timeout, start_period and start_interval are durations, retries a number."},
		{Name: "memory", Type: cty.Number, Example: "67108864", Image: true, Section: "config.md: config.Memory", Decides: Blob, Text: "The memory limit in bytes, reserved for Docker."},
		{Name: "memory_swap", Type: cty.Number, Example: "-1", Image: true, Section: "config.md: config.MemorySwap", Decides: Blob, Text: "The limit of memory and swap in bytes, reserved for Docker; -1 for none."},
		{Name: "cpu_shares", Type: cty.Number, Example: "512", Image: true, Section: "config.md: config.CpuShares", Decides: Blob, Text: "The relative weight of the processor, reserved for Docker."},
		{Name: "history", Type: cty.List(someOf(map[string]cty.Type{
			"created": cty.String, "author": cty.String, "created_by": cty.String, "comment": cty.String, "empty_layer": cty.Bool,
		})), Default: "one entry for each layer", Example: `[{ created_by = "layform" }, { created_by = "CMD [\"app\"]", empty_layer = true }]`, Image: true, Section: "config.md: history", Decides: Blob, Text: "The history over that of a base, oldest first, in the place of what the layers say: objects with created, author, created_by, comment and empty_layer. One entry without empty_layer belongs to each layer; an empty list leaves the history out. An entry has the time of the image unless it says created, which may be none."},
		{Name: "unset", Type: texts, Example: `["cmd", "env.DEBUG"]`, Image: true, Decides: Blob, Text: "What of a base's config is not inherited: the name of an attribute of the container's config or of author, or env, labels, exposed_ports, volumes, extra or config_extra with a dot and the name of one element. Variables, labels, ports, volumes and unknown members that are set are merged with the base's by name, everything else that is set replaces what the base has, and an entrypoint drops its cmd."},
		{Name: "extra", Type: anyMap, Example: `{ "com.example.note" = "x" }`, Image: true, Section: "considerations.md: extensibility", Decides: Blob, Text: "Further members of the document, by JSON name, which the image spec does not define."},
		{Name: "config_extra", Type: anyMap, Example: `{ Shell = ["/bin/sh", "-c"] }`, Image: true, Section: "considerations.md: extensibility", Decides: Blob, Text: "Further members of its config, by JSON name, which the image spec does not define."},
	},
	Example: `layer "app" {
  file "/app" { content = "hello" }
}
config "app" {
  platform      = "linux/amd64"
  entrypoint    = ["/app"]
  env           = { LOG = "info" }
  user          = "65532:65532"
  exposed_ports = ["8080/tcp"]
  labels        = { version = "1.2" }
}
manifest "app" {
  config = config.app
  layers = [layer.app]
}
`,
}
