package spec

import (
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
)

// The attributes of a base in expressions, beside those that other objects have.
const (
	attrIndexDigest = "index_digest"
	attrName        = "name"
	attrPlatform    = "platform"
	attrLayers      = "layers"
	attrAnnotations = "annotations"
	attrConfig      = "config"
)

var baseLayerType = cty.Object(map[string]cty.Type{
	attrMediaType: cty.String, attrDigest: cty.String, attrSize: cty.Number, attrDiffID: cty.String,
})

var baseConfigType = cty.Object(map[string]cty.Type{
	"author": cty.String, "user": cty.String, "working_dir": cty.String, "stop_signal": cty.String,
	"env": cty.Map(cty.String), "labels": cty.Map(cty.String),
	"entrypoint": cty.List(cty.String), "cmd": cty.List(cty.String),
	"exposed_ports": cty.List(cty.String), "volumes": cty.List(cty.String),
})

// baseValue is the value of a reference to a base. Its values are unknown where nobody
// has looked for it.
func baseValue(addr Address, image *BaseImage) cty.Value {
	values := map[string]cty.Value{attrAddress: cty.StringVal(addr.String())}
	if image == nil {
		for name, t := range map[string]cty.Type{
			attrMediaType: cty.String, attrDigest: cty.String, attrSize: cty.Number, attrIndexDigest: cty.String, attrName: cty.String,
			attrPlatform: cty.String, attrLayers: cty.List(baseLayerType), attrAnnotations: cty.Map(cty.String), attrConfig: baseConfigType,
		} {
			values[name] = cty.UnknownVal(t)
		}
		return cty.ObjectVal(values)
	}
	values[attrMediaType] = cty.StringVal(image.Descriptor.MediaType)
	values[attrDigest] = cty.StringVal(image.Descriptor.Digest.String())
	values[attrSize] = cty.NumberIntVal(image.Descriptor.Size)
	values[attrName] = cty.StringVal(image.Name)
	values[attrIndexDigest] = textOrNull(image.Index.String())
	values[attrPlatform] = cty.NullVal(cty.String)
	if p := image.platform(); p != nil {
		values[attrPlatform] = cty.StringVal(imagespec.PlatformText(ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}))
	}
	values[attrLayers] = layersValue(image.Layers, image.DiffIDs)
	values[attrAnnotations] = eval.ExactMap(image.Annotations, "the annotations of "+addr.String())
	values[attrConfig] = cty.NullVal(baseConfigType)
	if image.Config != nil {
		values[attrConfig] = configValue(image.Config.Image, "the config of "+addr.String())
	}
	return cty.ObjectVal(values)
}

// platform is that of the descriptor or else of the config; nil for none.
func (b *BaseImage) platform() *ocispec.Platform {
	if b.Config != nil && b.Config.Image.Platform != nil {
		return b.Config.Image.Platform
	}
	return b.Descriptor.Platform
}

func layersValue(layers []ocispec.Descriptor, diffIDs []digest.Digest) cty.Value {
	if len(layers) == 0 {
		return cty.ListValEmpty(baseLayerType)
	}
	list := make([]cty.Value, len(layers))
	for i, l := range layers {
		diffID := cty.NullVal(cty.String)
		if i < len(diffIDs) {
			diffID = cty.StringVal(diffIDs[i].String())
		}
		list[i] = cty.ObjectVal(map[string]cty.Value{
			attrMediaType: cty.StringVal(l.MediaType), attrDigest: cty.StringVal(l.Digest.String()), attrSize: cty.NumberIntVal(l.Size), attrDiffID: diffID,
		})
	}
	return cty.ListVal(list)
}

// configValue is the value of a base's config: the fields of the container. from names
// the config.
func configValue(i *Image, from string) cty.Value {
	env := map[string]string{}
	for _, variable := range i.Env {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	text := func(s *string) cty.Value {
		if s == nil {
			return cty.NullVal(cty.String)
		}
		return eval.ExactText(*s, from)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"author": text(i.Author), "user": text(i.User), "working_dir": text(i.WorkingDir), "stop_signal": text(i.StopSignal),
		"env": eval.ExactMap(env, from), "labels": eval.ExactMap(i.Labels, from),
		"entrypoint": eval.ExactList(i.Entrypoint, from), "cmd": eval.ExactList(i.Cmd, from),
		"exposed_ports": eval.ExactList(keysOf(i.ExposedPorts), from), "volumes": eval.ExactList(keysOf(i.Volumes), from),
	})
}

// textOrNull is a string, and null where it is empty.
func textOrNull(s string) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(s)
}
