package schema

import (
	"slices"
	"strings"
)

// try is what people write first, under any of the names, and what the language has for it.
type try struct{ names, hint string }

// firstTry says what the language has in the place of a name that is tried first: one of
// a Dockerfile, of Compose, of Terraform or of another builder. It is empty for others.
func (b *Block) firstTry(name string) string {
	name = strings.ToLower(name)
	tries := triesIn(b.Name)
	if !slices.Contains(b.AttributeNames(), name) { // else it is written as a block, which the parser says
		tries = slices.Concat(tries, triesAnywhere())
	}
	for _, t := range tries {
		if slices.Contains(strings.Fields(t.names), name) {
			return t.hint
		}
	}
	return ""
}

// triesIn are the tries in a type of block; those of a spec file are under "".
func triesIn(block string) []try {
	switch block {
	case "":
		return specTries()
	case "layer":
		return layerTries()
	case "copy":
		return copyTries()
	case "config":
		return configTries()
	case "manifest":
		return manifestTries()
	case "index":
		return indexTries()
	case "base":
		return baseTries()
	case "layout":
		return layoutTries()
	case "variable":
		return variableTries()
	case "file":
		return fileTries()
	case "symlink":
		return symlinkTries()
	case "hardlink":
		return hardlinkTries()
	}
	return nil
}

// triesAnywhere are the tries that mean the same in any block.
func triesAnywhere() []try {
	return []try{
		{"run onbuild shell", triedRun},
		{"owner chown user group", triedOwner},
		{"count", `An object for each element: for_each = toset(["a", "b"]).`},
		{"depends_on", "References make the order: what an object needs, it names."},
		{"chmod permissions", `A mode is text of octal digits: mode = "0755".`},
		{"env environment cmd command entrypoint workdir working_dir expose ports labels healthcheck", triedConfig},
	}
}

// Hints that several tries share.
const (
	triedRun    = "layform runs nothing: let a tool that does build the files, and copy { from = … } or archive = … puts them into a layer."
	triedConfig = `Config fields are in a config block, which a manifest names: config "app" { … } and config = config.app.`
	triedBase   = `An image to build on is a base block, which a manifest names: base "alpine" { from = "docker://docker.io/library/alpine:3.20" } and base = base.alpine.`
	triedTag    = `Tags are a list: tags = ["latest"].`
	triedOwner  = "Owners are numbers: uid = 65532 and gid = 65532."
)

// specTries are the tries in a spec file.
func specTries() []try {
	return []try{
		{"from data", triedBase},
		{"image", `An image is a manifest block, manifest "app" { … }, with config = config.app and layers = [layer.app].`},
		{"copy add", `Files are put into layers: copy { from = "bin" } in a layer block.`},
		{"env cmd entrypoint user workdir expose labels label", triedConfig},
		{"resource", `Blocks have the names of OCI objects: layer "app" { … }, config "app" { … }, manifest "app" { … }.`},
		{"provider", "There are no providers; credentials of registries are those of docker login."},
		{"terraform", "The settings of a spec are in layform { … }."},
		{"module", "There are no modules: all *.layform.hcl files of a directory are one spec."},
		{"backend", "The state is beside the layout, in .layform/stage."},
		{"local", "Local values are in locals { name = value }, and are referred to as local.name."},
		{"variables", `Each variable has a block: variable "version" { default = "dev" }.`},
		{"outputs", `Each output has a block: output "digest" { value = manifest.app.digest }.`},
		{"target", "An image is a manifest with its layers and its config; what belongs together is named, as in layers = [layer.app]."},
		{"group", "An index lists manifests: index \"app\" { manifests = values(manifest.app) }."},
		{"tag tags", "Tags are attributes of manifests and indexes: tags = [\"latest\"]."},
		{"path", `The place of the layout has a block: layout { path = "dist/app" }.`},
		{"artifact", `An artifact is a manifest with artifact_type = "…".`},
		{"layers", `Each layer has a block: layer "app" { … }.`},
		{"file", `Files are put into layers: file "/etc/app.conf" { content = "…" } in a layer block.`},
	}
}

// layerTries are the tries in a layer block.
func layerTries() []try {
	return []try{
		{"from src", `Files come from a copy block: copy { from = "bin" }.`},
		{"source add", `Files come from a copy block: copy { from = "bin" }; a tar is archive = "rootfs.tar".`},
		{"to dest destination", `Files go where a copy block says, by to = "/usr/bin" beside from = "bin".`},
		{"command", triedRun},
		{"copy", `A copy is a block: copy { from = "bin" }.`},
		{"tar", `A tar is archive = "rootfs.tar".`},
		{"path", `A tar is archive = "rootfs.tar", files come from copy { from = "bin" }.`},
		{"files", `Each file has a block: file "/etc/app.conf" { content = "…" }; a tree of files comes by copy { from = "bin" }.`},
		{"content", `Content belongs to a file: file "/etc/app.conf" { content = "…" }.`},
		{"dir", `A directory has a block: directory "/var/lib/app" {}.`},
		{"link", `A link has a block: symlink "/app" { target = "/usr/bin/app" }.`},
		{"remove delete", `What lower layers have is taken away by whiteout "/usr/share/doc" {}.`},
		{"owner chown", triedOwner + " They belong to copy, file and directory blocks."},
		{"mode chmod", `Modes belong to copy, file and directory blocks: mode = "0755".`},
		{"env user cmd entrypoint workdir labels", triedConfig},
	}
}

