package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
	"github.com/layform/layform/spec/schema"
)

// mediaType is the media type of the object as far as its block decides it, "" when it
// depends on unknown values or on a file. It reports no mistakes.
func (d *decoder) mediaType() string {
	attrs := d.inst.block.attrs
	d.silent = true
	switch d.inst.addr.Kind {
	case KindManifest:
		return documentType(ocispec.MediaTypeImageManifest, d.dockerTypes())
	case KindIndex:
		return documentType(ocispec.MediaTypeImageIndex, d.dockerTypes())
	}
	if g := d.get(attrs, "media_type"); g.set {
		if !g.ok {
			return ""
		}
		return g.value.AsString()
	}
	if d.inst.addr.Kind == KindConfig {
		return ocispec.MediaTypeImageConfig
	}
	if attrs.named("archive") != nil || attrs.named("blob") != nil || attrs.named("digest") != nil {
		return "" // an archive may be compressed already
	}
	compression, ok := d.compression()
	if !ok {
		return ""
	}
	return compression.Algorithm.MediaType()
}

// layer decodes a layer block.
func (d *decoder) layer() *Layer {
	attrs := d.inst.block.attrs
	l := &Layer{}
	var archive, blob attrValue
	l.Archive, archive = d.sourcePath(attrs, "archive")
	l.Blob, blob = d.sourcePath(attrs, "blob")
	var stored attrValue
	l.Digest, stored = d.storedDigest()
	l.Tree = d.tree()
	d.checkSources(archive, blob, stored)

	var mediaType attrValue
	l.MediaType, mediaType = d.typeName(attrs, "media_type")
	d.mustKnow(mediaType)
	l.Compression, _ = d.compression()
	d.checkLayerType(l, archive, blob, stored, mediaType)
	l.OnDuplicate = d.onDuplicate(archive)
	l.OnSymlinkParent = d.onSymlinkParent(l)

	l.CreatedBy, _ = d.text(attrs, "created_by")
	l.Author, _ = d.text(attrs, "author")
	l.Comment, _ = d.text(attrs, "comment")
	l.Created, _ = d.timestamp(attrs, "created", false)
	l.Annotations = d.annotations(attrs, "annotations")
	var urls attrValue
	l.URLs, urls = d.stringList(attrs, "urls")
	for _, u := range l.URLs {
		if err := imagespec.CheckURL(u); err != nil {
			d.err(urls.rng, "urls contains %s, which %s.", urls.quote(u), err)
		}
	}
	return l
}

// sourcePath is a path below the spec's directory.
func (d *decoder) sourcePath(attrs attributes, name string) (string, attrValue) {
	s, g := d.publicText(attrs, name)
	if !d.mustKnow(g) {
		return "", g
	}
	clean, err := eval.CleanPath(s)
	if err != nil {
		d.err(g.rng, "%s: %s.", name, err)
		return "", g
	}
	return clean, g
}

// checkSources checks that the layer is made of exactly one thing.
func (d *decoder) checkSources(archive, blob, stored attrValue) {
	b := d.inst.block
	var tree *nestedBlock
	if i := slices.IndexFunc(b.nested, func(n *nestedBlock) bool { return n.kind != "compression" }); i >= 0 {
		tree = b.nested[i]
	}
	const rule = "A layer is made of one thing: archive, or blob, or digest, or copy, file, directory, symlink, hardlink and whiteout blocks."
	switch {
	case stored.set && (archive.set || blob.set || tree != nil):
		d.err(stored.rng, "%s Here digest is set, and something else as well.", rule)
	case archive.set && blob.set:
		d.err(blob.rng, "%s Here archive is set at %s, and blob as well.", rule, eval.Place(archive.rng))
	case archive.set && tree != nil:
		d.err(archive.rng, "%s Here there is a %s block at %s, and archive as well.", rule, tree.kind, eval.Place(tree.rng))
	case blob.set && tree != nil:
		d.err(blob.rng, "%s Here there is a %s block at %s, and blob as well.", rule, tree.kind, eval.Place(tree.rng))
	case !archive.set && !blob.set && !stored.set && tree == nil:
		d.reportMissing(b.incomplete, b.rng, "The layer is empty. %s", rule)
	}
}

// compression decodes compression, which is an attribute or a block. It reports
// whether the value is known and right.
func (d *decoder) compression() (imagespec.Compression, bool) {
	c := imagespec.Compression{Algorithm: imagespec.Gzip}
	block, ok := d.compressionBlock()
	if !ok {
		return c, false
	}
	g := d.raw(d.inst.block.attrs, "compression")
	switch {
	case block != nil && g.set:
		d.err(g.rng, "compression is set here and in a block at %s. Keep one of them.", eval.Place(block.rng))
		return c, false
	case block != nil:
		return d.compressionMembers(block.attrs)
	case !g.set:
		return c, true
	case g.reported:
		return c, false
	}
	plain, _ := g.value.Unmark()
	if t := plain.Type(); t.IsObjectType() || t.IsMapType() {
		return d.compressionObject(g, plain)
	}
	d.depend(d.inst.block.attrs.named("compression").expr, true)
	g.name = "compression.algorithm"
	g = d.convert(g, cty.String)
	if !d.mustKnow(g) {
		return c, false
	}
	c.Algorithm, ok = d.algorithm(g)
	return c, ok
}

func (d *decoder) compressionBlock() (*nestedBlock, bool) {
	var found *nestedBlock
	for _, n := range d.inst.block.nested {
		if n.kind != "compression" {
			continue
		}
		if found != nil {
			d.err(n.rng, "There is a compression block at %s already. A layer has one.", eval.Place(found.rng))
			return nil, false
		}
		found = n
	}
	return found, true
}

