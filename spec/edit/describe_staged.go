package edit

import (
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// Staged is an image that another tool has begun in a layout, as far as it came.
type Staged struct {
	// Layers are the layers, bottom first, with their annotations.
	Layers []ocispec.Descriptor
	// Config and Manifest are nil where they are not made yet.
	Config, Manifest *ocispec.Descriptor
}

// DescribeStaged writes a spec that finishes an image that another tool has begun. It
// describes what the layers, the config and the manifest say; what the tool derived
// from these, and may have got wrong, follows from the spec. Contents.Entries are all of index.json.
func DescribeStaged(c Contents, s Staged) (*Description, error) {
	d := &describer{Contents: c, names: map[string]bool{}, done: map[digest.Digest][]*described{}, left: map[digest.Digest]string{}, blobs: map[string]*blobBlock{}}
	if len(s.Layers) > 0 {
		m, err := d.staged(s)
		if err != nil {
			return nil, err
		}
		d.roots = append(d.roots, m)
	}
	return d.description(&Description{})
}

// staged is the manifest of an image that was begun.
func (d *describer) staged(s Staged) (*described, error) {
	m := &described{kind: "manifest", origin: "the staging file", doc: &document{Layers: s.Layers}}
	m.name = d.unique("manifest", identifier(d.Name, "image"))
	if s.Manifest != nil {
		data, err := d.Read(*s.Manifest)
		if err != nil {
			return nil, err
		}
		made, err := readDocument(data)
		if err != nil {
			return nil, err
		}
		m.desc, m.doc.Annotations, m.doc.ArtifactType, m.doc.extra = *s.Manifest, made.Annotations, made.ArtifactType, made.extra
		m.offers = append(m.offers, s.Manifest.Digest)
		d.registered(m)
	}
	for i, l := range s.Layers {
		m.layers = append(m.layers, d.layer(m, i, l))
	}
	if s.Config == nil {
		m.config = &blobBlock{kind: "config", name: d.unique("config", m.name), origin: m.origin, data: []byte(unmadeConfig), unmade: true,
			desc: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig}}
		return m, nil
	}
	m.doc.Config = *s.Config
	var err error
	m.config, err = d.config(m)
	return m, err
}

// unmadeConfig is what is described of a config that was not made yet.
const unmadeConfig = `{"architecture":"amd64","os":"linux"}`

// registered finds the entries of index.json that a manifest of a staging file has, and
// those that an earlier form of it left behind under the same ref name.
func (d *describer) registered(m *described) {
	for _, e := range d.Entries {
		ref := e.Annotations[ocispec.AnnotationRefName]
		if e.Digest == m.desc.Digest && ref != "" && imagespec.CheckRefName(ref) == nil && !slices.Contains(m.tags, ref) {
			m.tags = append(m.tags, ref)
		}
		if e.Digest == m.desc.Digest {
			m.entry = e
		}
	}
	for _, e := range d.Entries {
		if slices.Contains(m.tags, e.Annotations[ocispec.AnnotationRefName]) && !slices.Contains(m.offers, e.Digest) {
			m.offers = append(m.offers, e.Digest)
		}
	}
	slices.Sort(m.tags)
}
