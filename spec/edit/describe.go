package edit

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// Contents is what Describe describes: images and artifacts of a layout.
type Contents struct {
	// Path is that of the layout, as the spec is to write it, and Spec the name of the
	// spec; empty for the default.
	Path, Spec string
	// Name is the name of what has no ref name to be named after.
	Name string
	// Entries are entries of index.json, in its order.
	Entries []ocispec.Descriptor
	// Read reads a document, verified.
	Read func(ocispec.Descriptor) ([]byte, error)
	// Stored are configs that are described as blobs of the layout, as they are, each with
	// the reason.
	Stored map[digest.Digest]string
	// Left are manifests and indexes that are not described, each with the reason.
	Left map[digest.Digest]string
}

// Named is an object of the description with the document or blob that it is.
type Named struct {
	// Address is that of the object, and Origin what it is named after.
	Address, Origin string
	// Stored is why a config is described as a blob of the layout, as it is.
	Stored string
	// Offers are the documents that import blocks name for it.
	Offers     []digest.Digest
	Descriptor ocispec.Descriptor
}

// Omission is an entry of index.json that the description leaves out, with the reason.
type Omission struct {
	Ref    string
	Digest digest.Digest
	Reason string
}

// Description is a spec that describes what is in a layout.
type Description struct {
	// Text is a spec file, formatted.
	Text []byte
	// Objects are the objects in the order of the file.
	Objects []Named
	// Left are the entries that the spec does not describe.
	Left []Omission
}

// Describe writes a spec that describes images and artifacts of a layout: indexes,
// manifests, configs and layers with all that their documents say. Layers are blobs of the layout,
// and import blocks name the documents. What the language cannot say is left out and
// reported; the error is that of Read.
func Describe(c Contents) (*Description, error) {
	d := &describer{
		Contents: c,
		names:    map[string]bool{},
		done:     map[digest.Digest][]*described{},
		blobs:    map[string]*blobBlock{},
	}
	d.left = maps.Clone(c.Left)
	if d.left == nil {
		d.left = map[digest.Digest]string{}
	}
	var out Description
	for _, e := range c.Entries {
		m, err := d.root(e)
		if err != nil {
			return nil, err
		}
		ref := e.Annotations[ocispec.AnnotationRefName]
		switch {
		case m == nil:
			out.Left = append(out.Left, Omission{Ref: ref, Digest: e.Digest, Reason: d.left[e.Digest]})
		case ref != "" && !slices.Contains(m.tags, ref):
			out.Left = append(out.Left, Omission{Ref: ref, Digest: e.Digest, Reason: "its ref name cannot be a tag"})
		}
	}
	return d.description(&out)
}

// description writes what the roots need into a description.
func (d *describer) description(out *Description) (*Description, error) {
	w := &writer{file: hclwrite.NewEmptyFile(), written: map[string]bool{}, digests: map[string]string{}}
	if err := w.write(d); err != nil {
		return nil, err
	}
	out.Text, out.Objects = hclwrite.Format(w.file.Bytes()), w.objects
	return out, nil
}

// described is a manifest or index of the description.
type described struct {
	kind, name, origin string
	desc               ocispec.Descriptor
	doc                *document
	// offers are the documents that import blocks name for it; its own for none.
	offers []digest.Digest
	// docker is set for one with the media types of Docker.
	docker bool
	// tags are the ref names, and entry what descriptors of it say besides.
	tags  []string
	entry ocispec.Descriptor
	// config and layers are what a manifest has, members what an index has, and subject
	// what either refers to; nil for none.
	config  *blobBlock
	layers  []*blobBlock
	members []*described
	subject *described
}

// blobBlock is a layer or config of the description.
type blobBlock struct {
	kind, name, origin string
	desc               ocispec.Descriptor
	// data is the document of a config that is described by its values, and stored why
	// another one is not.
	data   []byte
	stored string
	// unmade is set for a config that there is none of yet.
	unmade bool
}

func (b *blobBlock) address() string { return b.kind + "." + b.name }

func (m *described) address() string { return m.kind + "." + m.name }

// describer makes a description.
type describer struct {
	Contents
	names map[string]bool
	done  map[digest.Digest][]*described
	roots []*described
	left  map[digest.Digest]string
	// blobs are the layers and configs, by all that their blocks say.
	blobs map[string]*blobBlock
}

