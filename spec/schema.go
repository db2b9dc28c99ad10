package spec

import "github.com/hashicorp/hcl/v2"

// The schemas name what may stand in each block. Attributes are the image
// spec's JSON names in snake_case.
var (
	rootSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "layform"},
		{Type: "layout"},
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "locals"},
		{Type: string(KindLayer), LabelNames: []string{"name"}},
		{Type: string(KindConfig), LabelNames: []string{"name"}},
		{Type: string(KindManifest), LabelNames: []string{"name"}},
		{Type: string(KindIndex), LabelNames: []string{"name"}},
		{Type: "output", LabelNames: []string{"name"}},
	}}

	variableSchema = &hcl.BodySchema{
		Attributes: schemaOf("type", "default", "description", "sensitive", "nullable").Attributes,
		Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
	}
	validationSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "condition", Required: true},
		{Name: "error_message", Required: true},
	}}
	outputSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "value", Required: true},
		{Name: "description"},
		{Name: "sensitive"},
	}}

	objectSchemas = map[Kind]*hcl.BodySchema{
		KindLayer: {
			Attributes: schemaOf("for_each", "archive", "blob", "media_type", "compression", "on_duplicate", "created_by", "author", "comment", "created",
				"annotations", "urls").Attributes,
			Blocks: []hcl.BlockHeaderSchema{
				{Type: "compression"},
				{Type: string(NodeCopy)},
				{Type: string(NodeFile), LabelNames: []string{"path"}},
				{Type: string(NodeDirectory), LabelNames: []string{"path"}},
				{Type: string(NodeSymlink), LabelNames: []string{"path"}},
				{Type: string(NodeHardlink), LabelNames: []string{"path"}},
				{Type: string(NodeWhiteout), LabelNames: []string{"path"}},
				{Type: "dynamic", LabelNames: []string{"type"}},
			},
		},
		KindConfig: schemaOf("for_each", "media_type", "content", "annotations", "platform", "architecture", "os", "variant", "os_version",
			"os_features", "created", "author", "user", "exposed_ports", "env", "entrypoint", "cmd", "volumes", "working_dir", "labels",
			"stop_signal", "args_escaped", "extra", "config_extra"),
		KindManifest: schemaOf("for_each", "config", "layers", "artifact_type", "subject", "annotations", "descriptor_annotations", "platform",
			"tags", "extra"),
		KindIndex: schemaOf("for_each", "manifests", "artifact_type", "subject", "annotations", "descriptor_annotations", "tags",
			"extra"),
	}

	nestedSchemas = map[string]*hcl.BodySchema{
		"compression": schemaOf("algorithm", "level"),
		string(NodeCopy): schemaOf("from", "to", "include", "exclude", "ignore_file", "mode", "dir_mode", "uid", "gid", "mtime", "metadata", "xattrs",
			"capabilities"),
		string(NodeFile):      schemaOf("content", "source", "mode", "uid", "gid", "mtime", "xattrs", "capabilities"),
		string(NodeDirectory): schemaOf("mode", "uid", "gid", "mtime", "xattrs"),
		string(NodeSymlink):   schemaOf("target", "uid", "gid", "mtime"),
		string(NodeHardlink):  schemaOf("target"),
		string(NodeWhiteout):  schemaOf("opaque"),
	}
	dynamicSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "for_each", Required: true}, {Name: "labels"}, {Name: "iterator"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
	}
)

// schemaOf is the schema of a body with optional attributes alone.
func schemaOf(names ...string) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, name := range names {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	return s
}
