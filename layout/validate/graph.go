package validate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// edge is a descriptor with its place.
type edge struct {
	desc ocispec.Descriptor
	// object is the document that holds the descriptor, place where in it.
	object, place string
	// role is the role of the descriptor in its document.
	role role
	// depth counts the documents above.
	depth int
}

// role is the role of a descriptor in its document.
type role int

const (
	roleEntry    role = iota // an entry of index.json
	roleManifest             // an entry of another index
	roleConfig
	roleLayer
	roleSubject
)

// index checks index.json and everything that it leads to.
func (a *validator) index(ctx context.Context) {
	data := a.file(ocispec.ImageIndexFile, a.limits.Index, RuleIndexMissing, RuleDocumentUnreadable)
	if data == nil {
		return
	}
	doc := a.document(ocispec.ImageIndexFile, data, ocispec.MediaTypeImageIndex, a.limits.IndexJSON())
	if doc == nil {
		return
	}
	a.refNames(doc.Manifests)
	w := graphWalk{validator: a, seen: map[digest.Digest]bool{}, queued: map[queuedAs]bool{}}
	level := w.check(ctx, a.edges(doc, ocispec.ImageIndexFile, roleEntry, 0))
	for depth := 1; len(level) > 0 && !a.stopped && !w.full; depth++ {
		var next []edge
		for _, e := range level {
			below := a.follow(e)
			if depth > a.limits.GraphDepth && len(below) > 0 {
				a.breach(RuleGraphDepth, below[0].object, below[0].place, fmt.Sprintf("documents are nested more than %d deep; the rest was not checked", a.limits.GraphDepth))
				return
			}
			next = append(next, w.check(ctx, below)...)
		}
		level = next
	}
}

// graphWalk is the walk of a validator through all documents.
type graphWalk struct {
	*validator
	// seen are the digests met so far, and queued the descriptors that were to be followed.
	seen   map[digest.Digest]bool
	queued map[queuedAs]bool
	// uses counts descriptors, those that documents repeat included.
	uses int
	// full is set when there were too many.
	full bool
}

// queuedAs is what is followed once.
type queuedAs struct {
	digest    digest.Digest
	mediaType string
}

// repeats is how often, on average, each of the most descriptors may occur.
const repeats = 10

// check checks the descriptors of one document, and gives those that lead on and that were
// not met before: no more is kept, for documents may repeat descriptors without measure.
func (w *graphWalk) check(ctx context.Context, edges []edge) (follow []edge) {
	for _, e := range edges {
		if err := ctx.Err(); err != nil {
			w.fail(err)
		}
		if w.stopped || w.full {
			return nil
		}
		w.uses++
		w.seen[e.desc.Digest] = true
		if most := w.limits.Descriptors; len(w.seen) > most || w.uses > repeats*most {
			w.full = true
			w.breach(RuleGraphSize, e.object, e.place, fmt.Sprintf("there are more than %d descriptors, or %d with repetitions; the rest was not checked", most, repeats*most))
			return nil
		}
		w.descriptor(e)
		as := queuedAs{e.desc.Digest, e.desc.MediaType}
		if e.role != roleConfig && e.role != roleLayer && !w.queued[as] {
			w.queued[as] = true
			follow = append(follow, e)
		}
	}
	return follow
}

// document reads a document and checks its members; nil when it makes no sense.
func (a *validator) document(object string, data []byte, mediaType string, limits jsondoc.Limits) *layout.Document {
	doc, breaches, err := layout.ReadDocument(data, mediaType, limits)
	if err != nil {
		a.breach(RuleDocumentUnreadable, object, "", err.Error())
		return nil
	}
	for _, b := range breaches {
		a.breach(Rule(b.Rule), object, b.Place, b.Problem)
	}
	a.shape(object, data, documentShape)
	if doc.MediaType == "" {
		a.breach(RuleMediaTypeAbsent, object, "mediaType", "it does not say its mediaType")
	}
	if doc.ArtifactType != "" && !imagespec.IsMediaType(doc.ArtifactType) {
		a.breach(RuleArtifactType, object, "artifactType", fmt.Sprintf("%q is no media type", doc.ArtifactType))
	}
	a.annotations(object, "annotations", doc.Annotations)
	return doc
}

// edges are the descriptors of a document, each with its place.
func (a *validator) edges(doc *layout.Document, object string, entries role, depth int) []edge {
	var out []edge
	add := func(desc ocispec.Descriptor, place string, r role) {
		out = append(out, edge{desc: desc, object: object, place: place, role: r, depth: depth + 1})
	}
	if doc.Config != nil {
		add(*doc.Config, "config", roleConfig)
	}
	for i, d := range doc.Layers {
		add(d, fmt.Sprintf("layers[%d]", i), roleLayer)
	}
	for i, d := range doc.Manifests {
		add(d, fmt.Sprintf("manifests[%d]", i), entries)
	}
	for i, d := range doc.Blobs {
		add(d, fmt.Sprintf("blobs[%d]", i), roleLayer)
	}
	if doc.Subject != nil {
		add(*doc.Subject, "subject", roleSubject)
	}
	return out
}

