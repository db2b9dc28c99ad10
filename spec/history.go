package spec

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
)

// history decodes the attribute of that name: the entries in the place of those that
// follow from the layers; nil where it is not set or not right.
func (d *decoder) history() []ocispec.History {
	g := d.get(d.inst.block.attrs, "history")
	if !g.ok {
		return nil
	}
	if t := g.value.Type(); !t.IsTupleType() && !t.IsListType() {
		d.err(g.rng, "history must be a list of objects. %s", g.schema.Expected())
		return nil
	}
	if isEmpty(g.value) {
		d.fields = appendFields(d.fields, g.name, g.value) // not the same as no value
	}
	all := []ocispec.History{}
	for i, v := range g.value.AsValueSlice() {
		name := fmt.Sprintf("history[%d]", i)
		if t := v.Type(); v.IsNull() || !t.IsObjectType() && !t.IsMapType() {
			d.err(g.rng, "%s must be an object. %s", name, g.schema.Expected())
			return nil
		}
		values, ok := d.membersOf(g, name, v, []string{"created", "author", "created_by", "comment", "empty_layer"})
		if !ok {
			return nil
		}
		entry, ok := d.historyEntry(g, name, values)
		if !ok {
			return nil
		}
		all = append(all, entry)
	}
	return all
}

// historyEntry decodes one entry.
func (d *decoder) historyEntry(g attrValue, name string, values map[string]cty.Value) (ocispec.History, bool) {
	var e ocispec.History
	for _, member := range keysOf(values) {
		text, ok := eval.KeyOf(values[member])
		switch member {
		case "empty_layer":
			v, err := eval.Convert(values[member], cty.Bool)
			ok = err == nil && v.IsKnown()
			e.EmptyLayer = ok && v.True()
		case "created":
			var t time.Time
			if text != noTime {
				var err error
				t, err = imagespec.ParseMoment(text)
				ok = ok && err == nil
			}
			e.Created = &t
		case "author":
			e.Author = text
		case "created_by":
			e.CreatedBy = text
		case "comment":
			e.Comment = text
		}
		if !ok {
			d.err(g.rng, "%s.%s is not right. %s", name, member, g.schema.Expected())
			return e, false
		}
	}
	return e, true
}

// noTime is the value of created for what does not tell it.
const noTime = "none"

// createdOrNone is the creation time of an image: the zero time for none, nil where it is
// not set.
func (d *decoder) createdOrNone() *time.Time {
	switch text, g := d.text(d.inst.block.attrs, "created"); {
	case !g.ok:
		return nil
	case text == noTime:
		return &time.Time{}
	default:
		return d.moment(g, false)
	}
}

// storedDigest is the digest of a blob in the layout.
func (d *decoder) storedDigest() (digest.Digest, attrValue) {
	text, g := d.publicText(d.inst.block.attrs, "digest")
	if !d.mustKnow(g) {
		return "", g
	}
	dgst, err := digest.Parse(text)
	if err != nil {
		d.err(g.rng, "digest is %s, but must be an algorithm and hexadecimal digits. %s", g.quote(text), g.schema.Expected())
		return "", g
	}
	return dgst, g
}

// histories checks that a config with a history of its own has one entry for each layer
// of the manifests that use it, beside those without a layer.
func (c *checker) histories(addr Address, config *Config) {
	if len(config.History) == 0 {
		return
	}
	layers := 0
	for _, e := range config.History {
		if !e.EmptyLayer {
			layers++
		}
	}
	for _, user := range c.users[addr] {
		m := c.objects[user].object.Body.(*Manifest)
		if c.objects[user].object.Known() && len(m.Layers) != layers {
			c.err(c.attributeRange(addr, "history"), "The history of %s has %d entries with a layer, and %s has %d layers beside those of a base. Each layer has one entry; one that changed no files has empty_layer = true.",
				addr, layers, user, len(m.Layers))
		}
	}
}
