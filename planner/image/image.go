// Package image turns evaluated objects into the JSON of image configs,
// manifests and indexes, and into the descriptors that lead to them.
//
// All functions are pure: equal arguments give equal bytes, on any machine and
// at any time. Documents follow the OCI image specification v1.1: members in
// its order, optional members left out when they are empty, no clock.
package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/spec"
)

// Layer is a built layer with what the spec says of it.
type Layer struct {
	Spec *spec.Layer
	spec.Built
}

// Config is the blob of a config over a base, nil for none, and layers, bottom first. An
// image config gets the diffIDs, history and values of the base, then those of the spec;
// see spec.Config.Over. A config of another media type is its content, verbatim. epoch is
// the creation time, in seconds, where the spec sets none.
func Config(c *spec.Config, base *spec.BaseImage, layers []Layer, epoch int64) ([]byte, error) {
	// There is one history entry for each layer: consumers require as many non-empty
	// entries as layers, and readers in the field take no history without a time.
	if c.Image == nil {
		return c.Content, nil
	}
	if base != nil {
		c, _ = c.Over(base.Config)
	}
	inner, err := withExtra(runConfig(c.Image), c.ConfigExtra)
	if err != nil {
		return nil, fmt.Errorf("config_extra: %w", err)
	}
	doc := struct {
		Created *time.Time `json:"created,omitempty"`
		Author  string     `json:"author,omitempty"`
		ocispec.Platform
		Config  json.RawMessage   `json:"config,omitempty"`
		RootFS  ocispec.RootFS    `json:"rootfs"`
		History []json.RawMessage `json:"history,omitempty"`
	}{
		Created:  instant(c.Image.Created, epoch),
		Author:   valueOf(c.Image.Author),
		Platform: valueOf(c.Image.Platform),
		Config:   inner,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}},
	}
	if base != nil {
		doc.RootFS.DiffIDs = append(doc.RootFS.DiffIDs, base.DiffIDs...)
		if doc.History, err = baseHistory(base, epoch); err != nil {
			return nil, err
		}
	}
	for _, l := range layers {
		doc.RootFS.DiffIDs = append(doc.RootFS.DiffIDs, l.DiffID)
	}
	for _, e := range history(c, layers, epoch) {
		entry, err := jsondoc.Encode(e)
		if err != nil {
			return nil, err
		}
		doc.History = append(doc.History, entry)
	}
	out, err := withExtra(doc, c.Extra)
	if err != nil {
		return nil, fmt.Errorf("extra: %w", err)
	}
	return out, nil
}

// history are the entries of a config over those of a base: its own, or one for each layer.
func history(c *spec.Config, layers []Layer, epoch int64) []ocispec.History {
	var all []ocispec.History
	for _, e := range c.History {
		e.Created = instant(e.Created, epoch)
		all = append(all, e)
	}
	if c.History != nil {
		return all
	}
	for _, l := range layers {
		all = append(all, ocispec.History{Created: instant(l.Spec.Created, epoch), CreatedBy: l.Spec.CreatedBy, Author: l.Spec.Author, Comment: l.Spec.Comment})
	}
	return all
}

// runConfig is the member "config" of an image config.
func runConfig(i *spec.Image) ocispec.ImageConfig {
	return ocispec.ImageConfig{
		User:         valueOf(i.User),
		ExposedPorts: i.ExposedPorts,
		Env:          i.Env,
		Entrypoint:   i.Entrypoint,
		Cmd:          i.Cmd,
		Volumes:      i.Volumes,
		WorkingDir:   valueOf(i.WorkingDir),
		Labels:       i.Labels,
		StopSignal:   valueOf(i.StopSignal),
		//lint:ignore SA1019 deprecated, but part of the image spec
		ArgsEscaped: valueOf(i.ArgsEscaped),
	}
}

// valueOf is the value of what is set, and the zero value otherwise.
func valueOf[T any](set *T) T {
	if set == nil {
		var none T
		return none
	}
	return *set
}

// Empty is the content of the empty config, which an artifact without a config
// of its own refers to (image-spec, "Guidance for an Empty Descriptor").
var Empty = ocispec.DescriptorEmptyJSON

// Manifest is the blob of a manifest. A nil config stands for the empty config;
// a manifest without layers gets the empty blob as its only one. The layers of base
// come first, as it describes them. base and subject may be nil.
func Manifest(m *spec.Manifest, base *spec.BaseImage, config *ocispec.Descriptor, layers []ocispec.Descriptor, subject *ocispec.Descriptor) ([]byte, error) {
	doc := ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    m.MediaType(),
		ArtifactType: m.ArtifactType,
		Config:       bare(Empty),
		Layers:       layers,
		Subject:      subject,
		Annotations:  m.Annotations,
	}
	if config != nil {
		doc.Config = *config
	} else if m.EmbedConfig {
		doc.Config.Data = Empty.Data
	}
	if base != nil {
		doc.Layers = slices.Concat(baseLayers(base), layers)
		doc.Annotations = basedOn(base, m.Annotations)
	}
	if m.Docker {
		if err := toDocker(&doc); err != nil {
			return nil, err
		}
	}
	if len(doc.Layers) == 0 {
		doc.Layers = []ocispec.Descriptor{bare(Empty)}
	}
	return withExtra(doc, m.Extra)
}

