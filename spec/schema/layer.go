package schema

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/addr"
)

// algorithms are the names of compressions.
func algorithms() []string {
	var names []string
	for _, a := range imagespec.Algorithms() {
		names = append(names, string(a))
	}
	return names
}

var layerBlock = &Block{
	Name: string(addr.Layer), Label: "name",
	Text: "A layer. It is made of one thing: archive, or blob, or digest, or copy, file, directory, symlink, hardlink and whiteout blocks.",
	Attributes: []Attribute{
		forEach(),
		{Name: "archive", Type: cty.String, Example: `"rootfs.tar"`, Decides: Blob, Text: "A tar archive, relative to the directory of the spec. One that is compressed with gzip or zstd is used as it is, a plain one is compressed."},
		{Name: "blob", Type: cty.String, Example: `"model.onnx"`, Decides: Blob, Text: "A file of any kind that is the layer as it is, as artifacts have them. It needs media_type."},
		{Name: "digest", Type: cty.String, Example: `"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"`, Decides: Blob, Text: "The digest of a blob that is in the layout already, and is the layer as it is. It needs media_type."},
		{Name: "media_type", Type: cty.String, Default: "that of a tar with the layer's compression", Example: `"application/vnd.example.model"`, Section: "descriptor.md: mediaType", Decides: Blob, Text: "The media type of the layer."},
		{Name: "compression", Type: cty.String, Forms: []cty.Type{cty.Object(map[string]cty.Type{"algorithm": cty.String, "level": cty.Number})}, Values: algorithms(), Default: `"gzip"`, Example: `"zstd"`, Section: "layer.md: +gzip and +zstd media types", Decides: Blob, Text: "What the layer is compressed with. A block or an object of the same name sets the level as well."},
		{Name: "on_duplicate", Type: cty.String, Values: []string{"error", "first", "last"}, Default: `"error"`, Example: `"last"`, Decides: Blob, Text: "Which entry of the archive counts where it has several for one path."},
		{Name: "on_symlink_parent", Type: cty.String, Values: []string{"follow", "error", "replace"}, Default: `"follow"`, Example: `"replace"`, Decides: Blob, Text: "What becomes of a symlink in the layers below, those of the base among them, where this layer has a directory that no directory block declares, as /bin is one to usr/bin: follow puts what the directory holds where the link leads to, replace puts the directory in the place of the link, error refuses it. Other directories that no block declares, and those that a copy brings without dir_mode, uid or gid, take over mode and owner from the layers below."},
		{Name: "created_by", Type: cty.String, Example: `"make app"`, Section: "config.md: history, created_by", Decides: History, Text: "The command that made the layer, for its entry in the history."},
		{Name: "author", Type: cty.String, Example: `"Ann <ann@example.com>"`, Section: "config.md: history, author", Decides: History, Text: "The author, for the layer's entry in the history."},
		{Name: "comment", Type: cty.String, Example: `"the application"`, Section: "config.md: history, comment", Decides: History, Text: "A comment, for the layer's entry in the history."},
		{Name: "created", Type: cty.String, Default: "SOURCE_DATE_EPOCH, or 1970-01-01T00:00:00Z", Example: `"2026-01-31T12:00:00Z"`, Section: "config.md: history, created", Decides: History, Text: "The time of the layer's entry in the history: an RFC 3339 time or a date."},
		annotations("annotations", "descriptor.md: annotations", "Annotations of the layer's descriptor in manifests.", Descriptor),
		{Name: "urls", Type: texts, Example: `["https://example.com/layer.tar.gz"]`, Section: "descriptor.md: urls", Decides: Descriptor, Text: "Where the layer can be downloaded from as well, for its descriptor in manifests."},
	},
	Blocks: []*Block{compressionBlock, copyBlock, fileBlock, directoryBlock, symlinkBlock, hardlinkBlock, whiteoutBlock, dynamicBlock},
	Example: `layer "app" {
  compression = "zstd"
  created_by  = "make app"
  file "/etc/app.conf" { content = "port = 80\n" }
  directory "/var/lib/app" { uid = 65532 }
}
manifest "app" {
  artifact_type = "application/vnd.example.files"
  layers        = [layer.app]
}
`,
}

// inManifest is the end of an example with a layer: the manifest that uses it.
const inManifest = `manifest "app" {
  artifact_type = "application/vnd.example.files"
  layers        = [layer.app]
}
`

