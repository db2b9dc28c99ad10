package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// emptyIndex is the index.json that Init writes.
var emptyIndex = []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}` + "\n")

// Index is the content of index.json. Editing it changes nothing on disk; see
// PrepareSwap. It serves one goroutine at a time. What an edit does not concern keeps the bytes that it was read from:
// other entries, members that nobody knows, and white space.
type Index struct {
	// raw are the bytes that the index was read from, and read is their digest.
	raw  []byte
	read digest.Digest
	// head and tail are the document's bytes around the value of manifests.
	head, tail []byte
	// none is the value of manifests without elements: null, or an array.
	none []byte
	// entries holds removed ones too, so that the others keep their places.
	entries []entry
	// places are those of the entries that are not removed, computed on demand.
	places map[EntryName][]int
}

// entry is one element of manifests.
type entry struct {
	desc *ocispec.Descriptor
	// raw is the element as it was read, or as it will be written.
	raw []byte
	// lead and trail are the white space around it.
	lead, trail []byte
	removed     bool
}

// NewIndex is the Index of a layout that holds nothing.
func NewIndex() *Index {
	x, err := parseIndex(emptyIndex, jsondoc.Limits{})
	if err != nil {
		panic(err) // a test reads emptyIndex
	}
	return x
}

// indexDocument are the members of an index that are decoded.
type indexDocument struct {
	SchemaVersion int                   `json:"schemaVersion"`
	MediaType     string                `json:"mediaType"`
	Manifests     *[]ocispec.Descriptor `json:"manifests"`
	Config        jsontext.Value        `json:"config"`
	Layers        jsontext.Value        `json:"layers"`
}

// Index reads index.json by the strict rules of package jsondoc. When there is
// none the Index is empty. The error names index.json and what to do.
func (r *Reader) Index(ctx context.Context) (*Index, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	raw, err := r.readIndex()
	if err != nil {
		return nil, err
	}
	return r.parseIndex(raw)
}

// readIndex reads the bytes of index.json, nil when there is none.
func (r *Reader) readIndex() ([]byte, error) {
	raw, err := readFile(r.tree, indexFile, r.limits.Index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	return raw, nil
}

// parseIndex reads index.json from its bytes.
func (r *Reader) parseIndex(raw []byte) (*Index, error) {
	if raw == nil {
		raw = emptyIndex
	}
	x, err := parseIndex(raw, r.limits.IndexJSON())
	if err != nil {
		return nil, &IndexError{Name: r.name, Err: err}
	}
	return x, nil
}

func parseIndex(raw []byte, limits jsondoc.Limits) (*Index, error) {
	// Room for the entries, so that the list is not copied as it grows.
	room := make([]ocispec.Descriptor, 0, min(bytes.Count(raw, []byte(`"digest"`)), len(raw)/imagespec.MinDescriptor))
	doc := indexDocument{Manifests: &room}
	if err := jsondoc.Decode(raw, limits, &doc); err != nil {
		return nil, err
	}
	switch {
	case doc.SchemaVersion != 2:
		return nil, fmt.Errorf("its schemaVersion is %d, not 2", doc.SchemaVersion)
	case doc.MediaType != "" && doc.MediaType != ocispec.MediaTypeImageIndex:
		return nil, fmt.Errorf("its mediaType is %q, not %s", doc.MediaType, ocispec.MediaTypeImageIndex)
	case doc.Config != nil || doc.Layers != nil:
		return nil, errors.New("it has members of a manifest beside those of an index")
	}
	x := &Index{raw: raw, read: indexDigest(raw)}
	if doc.Manifests != nil {
		x.entries = make([]entry, 0, len(*doc.Manifests))
	}
	if err := x.split(raw); err != nil {
		return nil, err
	}
	for i := range x.entries {
		x.entries[i].desc = &(*doc.Manifests)[i]
		if err := checkDescriptor(*x.entries[i].desc); err != nil {
			return nil, fmt.Errorf("manifests[%d]: %w", i, err)
		}
	}
	return x, nil
}

// indexDigest is the digest of an index.json; empty where there is none. The one that
// Init writes stands for a layout that holds nothing, as does none at all.
func indexDigest(raw []byte) digest.Digest {
	if raw == nil || bytes.Equal(raw, emptyIndex) {
		return ""
	}
	return digest.FromBytes(raw)
}

// checkDescriptor checks what every descriptor must be, whatever it describes.
func checkDescriptor(desc ocispec.Descriptor) error {
	if err := desc.Digest.Validate(); err != nil && !errors.Is(err, digest.ErrDigestUnsupported) {
		return fmt.Errorf("the digest %q is malformed", string(desc.Digest))
	}
	if desc.Size < 0 {
		return fmt.Errorf("the size %d of %s is negative", desc.Size, desc.Digest)
	}
	return nil
}

// split finds the elements of manifests in raw, which is valid JSON.
func (x *Index) split(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if name.String() != "manifests" {
			if err := dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		return x.splitArray(raw, dec)
	}
	return errors.New("it has no member manifests")
}

func (x *Index) splitArray(raw []byte, dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	end := dec.InputOffset()
	if tok.Kind() == 'n' {
		// Some writers say null for an array without elements.
		x.none = []byte("null")
		x.head, x.tail = raw[:end-int64(len(x.none))], raw[end:]
		return nil
	}
	open := end - 1
	x.head = raw[:open]
	for dec.PeekKind() != ']' {
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		start, next := dec.InputOffset()-int64(len(value)), dec.InputOffset()
		between := raw[end:start]
		if n := len(x.entries); n > 0 {
			comma := bytes.IndexByte(between, ',')
			x.entries[n-1].trail = between[:comma]
			between = between[comma+1:]
		}
		x.entries = append(x.entries, entry{raw: raw[start:next], lead: between})
		end = next
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	next := dec.InputOffset()
	if n := len(x.entries); n > 0 {
		x.none = []byte("[]")
		x.entries[n-1].trail = raw[end : next-1]
	} else {
		x.none = raw[open:next]
	}
	x.tail = raw[next:]
	return nil
}

// Digest is the digest of the bytes that the Index was read from, whatever
// edits followed. It is empty for a layout that holds nothing: one without
// index.json, or with the one that Init writes.
func (x *Index) Digest() digest.Digest { return x.read }

// Raw is a copy of the bytes that the index was read from; none for a layout without one.
func (x *Index) Raw() []byte { return bytes.Clone(x.raw) }

// Unchanged reports whether Encode gives the bytes that the Index was read from.
func (x *Index) Unchanged() bool { return bytes.Equal(x.Encode(), x.raw) }

// Descriptors are the entries in the order of the file. The caller may keep
// and change the slice, but not what its elements point to.
func (x *Index) Descriptors() []ocispec.Descriptor {
	out := make([]ocispec.Descriptor, 0, len(x.entries))
	for _, e := range x.entries {
		if !e.removed {
			out = append(out, *e.desc)
		}
	}
	return out
}

// RefName is the ref name of an entry, empty when it has none.
func RefName(desc ocispec.Descriptor) string {
	return desc.Annotations[ocispec.AnnotationRefName]
}

// WithRefName is an entry with another ref name, or with none where that is empty.
func WithRefName(desc ocispec.Descriptor, name string) ocispec.Descriptor {
	annotations := maps.Clone(desc.Annotations)
	delete(annotations, ocispec.AnnotationRefName)
	if name != "" {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[ocispec.AnnotationRefName] = name
	}
	desc.Annotations = annotations
	return desc
}

// SameEntry reports whether two entries of index.json say the same. Lists and
// maps that are empty say nothing, as do those that are nil. What JSON cannot
// say, a string that is not UTF-8, is the same as nothing else.
func SameEntry(a, b ocispec.Descriptor) bool {
	one, err := jsondoc.Encode(a)
	two, otherErr := jsondoc.Encode(b)
	return err == nil && otherErr == nil && bytes.Equal(one, two)
}

// EntryName is what tells an entry of index.json from the others: its ref name or,
// without one, its digest. Entries of one name take each other's place.
type EntryName struct {
	ref  string
	dgst digest.Digest
}

// NameOf is the name of an entry with a ref name, which may be empty, and a digest.
func NameOf(ref string, dgst digest.Digest) EntryName {
	if ref != "" {
		return EntryName{ref: ref}
	}
	return EntryName{dgst: dgst}
}

func nameOf(desc ocispec.Descriptor) EntryName { return NameOf(RefName(desc), desc.Digest) }

// at lists the places of the entries of a name, in the order of the file. The
// first call looks at all entries.
func (x *Index) at(name EntryName) []int {
	if x.places == nil {
		x.places = make(map[EntryName][]int, len(x.entries))
		for i, e := range x.entries {
			if !e.removed {
				x.places[nameOf(*e.desc)] = append(x.places[nameOf(*e.desc)], i)
			}
		}
	}
	return x.places[name]
}

// Resolve returns the entries with the ref name ref: none, one, or several, for
// the image spec does not forbid that.
func (x *Index) Resolve(ref string) []ocispec.Descriptor {
	if ref == "" {
		return nil
	}
	return x.Entries(NameOf(ref, ""))
}

// Encode gives the bytes of the document. When nothing was changed they are
// those that it was read from.
func (x *Index) Encode() []byte {
	var out bytes.Buffer
	out.Write(x.head)
	before := byte('[')
	for _, e := range x.entries {
		if e.removed {
			continue
		}
		out.WriteByte(before)
		before = ','
		out.Write(e.lead)
		out.Write(e.raw)
		out.Write(e.trail)
	}
	if len(x.entries) > 0 {
		out.WriteByte(']')
	} else {
		out.Write(x.none)
	}
	out.Write(x.tail)
	return out.Bytes()
}
