package spec

import (
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
)

// manifest decodes a manifest block.
func (d *decoder) manifest() *Manifest {
	b := d.inst.block
	m := &Manifest{}
	m.Base, _ = d.object(b.attrs, "base", KindBase)
	var config, typeGot attrValue
	m.Config, config = d.object(b.attrs, "config", KindConfig)
	layers, g := d.objects(b.attrs, "layers", KindLayer)
	m.Layers = layers
	m.ArtifactType, typeGot = d.typeName(b.attrs, "artifact_type")
	m.Subject, _ = d.object(b.attrs, "subject", KindManifest, KindIndex, KindBase)
	m.Annotations = d.annotations(b.attrs, "annotations")
	m.Entry = d.entry()
	m.Entry.Platform = d.entryPlatform()
	m.EmbedConfig = d.flag(b.attrs, "embed_config")
	m.Docker = d.dockerTypes()
	m.Extra = d.extra("extra", false)
	if !config.set && !typeGot.set {
		d.reportMissing(b.incomplete, b.missing, "A manifest without config is an artifact and needs artifact_type. An image needs config.")
	}
	if config.set && !typeGot.set && b.attrs.named("base") == nil && !b.incomplete && (!g.set || g.ok && len(layers) == 0) {
		rng := b.missing
		if g.set {
			rng = g.rng
		}
		d.emptyImage = &rng
	}
	return m
}

// entryPlatform decodes the platform in the descriptors of a manifest; nil where it is
// that of the config, or not right.
func (d *decoder) entryPlatform() *ocispec.Platform {
	text, g := d.publicText(d.inst.block.attrs, "platform")
	version, features, set := d.osDetails()
	if !g.ok {
		if set && !g.set {
			d.err(d.inst.block.missing, "os_version and os_features of a manifest go with platform: without it the platform is that of the config, which has them as well.")
		}
		return nil
	}
	p, problem := parsePlatform(text)
	if problem != "" {
		d.err(g.rng, "%s", problem)
		return nil
	}
	p.OSVersion, p.OSFeatures = version, features
	return p
}

// index decodes an index block.
func (d *decoder) index() *Index {
	b := d.inst.block
	x := &Index{}
	manifests, g := d.objects(b.attrs, "manifests", KindManifest, KindIndex, KindBase)
	x.Manifests = manifests
	if !g.set {
		d.reportMissing(b.incomplete, b.missing, "An index needs manifests: a list, which may be empty.")
	}
	for i, addr := range manifests {
		if slices.Contains(manifests[:i], addr) {
			d.err(g.rng, "manifests contains %s twice.", addr)
		}
	}
	x.ArtifactType, _ = d.typeName(b.attrs, "artifact_type")
	x.Subject, _ = d.object(b.attrs, "subject", KindManifest, KindIndex, KindBase)
	x.Annotations = d.annotations(b.attrs, "annotations")
	x.Entry = d.entry()
	x.EmbedManifests = d.flag(b.attrs, "embed_manifests")
	x.Docker = d.dockerTypes()
	x.Extra = d.extra("extra", false)
	return x
}

// entry decodes what the descriptors of a manifest or index say.
func (d *decoder) entry() Entry {
	attrs := d.inst.block.attrs
	e := Entry{Annotations: d.annotations(attrs, "descriptor_annotations")}
	if _, ok := e.Annotations[ocispec.AnnotationRefName]; ok {
		d.err(attrs.named("descriptor_annotations").expr.Range(), "The annotation %s holds the ref name in index.json. Write it as tags.", ocispec.AnnotationRefName)
	}
	g := d.get(attrs, "tags")
	if g.sensitive {
		d.refuseSensitive(g)
		return e
	}
	e.TagsUnknown = g.set && !g.ok && !g.reported
	tags := knownTexts(g)
	for _, tag := range tags {
		if err := imagespec.CheckRefName(tag); err != nil {
			d.err(g.rng, "The tag %s %s.", eval.Quote(tag), err)
		} else if !imagespec.IsRefName(tag) {
			d.warn(g.rng, "Tag of an unusual form", "Registries take the tag %s, but the image spec says that a ref name should be letters and digits with one of - . _ : @ + or -- "+
				"between them, and other tools, skopeo, umoci and buildah among them, refuse it in a layout.", eval.Quote(tag))
		}
	}
	for i, tag := range tags {
		if first := slices.Index(tags, tag); first < i && !e.TagsUnknown {
			d.err(g.rng, "The tag %s stands here twice, as tags[%d] and tags[%d]. Remove one; distinct() does so for tags that may come out the same.", eval.Quote(tag), first, i)
		}
	}
	slices.Sort(tags)
	e.Tags = slices.Compact(tags)
	d.tagRange = g.rng
	return e
}

// knownTexts are the elements of a list of strings that are known.
func knownTexts(g attrValue) []string {
	if !g.set || g.reported || !g.value.IsKnown() {
		return nil
	}
	var list []string
	for it := g.value.ElementIterator(); it.Next(); {
		if _, v := it.Element(); v.IsKnown() {
			list = append(list, v.AsString())
		}
	}
	return list
}