// root describes what an entry of index.json leads to; nil where it is left out. Entries
// that say the same but for their ref names lead to one object with several tags.
func (d *describer) root(e ocispec.Descriptor) (*described, error) {
	name, origin := d.rootName(e)
	m, err := d.object(e, name, origin)
	if m == nil || err != nil {
		return nil, err
	}
	if ref := e.Annotations[ocispec.AnnotationRefName]; ref != "" && imagespec.CheckRefName(ref) == nil && !slices.Contains(m.tags, ref) {
		m.tags = append(m.tags, ref)
		slices.Sort(m.tags)
	}
	if !slices.Contains(d.roots, m) {
		d.roots = append(d.roots, m)
	}
	return m, nil
}

// saysOf reports whether the descriptor desc says of an object what its block says.
func (m *described) saysOf(desc ocispec.Descriptor) bool {
	return maps.Equal(entryAnnotations(m.entry), entryAnnotations(desc)) &&
		(desc.Platform == nil || samePlatform(desc.Platform, m.platform()))
}

// platform is the platform that descriptors of an object tell; nil for none.
func (m *described) platform() *ocispec.Platform {
	if m.entry.Platform != nil {
		return m.entry.Platform
	}
	return platformOf(m.config)
}

// entryAnnotations are the annotations of an entry without its ref name.
func entryAnnotations(d ocispec.Descriptor) map[string]string {
	out := maps.Clone(d.Annotations)
	delete(out, ocispec.AnnotationRefName)
	return out
}

func samePlatform(a, b *ocispec.Platform) bool {
	if a == nil || b == nil {
		return a == b
	}
	return imagespec.PlatformText(*a) == imagespec.PlatformText(*b) && a.OSVersion == b.OSVersion && slices.Equal(a.OSFeatures, b.OSFeatures)
}

// object describes a manifest or index with all that it needs, once; nil where that is
// left out.
func (d *describer) object(desc ocispec.Descriptor, name, origin string) (*described, error) {
	for _, m := range d.done[desc.Digest] {
		if m.saysOf(desc) {
			return m, nil
		}
	}
	if d.left[desc.Digest] != "" {
		return nil, nil
	}
	docker := desc.MediaType == imagespec.MediaTypeDockerManifest || desc.MediaType == imagespec.MediaTypeDockerList
	if desc.MediaType != ocispec.MediaTypeImageManifest && desc.MediaType != ocispec.MediaTypeImageIndex && !docker {
		d.left[desc.Digest] = fmt.Sprintf("its media type is %s, which a spec does not describe", desc.MediaType)
		return nil, nil
	}
	data, err := d.Read(desc)
	if err != nil {
		return nil, err
	}
	doc, err := readDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Digest, err)
	}
	m := &described{desc: desc, doc: doc, entry: desc, origin: origin, docker: docker}
	complete := false
	if imagespec.IsIndex(desc.MediaType) {
		m.kind, m.name = "index", d.unique("index", name)
		complete, err = d.index(m)
	} else {
		m.kind, m.name = "manifest", d.unique("manifest", name)
		complete, err = d.manifest(m)
	}
	if err != nil || !complete {
		return nil, err
	}
	d.done[desc.Digest] = append(d.done[desc.Digest], m)
	return m, nil
}

// leave notes why something is left out.
func (d *describer) leave(m *described, format string, args ...any) {
	d.left[m.desc.Digest] = fmt.Sprintf(format, args...)
}

// index describes what an index lists.
func (d *describer) index(m *described) (bool, error) {
	for _, member := range m.doc.Manifests {
		name := m.name
		switch {
		case member.Platform != nil && member.Platform.OS != "unknown":
			name += "-" + member.Platform.Architecture
			if member.Platform.Variant != "" {
				name += "-" + member.Platform.Variant
			}
		case member.Annotations["vnd.docker.reference.type"] != "":
			name += "-attestation"
		}
		o, err := d.object(member, name, m.origin)
		if err != nil {
			return false, err
		}
		if o == nil {
			d.leave(m, "it lists %s: %s", member.Digest, d.left[member.Digest])
			return false, nil
		}
		m.members = append(m.members, o)
	}
	return d.subject(m)
}

// subject describes what a manifest or index refers to.
func (d *describer) subject(m *described) (bool, error) {
	if m.doc.Subject == nil {
		return true, nil
	}
	var o *described
	if i := slices.IndexFunc(d.Entries, func(e ocispec.Descriptor) bool { return e.Digest == m.doc.Subject.Digest }); i >= 0 {
		var err error
		if o, err = d.root(d.Entries[i]); err != nil {
			return false, err
		}
	} else if done := d.done[m.doc.Subject.Digest]; len(done) > 0 {
		o = done[0]
	}
	if o == nil {
		d.leave(m, "its subject %s is not among what is imported", m.doc.Subject.Digest)
		return false, nil
	}
	m.subject = o
	return true, nil
}
