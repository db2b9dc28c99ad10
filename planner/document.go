package planner

import (
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/planner/image"
	"github.com/layform/layform/spec"
)

// Find looks up what is known of a step, or of a base, by its key; Known is false
// where it is not built.
type Find func(key string) Evaluated

// Document is the JSON of the config, manifest or index o, the object of a step, over
// what find knows of its dependencies. It is a pure function of these.
func (g *Graph) Document(s Step, o *spec.Object, epoch int64, find Find) ([]byte, error) {
	switch b := o.Body.(type) {
	case *spec.Config:
		return image.Config(b, g.Image(s.Base), builtLayers(s.Layers, find), epoch)
	case *spec.Manifest:
		return g.manifest(s, b, epoch, find)
	case *spec.Index:
		return g.index(b, epoch, find)
	}
	return nil, fmt.Errorf("a %s has no document", o.Address.Kind)
}

// index is the JSON of an index.
func (g *Graph) index(b *spec.Index, epoch int64, find Find) ([]byte, error) {
	subject, err := subjectOf(b.Subject, find)
	if err != nil {
		return nil, err
	}
	var members []ocispec.Descriptor
	for _, a := range b.Manifests {
		m := find(a.String())
		if !m.Known {
			return nil, fmt.Errorf("%s has not been built; leave out --target, or name it as well", a)
		}
		d := g.Entry(m, find)
		if b.EmbedManifests {
			data, err := g.content(m, epoch, find)
			if err == nil {
				err = image.Embed(&d, data)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", a, err)
			}
		}
		members = append(members, d)
	}
	return image.Index(b, members, subject)
}

// content is the JSON of a built manifest or index, or that of a base.
func (g *Graph) content(m Evaluated, epoch int64, find Find) ([]byte, error) {
	if base := g.Image(m.Object.Address); base != nil {
		i := slices.IndexFunc(base.Blobs, func(d ocispec.Descriptor) bool { return d.Digest == base.Descriptor.Digest })
		return base.Blobs[i].Data, nil
	}
	i := slices.IndexFunc(g.Steps, func(s Step) bool { return s.Address == m.Object.Address })
	return g.Document(g.Steps[i], m.Object, epoch, find)
}

// manifest is the JSON of a manifest.
func (g *Graph) manifest(s Step, b *spec.Manifest, epoch int64, find Find) ([]byte, error) {
	subject, err := subjectOf(b.Subject, find)
	if err != nil {
		return nil, err
	}
	var config *ocispec.Descriptor
	if m := find(s.Config); m.Known {
		if c, ok := m.Object.Body.(*spec.Config); ok {
			d := image.ConfigDescriptor(c, m.Built)
			if b.EmbedConfig {
				data, err := image.Config(c, g.Image(spec.BaseOf(b)), builtLayers(b.Layers, find), epoch)
				if err == nil {
					err = image.Embed(&d, data)
				}
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.Config, err)
				}
			}
			config = &d
		}
	}
	var layers []ocispec.Descriptor
	for _, l := range builtLayers(b.Layers, find) {
		layers = append(layers, image.LayerDescriptor(l))
	}
	return image.Manifest(b, g.Image(s.Base), config, layers, subject)
}

// builtLayers are built layers with what the spec says of them.
func builtLayers(addresses []spec.Address, find Find) []image.Layer {
	var out []image.Layer
	for _, a := range addresses {
		m := find(a.String())
		if !m.Known {
			continue
		}
		if l, ok := m.Object.Body.(*spec.Layer); ok {
			out = append(out, image.Layer{Spec: l, Built: m.Built})
		}
	}
	return out
}

// subjectOf is the descriptor of the subject of an object; nil for none.
func subjectOf(a *spec.Address, find Find) (*ocispec.Descriptor, error) {
	if a == nil {
		return nil, nil
	}
	m := find(a.String())
	if !m.Known {
		return nil, fmt.Errorf("its subject %s has not been built", a)
	}
	d := image.SubjectDescriptor(m.Built)
	return &d, nil
}

// Entry is the descriptor of a built manifest or index, or of a base, in an index or,
// without a ref name, in index.json.
func (g *Graph) Entry(m Evaluated, find Find) ocispec.Descriptor {
	switch b := m.Object.Body.(type) {
	case *spec.Manifest:
		var platform *ocispec.Platform
		if base := g.Image(spec.BaseOf(b)); base != nil {
			platform = base.Descriptor.Platform
		}
		if config := find(g.configs[m.Object.Address]); config.Known {
			if c, ok := config.Object.Body.(*spec.Config); ok && c.Image != nil && c.Image.Platform != nil {
				platform = c.Image.Platform
			}
		}
		return image.EntryDescriptor(m.Built, b.Entry, platform, b.ArtifactType)
	case *spec.Index:
		return image.EntryDescriptor(m.Built, b.Entry, nil, b.ArtifactType)
	}
	d := m.Built.Descriptor
	if _, ok := m.Object.Body.(*spec.Base); ok {
		return image.EntryDescriptor(m.Built, spec.Entry{}, d.Platform, d.ArtifactType)
	}
	return d
}