// compressionObject decodes compression = { algorithm = …, level = … }.
func (d *decoder) compressionObject(g attrValue, v cty.Value) (imagespec.Compression, bool) {
	c := imagespec.Compression{Algorithm: imagespec.Gzip}
	if !v.IsKnown() {
		d.mustKnow(g)
		return c, false
	}
	d.depend(d.inst.block.attrs.named("compression").expr, true)
	members := schema.Of(KindLayer).Block("compression")
	var attrs attributes
	for it := v.ElementIterator(); it.Next(); {
		k, element := it.Element()
		name := k.AsString()
		if members.Attribute(name) == nil {
			d.err(g.rng, "compression has no member %s.%s", g.quote(name), suggest.ClosestOrAll(name, members.AttributeNames()))
			return c, false
		}
		attrs = append(attrs, attribute{schema: members.Attribute(name), name: name, rng: g.rng, expr: literalExpression(element, g.rng)})
	}
	return d.compressionMembers(attrs)
}

func (d *decoder) compressionMembers(attrs attributes) (imagespec.Compression, bool) {
	c := imagespec.Compression{Algorithm: imagespec.Gzip}
	record := func(from int) {
		for i := from; i < len(d.fields); i++ {
			d.fields[i].Path = "compression." + d.fields[i].Path
		}
	}
	start := len(d.fields)
	_, g := d.plannedText(attrs, "algorithm")
	ok := !g.set || g.ok
	if g.ok {
		c.Algorithm, ok = d.algorithm(g)
	}
	most := c.Algorithm.MaxLevel()
	if most == 0 {
		most = imagespec.Zstd.MaxLevel() // that there is no level at all is said below
	}
	if level := d.integer(attrs, "level", 1, int64(most)); level != nil {
		c.Level = *level
	}
	record(start)
	if a := attrs.named("level"); a != nil && c.Algorithm == imagespec.Uncompressed {
		d.err(a.expr.Range(), "There is no level for compression %q.", imagespec.Uncompressed)
		ok = false
	}
	return c, ok
}

func (d *decoder) algorithm(g attrValue) (imagespec.Algorithm, bool) {
	a := imagespec.Algorithm(g.value.AsString())
	if slices.Contains(imagespec.Algorithms(), a) {
		return a, true
	}
	known := schema.Of(KindLayer).Attribute("compression").Values
	d.err(g.rng, "%s is no compression.%s", g.quote(string(a)), suggest.ClosestOrAll(string(a), known))
	return imagespec.Gzip, false
}

// checkLayerType checks that the media type fits what the layer is made of. The
// media type of an archive decides its compression where nothing else does.
func (d *decoder) checkLayerType(l *Layer, archive, blob, stored, mediaType attrValue) {
	b := d.inst.block
	explicit := b.attrs.named("compression") != nil || slices.ContainsFunc(b.nested, func(n *nestedBlock) bool { return n.kind == "compression" })
	for _, g := range []attrValue{blob, stored} {
		if !g.set {
			continue
		}
		if !mediaType.set {
			d.reportMissing(b.incomplete, g.rng, "A layer with %s needs media_type: nothing else says what it is.", g.name)
		}
		if explicit {
			d.err(g.rng, "A blob is used as it is, so compression does not go with it.")
		}
		return
	}
	l.Convert = archive.set && explicit
	is, ok := imagespec.LayerCompression(l.MediaType)
	switch {
	case !mediaType.ok || !ok:
	case archive.set && !explicit:
		l.Compression, l.Convert = imagespec.Compression{Algorithm: is}, true
	case is != l.Compression.Algorithm:
		d.err(mediaType.rng, "media_type says that the layer is compressed with %s, but its compression is %s.", is, l.Compression.Algorithm)
	}
}

// onDuplicate decodes on_duplicate.
func (d *decoder) onDuplicate(archive attrValue) Duplicates {
	attrs := d.inst.block.attrs
	text, g := d.plannedText(attrs, "on_duplicate")
	if !g.set {
		return ""
	}
	if !archive.set {
		d.err(g.rng, "on_duplicate says which of several entries for one path counts in an archive. This layer has no archive.")
		return ""
	}
	known := g.schema.Values
	switch {
	case !g.ok || text == known[0]:
		return ""
	case !slices.Contains(known, text):
		d.err(g.rng, "on_duplicate is %s, %s or %s, not %s.%s", known[0], known[1], known[2], g.quote(text), suggest.ClosestOrAll(text, known))
	}
	return Duplicates(text)
}

// onSymlinkParent decodes the attribute of that name.
func (d *decoder) onSymlinkParent(l *Layer) SymlinkParent {
	text, g := d.plannedText(d.inst.block.attrs, "on_symlink_parent")
	if !g.ok {
		return ""
	}
	if known := g.schema.Values; !slices.Contains(known, text) {
		d.err(g.rng, "on_symlink_parent is %s, %s or %s, not %s.%s", known[0], known[1], known[2], g.quote(text), suggest.ClosestOrAll(text, known))
		return ""
	}
	if l.Archive != "" || l.Blob != "" || l.Digest != "" {
		d.err(g.rng, "on_symlink_parent is for layers that are made of blocks: an archive or blob is used as it is.")
	}
	return SymlinkParent(text)
}

// literalExpression is an expression with a fixed value.
func literalExpression(v cty.Value, rng hcl.Range) *eval.Expression {
	return &eval.Expression{Syntax: literalSyntax(v, rng)}
}
