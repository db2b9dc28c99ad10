package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Document is a decoded manifest or index.
type Document struct {
	SchemaVersion int    `json:"schemaVersion"`
	MediaType     string `json:"mediaType"`
	ArtifactType  string `json:"artifactType"`
	// Config and Layers are set for an image manifest.
	Config *ocispec.Descriptor  `json:"config"`
	Layers []ocispec.Descriptor `json:"layers"`
	// Manifests is set for an index.
	Manifests []ocispec.Descriptor `json:"manifests"`
	// Blobs is set for the artifact manifest of earlier drafts of the image spec.
	Blobs       []ocispec.Descriptor `json:"blobs"`
	Subject     *ocispec.Descriptor  `json:"subject"`
	Annotations map[string]string    `json:"annotations"`
}

// Successors are the descriptors in the document: config, layers, manifests,
// blobs, subject.
func (d *Document) Successors() []ocispec.Descriptor {
	var out []ocispec.Descriptor
	if d.Config != nil {
		out = append(out, *d.Config)
	}
	out = append(out, d.Layers...)
	out = append(out, d.Manifests...)
	out = append(out, d.Blobs...)
	if d.Subject != nil {
		out = append(out, *d.Subject)
	}
	return out
}

// ParseDocument reads a manifest or index of the given media type strictly: it
// refuses what one reader could take for a manifest and another for an index.
func ParseDocument(data []byte, mediaType string, limits jsondoc.Limits) (*Document, error) {
	doc, violations, err := ReadDocument(data, mediaType, limits)
	if err != nil {
		return nil, err
	}
	for _, v := range violations {
		// Go's writers say null for an empty list; everybody reads it as that.
		if v.Rule != RuleMemberNull {
			return nil, errors.New(v.Problem)
		}
	}
	for _, desc := range doc.Successors() {
		if err := checkDescriptor(desc); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// Rule is the id of a rule about documents: it is that of package validate.
type Rule string

// The rules that ReadDocument checks.
const (
	RuleSchemaVersion     Rule = "schema-version"
	RuleMediaTypeMismatch Rule = "media-type-mismatch"
	RuleMemberMissing     Rule = "member-missing"
	RuleMemberNull        Rule = "member-null"
	RuleMemberForeign     Rule = "member-foreign"
)

// Violation is a rule that a document breaks, where, and how.
type Violation struct {
	Rule Rule
	// Place is a member of the document.
	Place, Problem string
}

// ReadDocument reads a manifest or index and says how its members break the
// rules for documents of its media type.
func ReadDocument(data []byte, mediaType string, limits jsondoc.Limits) (*Document, []Violation, error) {
	var doc Document
	if err := jsondoc.Decode(data, limits, &doc); err != nil {
		return nil, nil, err
	}
	var members map[string]jsontext.Value
	if err := jsondoc.Decode(data, limits, &members); err != nil {
		return nil, nil, err
	}
	var violations []Violation
	if mediaType != imagespec.MediaTypeArtifactManifest && doc.SchemaVersion != 2 {
		violations = append(violations, Violation{RuleSchemaVersion, "schemaVersion", fmt.Sprintf("its schemaVersion is %d, not 2", doc.SchemaVersion)})
	}
	if doc.MediaType != "" && doc.MediaType != mediaType {
		violations = append(violations, Violation{RuleMediaTypeMismatch, "mediaType", fmt.Sprintf("its mediaType is %q, but it stands for %q", doc.MediaType, mediaType)})
	}
	wanted, barred := []string{"config", "layers"}, []string{"manifests", "blobs"}
	switch {
	case imagespec.IsIndex(mediaType):
		wanted, barred = []string{"manifests"}, []string{"config", "layers", "blobs"}
	case mediaType == imagespec.MediaTypeArtifactManifest:
		wanted, barred = nil, []string{"config", "layers", "manifests"}
	}
	for _, name := range wanted {
		value, ok := members[name]
		if !ok {
			violations = append(violations, Violation{RuleMemberMissing, name, fmt.Sprintf("it has no member %q", name)})
		} else if value.Kind() == 'n' {
			violations = append(violations, Violation{RuleMemberNull, name, fmt.Sprintf("its member %q is null", name)})
		}
	}
	for _, name := range barred {
		if _, ok := members[name]; ok {
			violations = append(violations, Violation{RuleMemberForeign, name, fmt.Sprintf("it has a member %q, which a %s must not have", name, mediaType)})
		}
	}
	return &doc, violations, nil
}

// Document reads the manifest or index of desc, verified and strictly.
func (r *Reader) Document(ctx context.Context, desc ocispec.Descriptor) (*Document, error) {
	data, err := r.ReadBlob(ctx, desc, 0)
	if err != nil {
		return nil, err
	}
	doc, err := ParseDocument(data, desc.MediaType, r.limits.Document())
	if err != nil {
		return nil, &BlobError{Digest: desc.Digest, Problem: "cannot be understood: " + err.Error(), Err: err}
	}
	return doc, nil
}

// Entries are the descriptors of index.json, as the roots of a walk through all that is in
// use. The error names a manifest or index among them that cannot be followed, for its
// digest is of an unknown algorithm.
func (r *Reader) Entries(x *Index) ([]ocispec.Descriptor, error) {
	entries := x.Descriptors()
	for i, desc := range entries {
		if err := unknownAlgorithm(desc); err != nil {
			return nil, fmt.Errorf("manifests[%d] of index.json in %s: %w", i, r.name, err)
		}
	}
	return entries, nil
}

// unknownAlgorithm is the error about a document that no blob can be found for, whatever
// blobs there are; nil for all others. The descriptor was checked when it was read.
func unknownAlgorithm(desc ocispec.Descriptor) error {
	if !imagespec.IsManifest(desc.MediaType) || isKnown(desc.Digest.Algorithm()) {
		return nil
	}
	_, err := blobPath(desc.Digest)
	return &BlobError{
		Digest: desc.Digest, Err: err,
		Problem: "has a digest of an algorithm that is not known: copy it again under sha256 or sha512, or remove this reference to it",
	}
}

// Reachable walks everything that roots lead to, roots included: through
// indexes and manifests to configs, layers and subjects, breadth first, each
// digest once, and once more for each media type of documents that it has
// elsewhere: what is a mere blob to one manifest may be an index to another. A
// document that is missing or torn, or whose digest is of an unknown algorithm, comes with an error and leads nowhere, one that
// is ErrOdd leads to all that it could mean; the walk goes on, and the caller decides whether it
// may. A missing one is errdef.ErrNotFound. A nesting or a number of
// descriptors over the limits ends the walk with an error without a descriptor.
func (r *Reader) Reachable(ctx context.Context, roots []ocispec.Descriptor) iter.Seq2[ocispec.Descriptor, error] {
	return func(yield func(ocispec.Descriptor, error) bool) {
		r.walk(ctx, roots, func(at Reached, _ []ocispec.Descriptor, err error) bool { return yield(at.Descriptor, err) })
	}
}

// Reached is a descriptor that a walk has come upon.
type Reached struct {
	ocispec.Descriptor
	// Root is the place, among the roots, of the one that led to it first; IsRoot is
	// set for that root itself.
	Root   int
	IsRoot bool
}

// ReachableFrom is Reachable that tells for each descriptor which root led to it.
func (r *Reader) ReachableFrom(ctx context.Context, roots []ocispec.Descriptor) iter.Seq2[Reached, error] {
	return func(yield func(Reached, error) bool) {
		r.walk(ctx, roots, func(at Reached, _ []ocispec.Descriptor, err error) bool { return yield(at, err) })
	}
}

// walk is ReachableFrom that visits each descriptor with its successors, until visit
// returns false.
func (r *Reader) walk(ctx context.Context, roots []ocispec.Descriptor, visit func(at Reached, successors []ocispec.Descriptor, err error) bool) {
	w := walker{seen: map[seenAs]bool{}, limit: r.limits.Descriptors}
	w.next = slices.Grow(w.next, min(len(roots), w.limit))
	for i, root := range roots {
		w.add([]ocispec.Descriptor{root}, "", i)
	}
	for depth := 1; len(w.next) > 0; depth++ {
		if depth > r.limits.GraphDepth+1 {
			visit(Reached{}, nil, fmt.Errorf("indexes and subjects are nested more than %d deep; the limit is there to stop hostile layouts", r.limits.GraphDepth))
			return
		}
		level := w.next
		w.next = nil
		for _, l := range level {
			more, err := r.successors(ctx, l.desc)
			if unknown := unknownAlgorithm(l.desc); err != nil && unknown != nil {
				if err = unknown; l.from != "" {
					err = fmt.Errorf("blob %s in %s: %w", l.from, r.name, unknown)
				}
			}
			if !visit(Reached{l.desc, l.root, l.from == ""}, more, err) {
				return
			}
			w.add(more, l.desc.Digest, l.root)
			if w.full {
				visit(Reached{}, nil, fmt.Errorf("there are more than %d descriptors", w.limit))
				return
			}
		}
	}
}

// walker collects what a walk has come upon.
type walker struct {
	seen  map[seenAs]bool
	limit int
	// next are descriptors that were not visited yet, each once: documents may repeat
	// them without measure. full is set when there were more than the limit.
	next []link
	full bool
}

// seenAs is what a walk visits once.
type seenAs struct {
	digest digest.Digest
	// document is the media type of a document, empty for other blobs.
	document string
}

// link is a descriptor, the blob that it is in, none for roots, and the place of the
// root that led to it.
type link struct {
	desc ocispec.Descriptor
	from digest.Digest
	root int
}

// add adds the descriptors of a document that a root led to.
func (w *walker) add(list []ocispec.Descriptor, from digest.Digest, root int) {
	w.next = slices.Grow(w.next, min(len(list), w.limit-len(w.seen)))
	for _, desc := range list {
		v := seenAs{digest: desc.Digest}
		if imagespec.IsManifest(desc.MediaType) {
			v.document = desc.MediaType
		}
		switch {
		case w.seen[v]:
		case len(w.seen) == w.limit:
			w.full = true
			return
		default:
			w.seen[v] = true
			w.next = append(w.next, link{desc, from, root})
		}
	}
}

// Describe describes the blob of dgst by its content: a manifest or an index by
// its media type, anything else as application/octet-stream. The error is
// fs.ErrNotExist when there is no such blob, and another when its content is not
// that of its name, or a JSON document that cannot be understood.
func (r *Reader) Describe(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: dgst}
	if err := ctx.Err(); err != nil {
		return desc, err
	}
	f, info, err := r.openBlob(dgst)
	if err != nil {
		return desc, err
	}
	desc.Size = info.Size()
	if err := f.Close(); err != nil || desc.Size > r.limits.Manifest {
		return desc, err
	}
	data, err := r.ReadBlob(ctx, desc, 0)
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return desc, err
	}
	var doc indexDocument
	if err := jsondoc.Decode(data, r.limits.Document(), &doc); err != nil {
		return desc, &BlobError{Digest: dgst, Problem: "cannot be understood: " + err.Error(), Err: err}
	}
	switch {
	case imagespec.IsManifest(doc.MediaType):
		desc.MediaType = doc.MediaType
	case doc.MediaType == "" && doc.SchemaVersion == 2 && doc.Manifests != nil:
		desc.MediaType = ocispec.MediaTypeImageIndex
	case doc.MediaType == "" && doc.SchemaVersion == 2 && doc.Config != nil && doc.Layers != nil:
		desc.MediaType = ocispec.MediaTypeImageManifest
	}
	return desc, nil
}

