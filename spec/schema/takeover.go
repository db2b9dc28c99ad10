package schema

import "github.com/zclconf/go-cty/cty"

var importBlock = &Block{
	Name: "import",
	Text: "A document that is in the layout already and is taken over as an object of the spec: where it means what the spec describes, its bytes stay as they are. Where it means something else the object is built, and the plan says why. Once it is applied the block may stay, to find the document again should the staging state be lost, or go.",
	Attributes: []Attribute{
		{Name: "to", Type: cty.DynamicPseudoType, Form: Target, Required: true, Example: "manifest.app", Text: "The config, manifest or index that it becomes."},
		{Name: "digest", Type: cty.String, Required: true, Example: `"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"`, Section: "descriptor.md: digest", Text: "The digest of the document. Several blocks may offer documents for one object."},
	},
	Example: `manifest "note" {
  artifact_type = "application/vnd.example.note"
  tags          = ["note"]
}
import {
  to     = manifest.note
  digest = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
}
`,
}