var compressionBlock = &Block{
	Name: "compression",
	Text: "The compression of the layer with its level.",
	Attributes: []Attribute{
		{Name: "algorithm", Type: cty.String, Values: algorithms(), Default: `"gzip"`, Example: `"zstd"`, Decides: Blob, Text: "What the layer is compressed with."},
		{Name: "level", Type: cty.Number, Default: "that of the algorithm", Example: "9", Decides: Blob, Text: "How hard to compress: 1 to 9 for gzip, 1 to 22 for zstd."},
	},
	Example: `layer "app" {
  compression {
    algorithm = "zstd"
    level     = 19
  }
  file "/app" { content = "hello" }
}
` + inManifest,
}

// The attributes that many blocks of a layer have.
func modeAttribute(name, fallback, text string) Attribute {
	return Attribute{Name: name, Type: cty.String, Default: fallback, Example: `"0750"`, Section: "layer.md: mode", Decides: Blob, Text: text + " Octal digits in quotation marks."}
}

func owners() []Attribute {
	return []Attribute{
		{Name: "uid", Type: cty.Number, Default: "0", Example: "65532", Section: "layer.md: uid", Decides: Blob, Text: "The numeric user who owns it."},
		{Name: "gid", Type: cty.Number, Default: "0", Example: "65532", Section: "layer.md: gid", Decides: Blob, Text: "The numeric group that owns it."},
		{Name: "mtime", Type: cty.String, Forms: []cty.Type{cty.Number}, Default: "SOURCE_DATE_EPOCH, or 1970-01-01T00:00:00Z", Example: `"2026-01-31T12:00:00Z"`, Section: "layer.md: mtime", Decides: Blob, Text: "The time of the last change: an RFC 3339 time, a date, or seconds since 1970."},
	}
}

func xattrs() Attribute {
	return Attribute{Name: "xattrs", Type: labels, Example: `{ "user.note" = "x" }`, Section: "layer.md: xattrs", Decides: Blob, Text: "Extended attributes by name, with their prefix."}
}

func capabilities() Attribute {
	return Attribute{Name: "capabilities", Type: cty.String, Example: `"cap_net_bind_service=+ep"`, Section: "layer.md: xattrs", Decides: Blob, Text: "File capabilities, as cap_from_text(3) reads them."}
}

var copyBlock = &Block{
	Name: "copy",
	Text: "A file or a directory tree of the spec's directory, copied into the layer. Symlinks in it are copied as symlinks.",
	Attributes: append(append([]Attribute{
		{Name: "from", Type: cty.String, Example: `"bin"`, Decides: Blob, Text: "What is copied, relative to the directory of the spec; it is required. Of a directory, what is in it."},
		{Name: "to", Type: cty.String, Default: `"/"`, Example: `"/usr/local/bin"`, Decides: Blob, Text: "Where it goes. A file gets this path, or goes into it where it ends in a slash."},
		{Name: "include", Type: texts, Default: "everything", Example: `["**/*.so"]`, Decides: Blob, Text: "Patterns of paths below from: what is copied matches one. A later one with ! before it takes away."},
		{Name: "exclude", Type: texts, Example: `["**/*.md"]`, Decides: Blob, Text: "Patterns of paths below from that are left out. A later one with ! before it is an exception, and so is the first one from what ignore_file leaves out. A directory that leads to the layout is copied only for what else is in it."},
		{Name: "ignore_file", Type: cty.String, Example: `".dockerignore"`, Decides: Blob, Text: "A file with patterns in the form of .dockerignore. Its path is relative to the directory of the spec; its patterns to its own directory where from lies in it, to from otherwise."},
		modeAttribute("mode", "0755 where the owner may execute, else 0644", "The mode of files."),
		modeAttribute("dir_mode", "0755", "The mode of directories."),
	}, owners()...), []Attribute{
		{Name: "metadata", Type: cty.String, Values: []string{"normalize", "preserve"}, Default: `"normalize"`, Example: `"preserve"`, Decides: Blob, Text: "Whether modes, owners, times, xattrs and hard links are made the same everywhere, or taken from the file system."},
		xattrs(), capabilities(),
	}...),
	Example: `layer "app" {
  copy {
    from    = "src"
    to      = "/usr/share/app"
    exclude = ["**/*.md"]
    mode    = "0644"
  }
}
` + inManifest,
}

