package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
)

// checker holds the objects of a spec against each other.
type checker struct {
	p       *module
	objects map[Address]*evaluated
	order   []Address // all objects, sorted
	outputs []dependency
	diags   hcl.Diagnostics
	// users are the manifests that use a config.
	users map[Address][]Address
}

// check runs all checks across objects and settles what has to be built.
func (p *module) check(objects map[Address]*evaluated, outputs []dependency) hcl.Diagnostics {
	c := &checker{p: p, objects: objects, outputs: outputs, users: map[Address][]Address{}}
	for addr := range objects {
		c.order = append(c.order, addr)
	}
	slices.SortFunc(c.order, Address.Compare)
	for _, addr := range c.order {
		if m, ok := objects[addr].object.Body.(*Manifest); ok && m.Config != nil {
			c.users[*m.Config] = append(c.users[*m.Config], addr)
		}
	}
	c.tags()
	c.manifests()
	c.bases()
	c.indexes()
	c.dockers()
	c.documents()
	c.configDigests()
	c.settleAddresses()
	return c.diags
}

func (c *checker) err(rng hcl.Range, format string, args ...any) {
	c.diags = append(c.diags, eval.Errorf(&rng, "Invalid spec", format, args...))
}

func (c *checker) warn(rng hcl.Range, summary, format string, args ...any) {
	c.diags = append(c.diags, &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: summary, Subject: &rng, Detail: fmt.Sprintf(format, args...),
	})
}

// tags checks that no two objects have one tag.
func (c *checker) tags() {
	owners := map[string]Address{}
	for _, addr := range c.order {
		o := c.objects[addr]
		for _, tag := range entryOf(o.object.Body).Tags {
			if first, ok := owners[tag]; ok {
				c.err(o.tagRange, "The tag %q of %s stands on %s as well, at %s. A tag names one object.", tag, addr, first, eval.Place(c.objects[first].tagRange))
				continue
			}
			owners[tag] = addr
		}
	}
}

// manifests checks the layers of manifests against their configs.
func (c *checker) manifests() {
	for _, addr := range c.order {
		o := c.objects[addr]
		m, ok := o.object.Body.(*Manifest)
		if !ok || m.Config == nil || c.objects[*m.Config] == nil {
			continue
		}
		config := c.objects[*m.Config].object.Body.(*Config)
		b := o.object.Range
		if a := c.p.instances[addr].block.attrs.named("layers"); a != nil {
			b = a.expr.Range()
		}
		switch {
		case config.MediaType == ocispec.MediaTypeEmptyJSON && m.ArtifactType == "":
			c.err(o.object.Range, "A manifest with a config of type %s needs artifact_type.", ocispec.MediaTypeEmptyJSON)
		case config.MediaType != ocispec.MediaTypeImageConfig:
			continue
		case o.emptyImage != nil:
			c.err(*o.emptyImage, "The image %s has no layers. Only an artifact, with artifact_type, may have none.", addr)
		}
		for _, l := range m.Layers {
			if c.objects[l] == nil {
				continue
			}
			layer := c.objects[l].object.Body.(*Layer)
			if layer.Blob != "" && imagespec.IsLayer(layer.MediaType) {
				c.err(b, "%s is a blob, which is used without a look at it, but %s is an image with %s, which tells the diffID of each layer. "+
					"Give the layer its tar as archive = %q, plain or compressed, instead of blob.", l, addr, m.Config, layer.Blob)
			}
			// Signatures and attestations of other tools are such images: they are kept as they are.
			if layer.MediaType != "" && layer.Digest == "" && !imagespec.IsLayer(layer.MediaType) {
				c.err(b, "%s has the media type %s, which no runtime can unpack, but %s is an image with %s. "+
					"Leave out config and set artifact_type, or give the layer the media type of a tar.", l, layer.MediaType, addr, m.Config)
			}
		}
	}
}

// indexes warns about equal platforms in one index, once for each platform.
func (c *checker) indexes() {
	for _, addr := range c.order {
		x, ok := c.objects[addr].object.Body.(*Index)
		if !ok {
			continue
		}
		members := map[string][]Address{}
		for _, member := range x.Manifests {
			if p := c.platform(member); p != nil && p.OS != "" {
				name := imagespec.PlatformText(imagespec.NormalPlatform(*p))
				members[name] = append(members[name], member)
			}
		}
		for _, name := range keysOf(members) {
			if same := members[name]; len(same) > 1 {
				c.warn(c.manifestsRange(addr), "Equal platforms", "%s in %s are for the same platform, %s. A client takes the first.", addressList(same), addr, name)
			}
		}
	}
}