// BlobDigests is the set of the digests that Blobs lists.
func (r *Reader) BlobDigests(ctx context.Context) (map[digest.Digest]bool, error) {
	there := map[digest.Digest]bool{}
	for blob, err := range r.Blobs(ctx) {
		if err != nil {
			return nil, err
		}
		there[blob.Digest] = true
	}
	return there, nil
}

// Predecessors lists the manifests and indexes that refer to desc, as their config,
// layer, manifest or subject, among those that index.json reaches: those that have
// it as their subject are its referrers. A document that is missing refers to
// nothing; any other that cannot be read is an error.
func (r *Reader) Predecessors(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	x, err := r.Index(ctx)
	if err != nil {
		return nil, err
	}
	var found []ocispec.Descriptor
	var broken error
	listed := map[digest.Digest]bool{}
	r.walk(ctx, x.Descriptors(), func(at Reached, successors []ocispec.Descriptor, err error) bool {
		from := at.Descriptor
		if err != nil && !errors.Is(err, errdef.ErrNotFound) && !errors.Is(err, ErrOdd) {
			broken = err
			return false
		}
		refers := slices.ContainsFunc(successors, func(to ocispec.Descriptor) bool { return to.Digest == desc.Digest })
		if refers && !listed[from.Digest] {
			listed[from.Digest] = true
			from.Annotations, from.Platform, from.Data = nil, nil, nil // those of the place where it was met
			found = append(found, from)
		}
		return true
	})
	return found, broken
}
