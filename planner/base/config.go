package base

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/schema"
)

// config reads the config of the image b, whose manifest is doc.
func (r *reading) config(b *spec.BaseImage, doc *layout.Document) error {
	i := slices.IndexFunc(r.blobs, func(d ocispec.Descriptor) bool { return d.Digest == doc.Config.Digest })
	if err := decodeConfig(b, r.blobs[i].Data); err != nil {
		return fmt.Errorf("its config %s cannot be understood: %w", doc.Config.Digest, err)
	}
	if len(b.DiffIDs) != len(doc.Layers) {
		return fmt.Errorf("it has %d layers, and its config %s has %d diffIDs", len(doc.Layers), doc.Config.Digest, len(b.DiffIDs))
	}
	return nil
}

// decodeConfig reads an image config.
func decodeConfig(b *spec.BaseImage, data []byte) error {
	language := schema.Of(addr.Config)
	members, extra, err := split(data, append(language.Reserved(false), "config", "rootfs", "history"))
	if err != nil {
		return err
	}
	inner, innerExtra, err := split(members["config"], language.Reserved(true))
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	var c ocispec.ImageConfig
	var p ocispec.Platform
	var author string
	var rootfs ocispec.RootFS
	for _, part := range []struct {
		members map[string]json.RawMessage
		name    string
		into    any
	}{
		{members, "author", &author}, {members, "os", &p.OS}, {members, "architecture", &p.Architecture}, {members, "variant", &p.Variant},
		{members, "os.version", &p.OSVersion}, {members, "os.features", &p.OSFeatures}, {members, "rootfs", &rootfs}, {members, "history", &b.History},
		{inner, "User", &c.User}, {inner, "ExposedPorts", &c.ExposedPorts}, {inner, "Env", &c.Env}, {inner, "Entrypoint", &c.Entrypoint},
		{inner, "Cmd", &c.Cmd}, {inner, "Volumes", &c.Volumes}, {inner, "WorkingDir", &c.WorkingDir}, {inner, "Labels", &c.Labels},
		//lint:ignore SA1019 deprecated, but part of the image spec
		{inner, "StopSignal", &c.StopSignal}, {inner, "ArgsEscaped", &c.ArgsEscaped},
	} {
		if raw, ok := part.members[part.name]; ok && string(raw) != "null" {
			if err := jsondoc.Decode(raw, jsondoc.Limits{}, part.into); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	b.Created, b.DiffIDs = members["created"], rootfs.DiffIDs
	for _, d := range b.DiffIDs {
		if err := imagespec.CheckDigest(d); err != nil {
			return fmt.Errorf("the diffID %q: %w", d, err)
		}
	}
	b.Config = &spec.Config{MediaType: ocispec.MediaTypeImageConfig, Image: imageOf(&c, p, author), Extra: extra, ConfigExtra: innerExtra}
	return nil
}

// imageOf are the values of a config. What is empty is not set.
func imageOf(c *ocispec.ImageConfig, p ocispec.Platform, author string) *spec.Image {
	i := &spec.Image{
		Author: set(author), User: set(c.User), WorkingDir: set(c.WorkingDir), StopSignal: set(c.StopSignal),
		//lint:ignore SA1019 deprecated, but part of the image spec
		ArgsEscaped:  set(c.ArgsEscaped),
		ExposedPorts: c.ExposedPorts, Env: c.Env, Volumes: c.Volumes, Labels: c.Labels,
	}
	if len(c.Entrypoint) > 0 {
		i.Entrypoint = c.Entrypoint
	}
	if len(c.Cmd) > 0 {
		i.Cmd = c.Cmd
	}
	if p.OS != "" || p.Architecture != "" {
		i.Platform = &p
	}
	return i
}

// set is a value, and nil for the zero value.
func set[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

// split takes an object apart into the members that have these names, and all others.
// null and nothing are an object without members.
func split(data []byte, names []string) (known, extra map[string]json.RawMessage, err error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil, nil
	}
	var all map[string]json.RawMessage
	if err := jsondoc.Decode(data, jsondoc.Limits{}, &all); err != nil {
		return nil, nil, err
	}
	known = map[string]json.RawMessage{}
	for name, value := range all {
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		switch {
		case i >= 0 && names[i] != name:
			return nil, nil, fmt.Errorf("its member %q is %q for some readers and not for others", name, names[i])
		case i >= 0:
			known[name] = value
		default:
			if extra == nil {
				extra = map[string]json.RawMessage{}
			}
			extra[name] = value
		}
	}
	return known, extra, nil
}
