package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// known is the content of a layout as far as it was read. index.json is read again when
// it has changed, and documents, whose digests are their content, once.
type known struct {
	mu   sync.Mutex
	last *layout.Sighting
	now  *content

	docsMu sync.Mutex
	docs   map[docKey]*document
	// size is the number of bytes that the documents had.
	size int64
}

// content is what one index.json says of repositories.
type content struct {
	repos map[string]*entries
	// names are the names of the repositories, sorted.
	names []string
	// loose are the manifests without a ref name: those that refer to a manifest of a
	// repository belong to it.
	loose []ocispec.Descriptor
}

// entries are the entries of index.json that belong to one repository.
type entries struct {
	// tags are the descriptors of each tag: one, or several where index.json names it
	// more than once.
	tags map[string][]ocispec.Descriptor
	// tagNames are the tags, sorted.
	tagNames []string
	// roots are all entries, each digest and media type once.
	roots []ocispec.Descriptor
	// loose are those of the content.
	loose []ocispec.Descriptor
	// many is set where the layout has other repositories, too.
	many bool

	mu    sync.Mutex
	scope *scope
}

// content reads index.json where it has changed.
func (o *opened) content(ctx context.Context) (*content, error) {
	k := o.known
	k.mu.Lock()
	defer k.mu.Unlock()
	last, err := o.store.Sight(ctx, k.last)
	if err != nil {
		return nil, err
	}
	if !last.Exists() && o.store.Initialised() {
		// It is written before the file that makes the directory a layout, so that it is
		// there now where another process has just done that.
		last, err = o.store.Sight(ctx, k.last)
		if err == nil && !last.Exists() {
			err = fmt.Errorf("%s has no index.json; restore it, or let layform layout repair write one", o.store.Dir())
		}
		if err != nil {
			return nil, err
		}
	}
	if k.now == nil || last.Index != k.last.Index {
		k.now = o.names.read(last.Index, k.now)
	}
	k.last = last
	return k.now, nil
}

// contentOf is the content of an index that is being edited. What is known of other
// entries is not read again.
func (o *opened) contentOf(x *layout.Index) *content {
	k := o.known
	k.mu.Lock()
	last, now := k.last, k.now
	k.mu.Unlock()
	if last != nil && x.Digest() == last.Index.Digest() && x.Unchanged() {
		return now
	}
	return o.names.read(x, now)
}

// read sorts the entries of an index by repository. What before knows of repositories
// whose entries are the same is kept.
func (n naming) read(x *layout.Index, before *content) *content {
	c := &content{repos: map[string]*entries{}}
	for _, desc := range x.Descriptors() {
		if layout.RefName(desc) == "" && imagespec.IsManifest(desc.MediaType) {
			c.loose = append(c.loose, plain(desc))
		}
		repo, tag, ok := n.parse(desc)
		if !ok {
			continue
		}
		e := c.repos[repo]
		if e == nil {
			e = &entries{tags: map[string][]ocispec.Descriptor{}}
			c.repos[repo] = e
		}
		e.add(tag, plain(desc))
	}
	for name, e := range c.repos {
		e.tagNames = slices.Sorted(maps.Keys(e.tags))
		e.roots = unique(e.roots)
		e.loose, e.many = c.loose, len(c.repos) > 1
		if before != nil {
			e.inherit(before.repos[name])
		}
	}
	c.names = slices.Sorted(maps.Keys(c.repos))
	return c
}

// add adds an entry with a tag, or none. A tag has each digest once.
func (e *entries) add(tag string, desc ocispec.Descriptor) {
	e.roots = append(e.roots, desc)
	if tag == "" {
		return
	}
	for _, have := range e.tags[tag] {
		if have.Digest == desc.Digest {
			return
		}
	}
	e.tags[tag] = append(e.tags[tag], desc)
}

