package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/internal/suggest"
)

// dockerTypes decodes whether a manifest or index has the media types of Docker, and
// reports what these have no place for.
func (d *decoder) dockerTypes() bool {
	attrs := d.inst.block.attrs
	text, g := d.publicText(attrs, "media_types")
	if !d.mustKnow(g) {
		return false
	}
	if known := g.schema.Values; !slices.Contains(known, text) {
		d.err(g.rng, "media_types is %s or %s, not %s.%s", known[0], known[1], g.quote(text), suggest.ClosestOrAll(text, known))
		return false
	}
	if text != "docker" {
		return false
	}
	for _, name := range []string{"artifact_type", "subject", "annotations", "embed_config", "embed_manifests"} {
		if a := attrs.named(name); a != nil {
			d.err(a.expr.Range(), "%s has no place in what Docker's media types describe: leave it out, or media_types.", name)
		}
	}
	return true
}

// documentType is a media type of the image spec or, with docker set, Docker's for it.
func documentType(mediaType string, docker bool) string {
	if docker {
		mediaType, _ = imagespec.DockerMediaType(mediaType)
	}
	return mediaType
}

// MediaType is the media type of the manifest.
func (m *Manifest) MediaType() string { return documentType(ocispec.MediaTypeImageManifest, m.Docker) }

// MediaType is the media type of the index.
func (x *Index) MediaType() string { return documentType(ocispec.MediaTypeImageIndex, x.Docker) }

// dockers checks what manifests and indexes with Docker's media types refer to.
func (c *checker) dockers() {
	for _, addr := range c.order {
		switch body := c.objects[addr].object.Body.(type) {
		case *Manifest:
			if body.Docker {
				c.dockerManifest(addr, body)
			}
		case *Index:
			if body.Docker {
				c.dockerIndex(addr, body)
			}
		}
	}
}

// dockerManifest checks the config and the layers of a manifest.
func (c *checker) dockerManifest(addr Address, m *Manifest) {
	rng := c.attributeRange(addr, "media_types")
	config := (*Config)(nil)
	if m.Config != nil {
		config = c.configOf(*m.Config)
		if config == nil {
			return
		}
	}
	if config == nil {
		c.err(rng, "%s is no image with an image config, and Docker's media types are for nothing else.", addr)
		return
	}
	if config.Image == nil {
		c.err(rng, "%s is taken as it is, by its bytes. Docker's media types are for images whose config is described by its attributes, architecture and os among them.", m.Config)
		return
	}
	if len(config.Annotations) > 0 {
		c.err(rng, "%s has annotations, and descriptors of Docker have none.", m.Config)
	}
	if m.Base != nil {
		c.dockerBase(rng, *m.Base)
	}
	for _, l := range m.Layers {
		o := c.objects[l]
		if o == nil {
			continue
		}
		layer, ok := o.object.Body.(*Layer)
		if !ok {
			continue
		}
		if len(layer.Annotations) > 0 {
			c.err(rng, "%s has annotations, and descriptors of Docker have none.", l)
		}
		known := layer.MediaType
		if known == "" && (layer.Archive == "" || layer.Convert) {
			known = layer.Compression.Algorithm.MediaType()
		}
		if _, ok := imagespec.DockerMediaType(known); known != "" && !ok {
			c.err(rng, "%s is of type %s, for which Docker has no media type. Compress it with gzip.", l, known)
		}
	}
}

// dockerBase checks the layers that a base brings into a manifest.
func (c *checker) dockerBase(rng hcl.Range, base Address) {
	image := c.baseImage(base)
	if image == nil {
		return
	}
	for i, l := range image.Layers {
		if _, ok := imagespec.DockerMediaType(l.MediaType); !ok {
			c.err(rng, "layers[%d] of %s is of type %s, for which Docker has no media type. Leave media_types out, or take a base whose layers are compressed with gzip.", i, base, l.MediaType)
			return
		}
	}
}

// dockerIndex checks that the members of an index are images with Docker's media types.
func (c *checker) dockerIndex(addr Address, x *Index) {
	for _, member := range x.Manifests {
		o := c.objects[member]
		if o == nil {
			continue
		}
		ok := false
		switch body := o.object.Body.(type) {
		case *Manifest:
			ok = body.Docker
		case *Base:
			ok = body.Image == nil || body.Image.Descriptor.MediaType == imagespec.MediaTypeDockerManifest
		}
		if !ok {
			c.err(c.attributeRange(addr, "manifests"), "%s is no image with Docker's media types, and %s is a list of such alone. Set media_types in both.", member, addr)
		}
	}
}
