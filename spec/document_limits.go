package spec

import (
	"encoding/json"

	"github.com/layform/layform/layout/imagespec"
)

// documents checks that no manifest or index, nor index.json, becomes larger
// than readers take. What is not known yet counts for nothing.
func (c *checker) documents() {
	listed := 0
	for _, addr := range c.order {
		size := 0
		switch body := c.objects[addr].object.Body.(type) {
		case *Manifest:
			size = c.manifestSize(body)
		case *Index:
			size = c.indexSize(body)
		}
		if size > imagespec.MaxDocument {
			c.err(c.objects[addr].object.Range, "%s would have more than %d bytes, the limit of a manifest or index: %d with the annotations of what it lists.",
				addr, imagespec.MaxDocument, size)
		}
		entry := entryOf(c.objects[addr].object.Body)
		within := listed <= imagespec.MaxIndexJSON
		if listed += len(entry.Tags) * (imagespec.MinDescriptor + textSize(entry.Annotations)); within && listed > imagespec.MaxIndexJSON {
			c.err(c.objects[addr].tagRange, "With the tags of %s, index.json would have more than %d bytes, its limit. Use fewer tags, or shorter descriptor_annotations.",
				addr, imagespec.MaxIndexJSON)
		}
	}
}

func (c *checker) manifestSize(m *Manifest) int {
	size := textSize(m.Annotations) + extraSize(m.Extra)
	for _, addr := range m.Layers {
		size += imagespec.MinDescriptor
		if o := c.objects[addr]; o != nil {
			l := o.object.Body.(*Layer)
			size += textSize(l.Annotations)
			for _, u := range l.URLs {
				size += len(u)
			}
		}
	}
	if m.Config != nil && c.objects[*m.Config] != nil {
		size += textSize(c.objects[*m.Config].object.Body.(*Config).Annotations)
	}
	return size
}

func (c *checker) indexSize(x *Index) int {
	size := textSize(x.Annotations) + extraSize(x.Extra)
	for _, addr := range x.Manifests {
		size += imagespec.MinDescriptor
		if o := c.objects[addr]; o != nil {
			size += textSize(entryOf(o.object.Body).Annotations)
		}
	}
	return size
}

// entryOf is how descriptors describe a manifest or index; layers and configs
// have no entries.
func entryOf(b Body) Entry {
	switch b := b.(type) {
	case *Manifest:
		return b.Entry
	case *Index:
		return b.Entry
	}
	return Entry{}
}

// textSize is the size of a map in JSON, without punctuation.
func textSize(m map[string]string) int {
	size := 0
	for key, value := range m {
		size += len(jsonText(key)) + len(jsonText(value))
	}
	return size
}

func extraSize(m map[string]json.RawMessage) int {
	size := 0
	for key, value := range m {
		size += len(key) + len(value)
	}
	return size
}
