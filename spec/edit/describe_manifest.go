package edit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// document is a manifest or index as far as a spec can say it. Extra are its members
// that the image spec does not define.
type document struct {
	MediaType    string               `json:"mediaType"`
	ArtifactType string               `json:"artifactType"`
	Config       ocispec.Descriptor   `json:"config"`
	Layers       []ocispec.Descriptor `json:"layers"`
	Manifests    []ocispec.Descriptor `json:"manifests"`
	Subject      *ocispec.Descriptor  `json:"subject"`
	Annotations  map[string]string    `json:"annotations"`
	extra        map[string]json.RawMessage
}

// readDocument reads a manifest or index.
func readDocument(data []byte) (*document, error) {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	var err error
	doc.extra, err = membersBeside(data, "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations")
	return &doc, err
}

// membersBeside are the members of a JSON object that are none of these, and not null.
func membersBeside(data []byte, known ...string) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	maps.DeleteFunc(members, func(name string, value json.RawMessage) bool {
		return slices.Contains(known, name) || bytes.Equal(value, []byte("null"))
	})
	return members, nil
}

// manifest describes the config and the layers of a manifest.
func (d *describer) manifest(m *described) (bool, error) {
	doc := m.doc
	if complete, err := d.subject(m); !complete {
		return false, err
	}
	empty := ocispec.DescriptorEmptyJSON
	if doc.Config.Digest != empty.Digest || doc.Config.MediaType != empty.MediaType || len(doc.Config.Annotations) > 0 || doc.ArtifactType == "" {
		config, err := d.config(m)
		if err != nil {
			return false, err
		}
		m.config = config
	}
	if l := doc.Layers; len(l) == 1 && l[0].Digest == empty.Digest && l[0].MediaType == empty.MediaType && len(l[0].Annotations) == 0 && doc.ArtifactType != "" {
		return true, nil
	}
	for i, l := range doc.Layers {
		m.layers = append(m.layers, d.layer(m, i, l))
	}
	return true, nil
}

// layer is the block of a layer of a manifest, which others may share.
func (d *describer) layer(m *described, i int, l ocispec.Descriptor) *blobBlock {
	if algorithm, ok := imagespec.LayerCompression(l.MediaType); ok && m.docker {
		l.MediaType = algorithm.MediaType() // the manifest gives it that of Docker
	}
	key := sayingOf("layer", l)
	if b := d.blobs[key]; b != nil {
		return b
	}
	name, origin := m.name, m.origin
	if title := l.Annotations[ocispec.AnnotationTitle]; title != "" {
		name, origin = identifier(title, m.name), title
	} else if len(m.doc.Layers) > 1 {
		name = fmt.Sprintf("%s-%d", m.name, i+1)
	}
	b := &blobBlock{kind: "layer", name: d.unique("layer", name), origin: origin, desc: l}
	d.blobs[key] = b
	return b
}

// config is the block of the config of a manifest, which others may share.
func (d *describer) config(m *described) (*blobBlock, error) {
	c := m.doc.Config
	if c.MediaType == imagespec.MediaTypeDockerConfig && m.docker {
		c.MediaType = ocispec.MediaTypeImageConfig // the manifest gives it that of Docker
	}
	key := sayingOf("config", c)
	if b := d.blobs[key]; b != nil {
		return b, nil
	}
	b := &blobBlock{kind: "config", name: d.unique("config", m.name), origin: m.origin, desc: c}
	d.blobs[key] = b
	if b.stored = d.Stored[c.Digest]; b.stored != "" {
		return b, nil
	}
	b.stored = "it is no image config, and no short text"
	if c.MediaType != ocispec.MediaTypeImageConfig && c.Size > longestContent {
		return b, nil
	}
	data, err := d.Read(c)
	if err != nil {
		return nil, err
	}
	if c.MediaType == ocispec.MediaTypeImageConfig || isText(data) {
		b.data = data
	}
	return b, nil
}

// longestContent is the size of a config of another media type that is written into the
// spec.
const longestContent = 4 << 10

// sayingOf is all that the block of a layer or config says of it.
func sayingOf(kind string, d ocispec.Descriptor) string {
	said, err := json.Marshal([]any{kind, d.MediaType, d.Digest, d.Annotations, d.URLs})
	if err != nil {
		return kind + " " + string(d.Digest) // not reachable: plain strings
	}
	return string(said)
}

// rootName is the name of what an entry of index.json leads to: after its ref name,
// else after what it is.
func (d *describer) rootName(e ocispec.Descriptor) (name, origin string) {
	ref := e.Annotations[ocispec.AnnotationRefName]
	if ref == "" {
		if title := e.Annotations[ocispec.AnnotationTitle]; title != "" {
			return identifier(title, d.Name), title
		}
		if e.ArtifactType != "" && e.ArtifactType != ocispec.MediaTypeImageConfig {
			_, kind, _ := strings.Cut(e.ArtifactType, "/")
			kind = strings.TrimPrefix(kind, "vnd.")
			kind, _, _ = strings.Cut(kind, "+")
			return identifier(kind, d.Name), e.ArtifactType
		}
		return identifier(d.Name, "image"), d.Name
	}
	last := ref[strings.LastIndex(ref, "/")+1:]
	name, tag, tagged := strings.Cut(last, ":")
	name, _, _ = strings.Cut(name, "@")
	switch {
	case tagged && tag == "latest":
		return identifier(name, d.Name), ref
	case tagged:
		return identifier(name+"-"+tag, d.Name), ref
	case ref == "latest":
		return identifier(d.Name, "image"), ref
	case last == ref:
		return identifier(d.Name+"-"+ref, "image"), ref
	}
	return identifier(last, d.Name), ref
}

// identifier makes a text the name of a block, or takes the fallback.
func identifier(text, fallback string) string {
	if name := blockName(text); name != starterBlock || text == starterBlock {
		return name
	}
	if fallback = blockName(fallback); fallback == starterBlock {
		return "image"
	}
	return fallback
}

// unique makes a name one that no other block of the kind has.
func (d *describer) unique(kind, name string) string {
	for i := 1; ; i++ {
		numbered := name
		if i > 1 {
			numbered = fmt.Sprintf("%s-%d", name, i)
		}
		if key := kind + "." + numbered; !d.names[key] {
			d.names[key] = true
			return numbered
		}
	}
}

// platformOf is the platform that an image config tells; nil for none.
func platformOf(b *blobBlock) *ocispec.Platform {
	var p ocispec.Platform
	if b == nil || b.desc.MediaType != ocispec.MediaTypeImageConfig || b.data == nil || json.Unmarshal(b.data, &p) != nil {
		return nil
	}
	return &p
}

// ownPlatform is the platform of a manifest's descriptors where its config does not
// tell the same; nil for none.
func (m *described) ownPlatform() *ocispec.Platform {
	if p := m.entry.Platform; p != nil && !samePlatform(p, platformOf(m.config)) {
		return p
	}
	return nil
}