// follow reads the document of an edge, once, and gives the edges in it.
func (a *validator) follow(e edge) []edge {
	desc := e.desc
	if e.role == roleConfig || e.role == roleLayer {
		return nil
	}
	if !imagespec.IsManifest(desc.MediaType) {
		a.disguised(e)
		return nil
	}
	if a.known[desc.Digest] {
		return nil
	}
	a.known[desc.Digest] = true
	name, data := a.content(desc)
	if data == nil {
		return nil
	}
	doc := a.document(name, data, desc.MediaType, a.limits.Document())
	if doc == nil {
		return nil
	}
	if imagespec.IsIndex(desc.MediaType) {
		a.platforms(doc, name)
	} else {
		a.manifest(doc, name, desc)
	}
	return a.edges(doc, name, roleManifest, e.depth)
}

// disguised checks an entry among manifests with an unknown media type: its content may
// be a manifest. That is allowed, but not for a document that says what it is.
func (a *validator) disguised(e edge) {
	if e.desc.Size > a.limits.Manifest || a.verified[e.desc.Digest] {
		return
	}
	_, data := a.content(e.desc)
	var doc struct {
		MediaType string `json:"mediaType"`
	}
	if data == nil || jsondoc.Decode(data, a.limits.Document(), &doc) != nil || !imagespec.IsManifest(doc.MediaType) {
		return
	}
	a.breach(RuleMediaTypeMismatch, e.object, e.place+".mediaType", fmt.Sprintf("it is %q, but the document says that it is %q", e.desc.MediaType, doc.MediaType))
}

// content reads the blob of a document or config and verifies it; nil when it
// is missing, torn or too large, of which the last two are reported.
func (a *validator) content(desc ocispec.Descriptor) (string, []byte) {
	name, ok := a.blobName(desc.Digest)
	if size, exists := a.blobs[desc.Digest]; !ok || !exists || size != desc.Size {
		return name, nil
	}
	data := a.file(name, a.limits.Manifest, RuleBlobMissing, RuleDocumentUnreadable)
	if data == nil {
		return name, nil
	}
	a.verified[desc.Digest] = true
	if got := desc.Digest.Algorithm().FromBytes(data); got != desc.Digest {
		a.breach(RuleBlobDigest, name, "", fmt.Sprintf("its content has the digest %s", got))
		return name, nil
	}
	return name, data
}

// blobName is the file of a blob of any algorithm that can be verified.
func (a *validator) blobName(dgst digest.Digest) (string, bool) {
	if dgst.Validate() != nil {
		return "", false
	}
	return imagespec.BlobPath(dgst), true
}

// refNames checks the ref names of index.json.
func (a *validator) refNames(entries []ocispec.Descriptor) {
	first := map[string]int{}
	for i, d := range entries {
		ref, ok := d.Annotations[ocispec.AnnotationRefName]
		if !ok {
			continue
		}
		place := fmt.Sprintf("manifests[%d]", i)
		if !imagespec.IsRefName(ref) {
			a.breach(RuleRefNameGrammar, ocispec.ImageIndexFile, place, fmt.Sprintf("the ref name %q is not of the form that the image spec gives", ref))
		}
		j, twice := first[ref]
		if !twice {
			first[ref] = i
			continue
		}
		// One name for the manifests of several platforms is unambiguous.
		if samePlatform(entries[j].Platform, d.Platform) {
			a.breach(RuleRefNameDuplicate, ocispec.ImageIndexFile, place, fmt.Sprintf("the ref name %q stands at manifests[%d] already", ref, j))
		}
	}
}

// missing reports a blob that a descriptor describes and that is not there.
func (a *validator) missing(e edge, name string) {
	// A subject is a weak reference: the image spec lets it be elsewhere.
	if a.opts.Sparse || e.role == roleSubject {
		return
	}
	if r, _, err := a.open(name); err == nil {
		r.Close()
		return
	} else if !errors.Is(err, fs.ErrNotExist) {
		return // reported where the files were checked
	}
	if home := a.opts.Homes[e.desc.Digest]; home != "" {
		a.breach(RuleBlobElsewhere, e.object, e.place, fmt.Sprintf("the blob %s is not in the layout, but in %s", e.desc.Digest, home))
		return
	}
	a.breach(RuleBlobMissing, e.object, e.place, fmt.Sprintf("the blob %s is not in the layout", e.desc.Digest))
}
