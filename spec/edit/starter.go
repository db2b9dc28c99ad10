package edit

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Options shape Starter. The zero value gives a spec for linux/amd64 that is
// named app and tagged latest.
type Options struct {
	// Architecture and OS are the platform of the image, in the words of GOARCH and GOOS.
	Architecture, OS string
	// Tag is the ref name in index.json.
	Tag string
	// Name names the blocks and the directory of the layout. What cannot stand
	// in a name becomes a dash.
	Name string
	// Path is the directory of the layout; made of Name unless set.
	Path string
	// Bare leaves out all but the layout, for a spec that edits fill.
	Bare bool
}

// Starter writes a commented spec that loads and can be applied in a directory
// that holds nothing else: all of its files have their content in the spec.
func Starter(opts Options) []byte {
	name := blockName(opts.Name)
	quoted := func(s string) string {
		return string(bytes.TrimSpace(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()))
	}
	path := quoted(or(opts.Path, "dist/"+name))
	if opts.Bare {
		return []byte("# This spec describes an OCI image layout: layform add, plan and apply.\n\nlayout {\n  path = " + path + " # the directory of the layout, relative to this file\n}\n")
	}
	platform := or(opts.OS, "linux") + "/" + or(opts.Architecture, "amd64")
	text := strings.NewReplacer(
		"NAME", name,
		"LAYOUT", path,
		"PLATFORM", quoted(platform),
		"TAG", quoted(or(opts.Tag, "latest")),
	).Replace(starter)
	return hclwrite.Format([]byte(text))
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// starterBlock is the name of blocks where nothing better is known.
const starterBlock = "app"

// blockName makes a text the name of a block.
func blockName(text string) string {
	name := strings.Map(func(r rune) rune {
		if hclsyntax.ValidIdentifier("a" + string(r)) {
			return r
		}
		return '-'
	}, text)
	if name = strings.Trim(name, "-"); len(name) > 100 || !hclsyntax.ValidIdentifier(name) {
		return starterBlock
	}
	return name
}

const starter = `# This spec describes an OCI image layout.
#
#   layform plan     shows what would change in the layout, and why
#   layform apply    makes exactly those changes

layout {
  path = LAYOUT # the directory of the layout, relative to this file
}

# Values that differ from build to build. Set them with --var version=1.0.
variable "version" {
  type        = string
  default     = "dev"
  description = "The version that the image carries in its labels."
}

# A layer is a tar, made of files, directories and symlinks. Owner is 0:0 and the
# modification time is fixed, so the same spec gives the same bytes everywhere.
layer "NAME" {
  created_by = "layform"

  file "/etc/NAME/version" {
    content = "${var.version}\n"
  }

  directory "/var/lib/NAME" {
    mode = "0755"
  }

  # Copy what you have built into the image:
  #
  # copy {
  #   from = "bin"
  #   to   = "/usr/local/bin"
  # }
}

# The config says for which platform the image is and how it runs.
config "NAME" {
  platform = PLATFORM

  # entrypoint = ["/usr/local/bin/NAME"]
  # user       = "65532:65532"
  # env        = { LOG = "info" }

  labels = {
    "org.opencontainers.image.version" = var.version
  }
}

# A manifest puts a config and layers together. Its tags are names in index.json.
manifest "NAME" {
  config = config.NAME
  layers = [layer.NAME]
  tags   = [TAG]
}

output "digest" {
  value       = manifest.NAME.digest
  description = "The digest of the image."
}
`