// addressList writes addresses as a list in words: of more than three, the first
// two and how many there are more.
func addressList(addrs []Address) string {
	last := addrs[len(addrs)-1].String()
	if len(addrs) > 3 {
		addrs, last = addrs[:3], fmt.Sprintf("%d more", len(addrs)-2)
	}
	var b strings.Builder
	for i, addr := range addrs[:len(addrs)-1] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(addr.String())
	}
	return b.String() + " and " + last
}

func (c *checker) manifestsRange(addr Address) hcl.Range {
	if a := c.p.instances[addr].block.attrs.named("manifests"); a != nil {
		return a.expr.Range()
	}
	return c.objects[addr].object.Range
}

// platform is the platform of a manifest, nil if it has none.
func (c *checker) platform(addr Address) *ocispec.Platform {
	o := c.objects[addr]
	if o == nil {
		return nil
	}
	m, ok := o.object.Body.(*Manifest)
	if !ok {
		if base := c.baseImage(addr); base != nil {
			return base.platform()
		}
		return nil
	}
	if m.Entry.Platform != nil {
		return m.Entry.Platform
	}
	if m.Config == nil || c.objects[*m.Config] == nil {
		return nil
	}
	if config := c.objects[*m.Config].object.Body.(*Config); config.Image != nil && config.Image.Platform != nil {
		return config.Image.Platform
	}
	if m.Base != nil {
		return c.platform(*m.Base)
	}
	return nil
}

// configDigests checks that a config whose digest is used has one digest.
func (c *checker) configDigests() {
	for _, addr := range c.order {
		for _, n := range c.objects[addr].dependencies {
			c.configDigest(n)
		}
	}
	for _, n := range c.outputs {
		c.configDigest(n)
	}
}

func (c *checker) configDigest(n dependency) {
	if n.addr.Kind != KindConfig || n.attr != attrDigest && n.attr != attrSize || c.objects[n.addr] == nil {
		return
	}
	users := c.users[n.addr]
	if len(users) == 0 {
		c.err(n.rng, "%s has no %s, for no manifest uses it: a config is built for its manifest.", n.addr, n.attr)
		return
	}
	if config := c.objects[n.addr].object.Body.(*Config); config.MediaType != ocispec.MediaTypeImageConfig {
		return // its blob does not depend on layers
	}
	first := c.objects[users[0]].object.Body.(*Manifest)
	for _, user := range users[1:] {
		if m := c.objects[user].object.Body.(*Manifest); !slices.Equal(first.Layers, m.Layers) || BaseOf(first) != BaseOf(m) {
			c.err(n.rng, "%s has more than one %s: %s and %s use it with different layers or bases, so there are two configs. Refer to the manifest, or write a config for each.",
				n.addr, n.attr, users[0], user)
			return
		}
	}
}

// settleAddresses lists the objects that have to be built, in build order.
func (c *checker) settleAddresses() {
	needed := map[Address]bool{}
	var mark func(addr Address)
	mark = func(addr Address) {
		o := c.objects[addr]
		if needed[addr] || o == nil {
			return
		}
		needed[addr] = true
		for _, ref := range o.object.Refs {
			mark(ref)
		}
	}
	for _, addr := range c.order {
		if addr.Kind == KindManifest || addr.Kind == KindIndex {
			mark(addr)
		}
	}
	for _, n := range c.outputs {
		mark(n.addr)
	}
	depth := map[Address]int{}
	var measure func(addr Address) int
	measure = func(addr Address) int {
		if d, ok := depth[addr]; ok {
			return d
		}
		depth[addr] = 0 // the graph has no cycles; this only keeps a mistake from hanging
		most := 0
		for _, ref := range c.before(addr) {
			most = max(most, measure(ref)+1)
		}
		depth[addr] = most
		return most
	}
	for _, addr := range c.order {
		switch {
		case addr.Kind != KindBase && needed[addr]:
			c.p.addresses = append(c.p.addresses, addr)
			measure(addr)
			continue
		case !c.p.resolved: // what a list is made of may depend on a base
			continue
		case addr.Kind == KindBase:
			c.unusedBase(addr, needed[addr])
			continue
		}
		c.warn(c.objects[addr].object.Range, "Unused "+string(addr.Kind), "Nothing uses %s, so it is not built. List it in a manifest, or remove it.", addr)
	}
	slices.SortStableFunc(c.p.addresses, func(a, b Address) int {
		if depth[a] != depth[b] {
			return depth[a] - depth[b]
		}
		return a.Compare(b)
	})
}

// before lists the dependencies of an object in the order of builds: its references,
// and for a config the layers of its manifests as well.
func (c *checker) before(addr Address) []Address {
	o := c.objects[addr]
	if o == nil {
		return nil
	}
	before := slices.Clone(o.object.Refs)
	for _, user := range c.users[addr] {
		before = append(before, c.objects[user].object.Body.(*Manifest).Layers...)
	}
	return before
}