// maxEmbedded is the most bytes that a descriptor embeds: registries take manifests of
// some megabytes, and all readers of the manifest read it.
const maxEmbedded = 256 << 10

// Embed puts the content of a descriptor into it. What has the digest of other content,
// as a document that another program wrote, is an error.
func Embed(d *ocispec.Descriptor, content []byte) error {
	switch {
	case len(content) > maxEmbedded:
		return fmt.Errorf("it has %d bytes, and what is embedded has at most %d, for registries bound the size of manifests", len(content), maxEmbedded)
	case d.Digest.Algorithm().FromBytes(content) != d.Digest:
		return fmt.Errorf("%s was not written as layform writes it, and cannot be embedded", d.Digest)
	}
	d.Data = content
	return nil
}

// toDocker gives a manifest Docker's media types. Annotations, which only a base brings
// here, have no place in it.
func toDocker(doc *ocispec.Manifest) error {
	doc.Annotations = nil
	doc.Config.MediaType, _ = imagespec.DockerMediaType(doc.Config.MediaType)
	doc.Layers = slices.Clone(doc.Layers)
	for i := range doc.Layers {
		l := &doc.Layers[i]
		docker, ok := imagespec.DockerMediaType(l.MediaType)
		if !ok {
			return fmt.Errorf("its layer %s is of type %s, for which Docker has no media type: compress it with gzip, or leave media_types out", l.Digest, l.MediaType)
		}
		l.MediaType, l.Annotations = docker, nil
	}
	return nil
}

// Index is the blob of an image index over manifests, in order. subject may be nil.
func Index(x *spec.Index, manifests []ocispec.Descriptor, subject *ocispec.Descriptor) ([]byte, error) {
	doc := ocispec.Index{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    x.MediaType(),
		ArtifactType: x.ArtifactType,
		Manifests:    manifests,
		Subject:      subject,
		Annotations:  x.Annotations,
	}
	if doc.Manifests == nil {
		doc.Manifests = []ocispec.Descriptor{}
	}
	return withExtra(doc, x.Extra)
}

// LayerDescriptor is how manifests describe a built layer.
func LayerDescriptor(l Layer) ocispec.Descriptor {
	d := bare(l.Descriptor)
	d.Annotations, d.URLs = l.Spec.Annotations, l.Spec.URLs
	return d
}

// ConfigDescriptor is how manifests describe a built config.
func ConfigDescriptor(c *spec.Config, built spec.Built) ocispec.Descriptor {
	d := bare(built.Descriptor)
	d.Annotations = c.Annotations
	return d
}

// SubjectDescriptor is how a manifest or index describes what it refers to.
func SubjectDescriptor(built spec.Built) ocispec.Descriptor { return bare(built.Descriptor) }

// EntryDescriptor is how an index, or index.json, describes a built manifest or
// index. platform is the one of its config, nil where it has none.
func EntryDescriptor(built spec.Built, entry spec.Entry, platform *ocispec.Platform, artifactType string) ocispec.Descriptor {
	d := bare(built.Descriptor)
	d.Annotations = maps.Clone(entry.Annotations)
	d.ArtifactType = artifactType
	d.Platform = platform
	if entry.Platform != nil {
		d.Platform = entry.Platform
	}
	return d
}

// Tagged is d under a ref name of index.json.
func Tagged(d ocispec.Descriptor, ref string) ocispec.Descriptor {
	d.Annotations = maps.Clone(d.Annotations)
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	d.Annotations[ocispec.AnnotationRefName] = ref
	return d
}

// bare is a descriptor with media type, digest and size alone.
func bare(d ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// instant is set, else epoch; nil for the zero time.
func instant(set *time.Time, epoch int64) *time.Time {
	switch {
	case set != nil && set.IsZero():
		return nil
	case set != nil:
		return set
	}
	t := time.Unix(epoch, 0).UTC()
	return &t
}

// withExtra encodes doc and puts the extra members behind its own, sorted by
// name. An extra member may not stand for one that the document can have, in
// any letter case, for readers differ in what they make of two.
func withExtra(doc any, extra map[string]json.RawMessage) ([]byte, error) {
	data, err := jsondoc.Encode(doc)
	if err != nil || len(extra) == 0 {
		return data, err
	}
	var have map[string]json.RawMessage
	if err := json.Unmarshal(data, &have); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Write(bytes.TrimSuffix(data, []byte("}\n")))
	sep := len(have) > 0
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		for known := range have {
			if strings.EqualFold(known, name) {
				return nil, fmt.Errorf("member %q has an attribute of its own; set that instead", name)
			}
		}
		key, err := jsondoc.Encode(name)
		if err != nil {
			return nil, err
		}
		value, err := jsondoc.Encode(extra[name])
		if err != nil {
			return nil, fmt.Errorf("member %q: %w", name, err)
		}
		if sep {
			out.WriteByte(',')
		}
		sep = true
		out.Write(bytes.TrimSpace(key))
		out.WriteByte(':')
		out.Write(bytes.TrimSpace(value))
	}
	out.WriteString("}\n")
	return out.Bytes(), nil
}