// inherit takes over the scope of the same entries.
func (e *entries) inherit(before *entries) {
	if before == nil || !slices.EqualFunc(e.roots, before.roots, sameBlob) || !slices.EqualFunc(e.loose, before.loose, sameBlob) {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	if e.many == before.many {
		e.scope = before.scope
	}
}

func sameBlob(a, b ocispec.Descriptor) bool {
	return a.Digest == b.Digest && a.MediaType == b.MediaType && a.Size == b.Size
}

// unique leaves out repeated blobs.
func unique(list []ocispec.Descriptor) []ocispec.Descriptor {
	seen := make(map[docKey]bool, len(list))
	return slices.DeleteFunc(list, func(d ocispec.Descriptor) bool {
		key := docKey{d.Digest, d.MediaType}
		was := seen[key]
		seen[key] = true
		return was
	})
}

// plain is a descriptor without what belongs to the place where it was met.
func plain(desc ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
}

// tag resolves a tag; false where there is none.
func (e *entries) tag(repo, tag string) (ocispec.Descriptor, bool, error) {
	found := e.tags[tag]
	switch len(found) {
	case 0:
		return ocispec.Descriptor{}, false, nil
	case 1:
		return found[0], true, nil
	}
	return ocispec.Descriptor{}, false, fmt.Errorf("%s names %d manifests in index.json, of which %s is the first; set or delete the tag", spot(repo, tag), len(found), found[0].Digest)
}

// entries are those of the repository; ones without any where it does not exist.
func (c *content) entries(repo string) *entries {
	if e := c.repos[repo]; e != nil {
		return e
	}
	return &entries{}
}

// docKey names a document: its meaning depends on its media type.
type docKey struct {
	digest    digest.Digest
	mediaType string
}

// document is what is remembered of a manifest or index.
type document struct {
	// manifests are those that an index names, and blobs config, layers and what else.
	manifests, blobs []ocispec.Descriptor
	subject          digest.Digest
	// referrer is the descriptor in lists of referrers, where there is a subject.
	referrer ocispec.Descriptor
	size     int64
}

// maxDocuments is the number of bytes of documents that are remembered.
const maxDocuments = 64 << 20

// document reads a manifest or index.
func (o *opened) document(ctx context.Context, desc ocispec.Descriptor) (*document, error) {
	key := docKey{desc.Digest, desc.MediaType}
	k := o.known
	k.docsMu.Lock()
	doc := k.docs[key]
	k.docsMu.Unlock()
	if doc != nil {
		return doc, nil
	}
	read, err := o.store.Document(ctx, desc)
	if err != nil {
		return nil, err
	}
	doc = remember(desc, read)
	k.docsMu.Lock()
	defer k.docsMu.Unlock()
	if k.size += doc.size; k.size > maxDocuments {
		clear(k.docs)
		k.size = doc.size
	}
	k.docs[key] = doc
	return doc, nil
}

// remember keeps of a document what is asked for again.
func remember(desc ocispec.Descriptor, read *layout.Document) *document {
	doc := &document{size: desc.Size}
	for _, to := range read.Manifests {
		if imagespec.IsManifest(to.MediaType) {
			doc.manifests = append(doc.manifests, plain(to))
		} else {
			doc.blobs = append(doc.blobs, plain(to))
		}
	}
	for _, to := range slices.Concat(read.Layers, read.Blobs) {
		blob := plain(to)
		blob.URLs = to.URLs
		doc.blobs = append(doc.blobs, blob)
	}
	if read.Config != nil {
		doc.blobs = append(doc.blobs, plain(*read.Config))
	}
	if read.Subject == nil {
		return doc
	}
	doc.subject, doc.referrer = read.Subject.Digest, plain(desc)
	doc.referrer.ArtifactType, doc.referrer.Annotations = ArtifactType(read), read.Annotations
	return doc
}

// ArtifactType is the artifact type of a manifest in lists of referrers: its own or,
// where it has none, the media type of its config.
func ArtifactType(doc *layout.Document) string {
	if doc.ArtifactType == "" && doc.Config != nil {
		return doc.Config.MediaType
	}
	return doc.ArtifactType
}