var fileBlock = &Block{
	Name: "file", Label: "path",
	Text: "A file at an absolute path of the layer, with content or source.",
	Attributes: append(append([]Attribute{
		{Name: "content", Type: cty.String, Example: `"port = 80\n"`, Decides: Blob, Text: "The text of the file."},
		{Name: "source", Type: cty.String, Example: `"conf/app.conf"`, Decides: Blob, Text: "A file with the content, relative to the directory of the spec, of any bytes."},
		modeAttribute("mode", "0644", "The mode of the file."),
	}, owners()...), xattrs(), capabilities()),
	Example: `layer "app" {
  file "/etc/app.conf" { content = "port = 80\n" }
  file "/usr/bin/app" {
    source = "src/a"
    mode   = "0755"
  }
}
` + inManifest,
}

var directoryBlock = &Block{
	Name: "directory", Label: "path",
	Text: "A directory at an absolute path of the layer.",
	Attributes: append(append([]Attribute{
		modeAttribute("mode", "0755", "The mode of the directory."),
	}, owners()...), xattrs()),
	Example: `layer "app" {
  directory "/var/lib/app" {
    mode = "0750"
    uid  = 65532
  }
}
` + inManifest,
}

var symlinkBlock = &Block{
	Name: "symlink", Label: "path",
	Text: "A symbolic link at an absolute path of the layer.",
	Attributes: append([]Attribute{
		{Name: "target", Type: cty.String, Example: `"../bin/app"`, Section: "layer.md: linkname", Decides: Blob, Text: "Where it points: any text, kept as it is. It is required."},
	}, owners()...),
	Example: `layer "app" {
  file "/usr/bin/app" { content = "hello" }
  symlink "/app" { target = "usr/bin/app" }
}
` + inManifest,
}

var hardlinkBlock = &Block{
	Name: "hardlink", Label: "path",
	Text: "A second name of a file in the layer.",
	Attributes: []Attribute{
		{Name: "target", Type: cty.String, Example: `"/usr/bin/app"`, Section: "layer.md: hardlinks", Decides: Blob, Text: "The absolute path of the file in this layer. It is required."},
	},
	Example: `layer "app" {
  file "/usr/bin/app" { content = "hello" }
  hardlink "/usr/bin/app2" { target = "/usr/bin/app" }
}
` + inManifest,
}

var whiteoutBlock = &Block{
	Name: "whiteout", Label: "path",
	Text: "Hides what lower layers have at an absolute path.",
	Attributes: []Attribute{
		{Name: "opaque", Type: cty.Bool, Default: "false", Example: "true", Section: "layer.md: opaque whiteout", Decides: Blob, Text: "Hides all that lower layers have in the directory, and not the directory itself."},
		{Name: "expand", Type: cty.Bool, Default: "false", Example: "true", Section: "layer.md: whiteouts", Decides: Blob, Text: "Writes an opaque whiteout as one whiteout for each name that the layers below have in the directory, as the image spec recommends. It stays opaque, with a warning, where these names cannot be told."},
	},
	Example: `layer "base" {
  file "/usr/share/doc/a" { content = "a" }
}
layer "app" {
  whiteout "/usr/share/doc" {}
}
manifest "app" {
  artifact_type = "application/vnd.example.files"
  layers        = [layer.base, layer.app]
}
`,
}

var dynamicBlock = &Block{
	Name: "dynamic", Label: "type",
	Text: "Blocks of the type in the label, one for each element of a collection: copy, file, directory, symlink, hardlink or whiteout.",
	Attributes: []Attribute{
		{Name: "for_each", Type: anyMap, Forms: []cty.Type{cty.List(cty.DynamicPseudoType), cty.Set(cty.String)}, Required: true, Example: `["a", "b"]`, Decides: Blob, Text: "The collection. Inside of content, TYPE.key and TYPE.value are the key and value of the element."},
		{Name: "labels", Type: texts, Example: `["/etc/${file.value}"]`, Decides: Blob, Text: "The labels of the block: one path, for all but copy."},
		{Name: "iterator", Type: cty.String, Form: Name, Default: "the type of the block", Example: "item", Decides: Blob, Text: "Another name than TYPE for the element."},
	},
	Blocks: []*Block{{
		Name: "content", Open: true,
		Text:    "The body of each of the blocks, with the attributes of their type. A dynamic block has exactly one.",
		Example: dynamicExample,
	}},
	Example: dynamicExample,
}

const dynamicExample = `layer "app" {
  dynamic "file" {
    for_each = ["a", "b"]
    labels   = ["/etc/${file.value}"]
    content {
      content = file.value
    }
  }
}
` + inManifest