// copyTries are the tries in a copy block.
func copyTries() []try {
	return []try{
		{"src source", `Where files come from is from = "bin".`},
		{"path", `Where files come from is from = "bin", and where they go to = "/usr/bin".`},
		{"dest destination dst target", `Where files go is to = "/usr/bin".`},
		{"ignore", `Paths are left out by exclude = ["*.log"], or by ignore_file = ".dockerignore".`},
		{"excludes", `Paths are left out by exclude = ["*.log"].`},
		{"filter", `Paths are chosen by include = ["*.js"] and exclude = ["*.log"].`},
		{"preserve", `What the file system says is kept by metadata = "preserve".`},
		{"follow link", "Links are copied as links: nothing outside of from is read."},
	}
}

// configTries are the tries in a config block.
func configTries() []try {
	return []try{
		{"command", `The command is cmd = ["serve"], after entrypoint = ["/app"].`},
		{"args", `Arguments are cmd = ["serve"], after entrypoint = ["/app"].`},
		{"workdir working_directory dir", `The directory is working_dir = "/srv".`},
		{"expose ports port", `Ports are exposed_ports = ["8080/tcp"].`},
		{"environment envs", `Variables are env = { LOG = "info" }.`},
		{"volume", `Volumes are volumes = ["/data"].`},
		{"label", `Labels are labels = { version = "1" }.`},
		{"stopsignal", `The signal is stop_signal = "SIGTERM".`},
		{"arch", `The platform is platform = "linux/amd64".`},
		{"platforms", `A config has one platform: for_each = toset(["linux/amd64", "linux/arm64"]) and platform = each.value make one for each.`},
		{"healthcheck", `A healthcheck is an object: healthcheck = { test = ["CMD", "/app", "health"] }.`},
		{"onbuild", "Nothing is run while an image is built."},
		{"shell", "Nothing is run while an image is built: write cmd and entrypoint as lists."},
		{"maintainer", `Who made the image is author = "…".`},
		{"from base", triedBase},
		{"layers", "Layers are those of the manifest that names the config."},
		{"tags", "Tags belong to the manifest or index."},
		{"uid", `The user is text: user = "65532:65532".`},
		{"hostname", "A host name is given when a container is run."},
	}
}

// manifestTries are the tries in a manifest block.
func manifestTries() []try {
	return []try{
		{"image from base_image", triedBase},
		{"tag ref_name", triedTag},
		{"name", triedTag + " The name of the block is for references, as in manifest.app."},
		{"repository", triedTag + " layform push docker://HOST/REPOSITORY names the repository."},
		{"layer", "Layers are a list: layers = [layer.app]."},
		{"config", `A config has a block of its own beside the manifest, config "app" { … }, and config = config.app names it.`},
		{"layers", `Each layer has a block of its own beside the manifest, layer "app" { … }, and the list names them: layers = [layer.app].`},
		{"env cmd command entrypoint user workdir working_dir labels expose ports volumes environment", triedConfig},
		{"copy", `Files are put into layers: copy { from = "bin" } in a layer block, which layers = [layer.app] names.`},
		{"type", `The type of an artifact is artifact_type = "application/spdx+json".`},
		{"media_type", `The type of an artifact is artifact_type = "application/spdx+json"; the manifest has the one of the image spec.`},
		{"refers", "What an artifact refers to is subject = manifest.app."},
		{"architecture", `The platform is that of the config: platform = "linux/amd64".`},
	}
}

// indexTries are the tries in an index block.
func indexTries() []try {
	return []try{
		{"tag name", triedTag},
		{"images", "What an index lists is manifests = values(manifest.app)."},
		{"platforms", "The platforms are those of the manifests: manifests = values(manifest.app)."},
		{"manifest", "What an index lists is manifests = [manifest.app]."},
		{"layers", "Layers belong to manifests."},
		{"config", "A config belongs to a manifest."},
	}
}

// baseTries are the tries in a base block.
func baseTries() []try {
	return []try{
		{"image source name", `The reference is from = "docker://docker.io/library/alpine:3.20".`},
		{"tag", `The tag belongs to the reference: from = "docker://docker.io/library/alpine:3.20".`},
		{"digest", `A digest belongs to the reference: from = "docker://docker.io/library/alpine@sha256:…"; layform lock writes it to layform.lock.hcl.`},
		{"arch", `The platform is platform = "linux/amd64".`},
	}
}

// layoutTries are the tries in a layout block.
func layoutTries() []try {
	return []try{
		{"dir directory output", `The place is path = "dist/app".`},
		{"name", "The name of a spec is in layform { name = \"web\" }."},
		{"tags", "Tags are attributes of manifests and indexes."},
	}
}

// variableTries are the tries in a variable block.
func variableTries() []try {
	return []try{
		{"value", "The value where none is given is default = …; others come by --var, files and the environment."},
		{"condition", "What must hold is in a block: validation { … }."},
	}
}

// fileTries are the tries in a file block.
func fileTries() []try {
	return []try{
		{"text data contents", `The content is content = "…", or source = "FILE".`},
		{"from src", `A file of the disk is source = "FILE".`},
		{"path to", "The path is the label: file \"/etc/app.conf\" { … }."},
		{"executable", `A mode is text of octal digits: mode = "0755".`},
	}
}

// symlinkTries are the tries in a symlink block.
func symlinkTries() []try {
	return []try{
		{"to source link", `Where it leads is target = "/usr/bin/app".`},
		{"from", `Where it leads is target = "/usr/bin/app"; its own path is the label.`},
	}
}

// hardlinkTries are the tries in a hardlink block.
func hardlinkTries() []try {
	return []try{
		{"to source", `What it is a name of is target = "/usr/bin/app".`},
	}
}
