package spec

import (
	"encoding/json"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
)

// Base is the decoded base block: it names an image, index or artifact of another
// publisher.
type Base struct {
	// From is where it is. A path is relative to the spec's directory, and a name in a
	// registry has a tag or a digest.
	From ref.Reference
	// Platform chooses an image from an index; nil takes the target of From itself.
	Platform *ocispec.Platform
	// Pin is set where the lock file pins an image outside of a registry, as it does all
	// that a registry names by tags.
	Pin bool
	// Remote is set where the layers stay in the registry.
	Remote bool
	// Image is the resolved image; nil where it was not resolved.
	Image *BaseImage
}

// BaseImage is the resolved image, index or artifact of a base. It is plain data.
type BaseImage struct {
	// Name is the normal form of the reference: docker.io/library/alpine:3.20 for a
	// registry, otherwise as the spec writes it.
	Name string
	// Registry is set where Name is a name in a registry.
	Registry bool
	// Descriptor is that of the manifest or, without a platform, of the index, with its
	// platform. Index is the digest of the index it was chosen from, empty for none.
	Descriptor ocispec.Descriptor
	Index      digest.Digest
	// Layers and Annotations are those of the manifest; Annotations of an index as well.
	Layers      []ocispec.Descriptor
	Annotations map[string]string
	// Config says what the config of an image says, with unknown members as extra
	// ones; nil for an index and for an artifact. Created, DiffIDs and History stand in
	// it beside that, entries of the history as they are written there.
	Config  *Config
	Created json.RawMessage
	DiffIDs []digest.Digest
	History []json.RawMessage
	// Blobs are all blobs that the base consists of, its own among them, each after
	// what it refers to; manifests, indexes and configs come with their data.
	Blobs []ocispec.Descriptor
}

// Root is the digest of what the name leads to: of the index, where there is one.
func (b *BaseImage) Root() digest.Digest {
	if b.Index != "" {
		return b.Index
	}
	return b.Descriptor.Digest
}

// BaseRequest is a base that a spec uses.
type BaseRequest struct {
	Address Address
	Base    *Base
	// Range is the place of the reference, and PlatformRange that of the platform, empty
	// where none is set.
	Range, PlatformRange hcl.Range
}

// base decodes a base block.
func (d *decoder) base() *Base {
	attrs := d.inst.block.attrs
	b := &Base{Image: d.s.p.images[d.inst.addr]}
	text, g := d.publicText(attrs, "from")
	if d.mustKnow(g) {
		from, err := ref.Parse(text)
		if err != nil {
			d.err(g.rng, "from is not right: %s.", err)
		}
		if from.Transport == ref.Registry {
			from.Image = from.Image.WithDefaultTag()
		}
		b.From = from
	}
	text, g = d.publicText(attrs, "platform")
	if d.mustKnow(g) {
		p, problem := parsePlatform(text)
		if problem != "" {
			d.err(g.rng, "%s", problem)
		}
		b.Platform = p
	}
	d.pin(b)
	b.Remote = d.remoteLayers(b)
	return b
}

// remoteLayers decodes whether the layers of a base stay where they are.
func (d *decoder) remoteLayers(b *Base) bool {
	text, g := d.publicText(d.inst.block.attrs, "layers")
	switch {
	case !d.mustKnow(g) || text == "copy":
		return false
	case text != "remote":
		known := g.schema.Values
		d.err(g.rng, "layers is %s or %s, not %s.%s", known[0], known[1], g.quote(text), suggest.ClosestOrAll(text, known))
		return false
	case b.From.Transport != ref.Registry && b.From.Transport != "":
		d.err(g.rng, "layers = \"remote\" is for images of registries: the layers of %s are taken from there without moving bytes where that is possible.", b.From)
	}
	return true
}

// pin decodes whether a base is pinned by the lock file.
func (d *decoder) pin(b *Base) {
	g := d.get(d.inst.block.attrs, "pin")
	switch {
	case !d.mustKnow(g) || g.value.False():
	case b.From.Transport == ref.Registry:
		d.err(g.rng, "pin is for layouts and archives. What a registry names by a tag is pinned always, and a digest in from needs no pin.")
	case b.From.Digest != "":
		d.err(g.rng, "The digest in from pins the image already. Leave out pin, or the digest.")
	default:
		b.Pin = true
	}
}

// LockKey is the label of the pin of a base in the lock file: its reference in normal
// form. It is empty for a base that is not pinned.
func (b *Base) LockKey() string {
	switch {
	case b.From.Transport == ref.Registry && b.From.Image.Digest == "":
		return b.From.Image.String()
	case b.Pin:
		return b.From.String()
	}
	return ""
}

// requestBases evaluates the base blocks that something refers to.
func (p *module) requestBases() ([]BaseRequest, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var requests []BaseRequest
	used := p.usedBases()
	for addr, inst := range p.instances {
		if addr.Kind != KindBase || !used[inst.block.addr] {
			continue
		}
		s := newSession(p, nil)
		d := &decoder{s: s, inst: inst, in: &env{inst: inst}}
		r := BaseRequest{Address: addr, Base: d.base(), Range: inst.block.rng}
		if a := inst.block.attrs.named("from"); a != nil {
			r.Range = a.expr.Range()
		}
		if a := inst.block.attrs.named("platform"); a != nil {
			r.PlatformRange = a.expr.Range()
		}
		diags = append(diags, d.diags...)
		requests = append(requests, r)
	}
	slices.SortFunc(requests, func(a, b BaseRequest) int { return a.Address.Compare(b.Address) })
	return requests, diags
}

// usedBases are the base blocks that an expression of the spec refers to.
func (p *module) usedBases() map[Address]bool {
	used := map[Address]bool{}
	note := func(e *eval.Expression) {
		for _, edge := range p.edges(e) {
			if edge.to.block.Kind == KindBase {
				used[edge.to.block] = true
			}
		}
	}
	for _, l := range p.locals {
		note(l.expr)
	}
	for _, b := range p.blocks {
		for _, e := range b.expressions() {
			note(e)
		}
	}
	for _, o := range p.outputs {
		if a := o.attrs.named("value"); a != nil {
			note(a.expr)
		}
	}
	return used
}

// readsBase reports whether a reference reads a value of a base that was not resolved.
func (p *module) readsBase(r eval.Reference, b *block) bool {
	if b.addr.Kind != KindBase || p.resolved {
		return false
	}
	name, _ := r.Attribute(b.forEach != nil)
	return name != "" && name != attrAddress
}

// bases checks the objects that are built on bases.
func (c *checker) bases() {
	for _, addr := range c.order {
		o := c.objects[addr]
		switch body := o.object.Body.(type) {
		case *Manifest:
			if body.Base != nil {
				c.based(addr, o, body)
			}
		case *Config:
			c.standalone(addr, o)
			c.histories(addr, body)
		}
	}
}

// based checks a manifest with a base.
func (c *checker) based(addr Address, o *evaluated, m *Manifest) {
	rng := c.attributeRange(addr, "base")
	if m.Config == nil {
		c.err(rng, "An image with a base needs a config, which inherits what it does not set: config \"app\" {} inherits everything.")
		return
	}
	config := c.configOf(*m.Config)
	if config == nil {
		return
	}
	if config.Image == nil {
		c.err(rng, "%s is of type %s, and an image with a base needs an image config.", m.Config, config.MediaType)
		return
	}
	base := c.baseImage(*m.Base)
	switch {
	case base == nil:
		return
	case imagespec.IsIndex(base.Descriptor.MediaType):
		c.err(rng, "%s is an index, and an image stands on one image of it: set platform in the base block.", m.Base)
		return
	case base.Config == nil:
		c.err(rng, "%s is an artifact and no image: nothing can stand on it.", m.Base)
		return
	}
	if p, is := config.Image.Platform, base.Config.Image.Platform; p != nil && is != nil && !imagespec.SamePlatform(*p, *is) {
		c.warn(rng, "Other platform", "%s is for %s, and its base %s for %s.", m.Config, imagespec.PlatformText(*p), m.Base, imagespec.PlatformText(*is))
	}
	for _, name := range config.Unset {
		if !base.Config.has(name) {
			c.warn(c.attributeRange(*m.Config, "unset"), "Nothing to unset", "unset of %s names %q, which the config of %s does not have.", m.Config, name.String(), m.Base)
		}
	}
}

// standalone checks a config that is not used over a base.
func (c *checker) standalone(addr Address, o *evaluated) {
	config := o.object.Body.(*Config)
	on := slices.ContainsFunc(c.users[addr], func(user Address) bool { return c.objects[user].object.Body.(*Manifest).Base != nil })
	alone := slices.ContainsFunc(c.users[addr], func(user Address) bool { return c.objects[user].object.Body.(*Manifest).Base == nil })
	if o.noPlatform != nil && (alone || !on) {
		c.err(*o.noPlatform, "An image config needs platform, such as \"linux/amd64\", or os and architecture, unless the image has a base.")
	}
	if len(config.Unset) > 0 && !on {
		c.err(c.attributeRange(addr, "unset"), "unset removes what a base has, and no manifest with a base uses %s.", addr)
	}
}

// attributeRange is the place of an attribute of an object, or that of its block.
func (c *checker) attributeRange(addr Address, name string) hcl.Range {
	if a := c.p.instances[addr].block.attrs.named(name); a != nil {
		return a.expr.Range()
	}
	return c.objects[addr].object.Range
}

func (c *checker) configOf(addr Address) *Config {
	if o := c.objects[addr]; o != nil {
		config, _ := o.object.Body.(*Config)
		return config
	}
	return nil
}

// baseImage is the resolved image of a base; nil where it was not resolved.
func (c *checker) baseImage(addr Address) *BaseImage {
	if o := c.objects[addr]; o != nil {
		if base, ok := o.object.Body.(*Base); ok {
			return base.Image
		}
	}
	return nil
}

// baseField records which image a base that the object refers to is.
func (d *decoder) baseField(path string, addr Address) {
	if image := d.s.p.images[addr]; image != nil {
		d.fields = append(d.fields, Field{Path: path + ".digest", Value: JSON(jsonText(image.Descriptor.Digest.String()))})
	}
}

// unusedBase warns about a base that nothing refers to.
func (c *checker) unusedBase(addr Address, needed bool) {
	if !needed {
		c.warn(c.objects[addr].object.Range, "Unused base", "Nothing uses %s, so it is not read. Set it as the base of a manifest, or remove it.", addr)
	}
}

// BaseOf is the base of a manifest; the zero Address where there is none.
func BaseOf(m *Manifest) Address {
	if m.Base == nil {
		return Address{}
	}
	return *m.Base
}
