package registry

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Put is how a manifest is pushed. The zero value keeps it by its digest.
type Put struct {
	// MediaType is that of the manifest; empty where the manifest says it itself.
	MediaType string
	// Digest is the digest that the manifest must have; empty for any.
	Digest digest.Digest
	// Tags are set to the manifest, all at once. Without any it is kept by its digest.
	Tags []string
	// If must hold for each of Tags or, where there are none, for the manifest itself.
	If Condition
}

// Condition is what a tag must be before it is changed. The zero value is no condition.
type Condition struct {
	// Digest is the digest that it has.
	Digest digest.Digest
	// Present is set for one that exists, and Absent for one that does not.
	Present, Absent bool
}

// holds reports whether the condition is met by the present digest, empty for none.
func (c Condition) holds(have digest.Digest) bool {
	return (c.Digest == "" || c.Digest == have) && !(c.Present && have == "") && !(c.Absent && have != "")
}

// Pushed is the result of PushManifest.
type Pushed struct {
	Descriptor ocispec.Descriptor
	// Subject is the digest that the manifest refers to; empty for none. It is listed
	// among the referrers of that from now on.
	Subject digest.Digest
	// Changed reports whether index.json is another one now.
	Changed bool
}

// tooLarge is the error about a manifest of more bytes than readers take.
func (r *Repository) tooLarge(size int64) error {
	return &Error{Code: CodeSizeInvalid, Repository: r.name, Message: fmt.Sprintf("the manifest has %d bytes; the limit is %d", size, imagespec.MaxDocument)}
}

// PushManifest stores a manifest and sets its tags, in one swap of index.json. What a tag
// led to stays, by its digest. The error is CodeManifestBlobUnknown where the repository
// does not have what it names, unless that is its subject, has URLs, or may be absent by
// Options.Sparse; CodeDenied for an immutable tag; or a *PreconditionError.
func (r *Repository) PushManifest(ctx context.Context, data []byte, p Put) (Pushed, error) {
	desc, doc, err := r.readPut(data, p)
	if err != nil {
		return Pushed{}, err
	}
	o, err := r.writable(string(desc.Digest))
	if err != nil {
		return Pushed{}, err
	}
	defer o.release()
	out := Pushed{Descriptor: desc}
	if doc.Subject != nil {
		out.Subject = doc.Subject.Digest
	}
	store := func() error {
		_, err := o.store.PutBlob(ctx, desc, nil, func(in *layout.Ingest) error { _, err := in.Write(data); return err })
		return errors.Join(err, o.store.SyncBlobs(ctx))
	}
	// Before the lock is taken: what takes long does not keep others.
	if err := store(); err != nil {
		return Pushed{}, err
	}
	out.Changed, err = r.change(ctx, o, p, func(ctx context.Context, c *change) error {
		if there, err := o.store.Exists(ctx, desc); err != nil {
			return err
		} else if !there {
			if err := store(); err != nil { // a GC was faster
				return err
			}
		}
		if err := c.complete(ctx, desc, doc); err != nil {
			return err
		}
		return c.set(ctx, desc, doc)
	})
	if err != nil {
		return Pushed{}, err
	}
	return out, o.endLeases(ctx, r.full, doc)
}

// endLeases ends the leases of the blobs that a manifest leads to now.
func (o *opened) endLeases(ctx context.Context, repo string, doc *layout.Document) error {
	for _, to := range doc.Successors() {
		if checkDigest(repo, to.Digest) != nil {
			continue // of an algorithm that no blob has
		}
		if _, err := o.store.EndLease(ctx, repo, to.Digest); err != nil {
			return err
		}
	}
	return nil
}

// readPut checks a manifest that is pushed, and describes it.
func (r *Repository) readPut(data []byte, p Put) (ocispec.Descriptor, *layout.Document, error) {
	desc := ocispec.Descriptor{MediaType: p.MediaType, Size: int64(len(data))}
	fail := func(code Code, cause error, format string, args ...any) (ocispec.Descriptor, *layout.Document, error) {
		return desc, nil, &Error{Code: code, Repository: r.name, Reference: string(p.Digest), Message: fmt.Sprintf(format, args...), Err: cause}
	}
	if desc.Size > imagespec.MaxDocument {
		return desc, nil, r.tooLarge(desc.Size)
	}
	for _, tag := range p.Tags {
		if err := checkTag(r.name, tag); err != nil {
			return desc, nil, err
		}
	}
	algorithm := digest.SHA256
	if p.Digest != "" {
		if err := checkDigest(r.name, p.Digest); err != nil {
			return desc, nil, err
		}
		algorithm = p.Digest.Algorithm()
	}
	desc.Digest = algorithm.FromBytes(data)
	if p.Digest != "" && p.Digest != desc.Digest {
		return fail(CodeDigestInvalid, nil, "the manifest that came has the digest %s; send it again", desc.Digest)
	}
	var said struct {
		MediaType string `json:"mediaType"`
	}
	limits := r.reg.opts.Layout.Limits.Document()
	if err := jsondoc.Decode(data, limits, &said); err != nil {
		return fail(CodeManifestInvalid, err, "the manifest cannot be understood: %v", err)
	}
	if desc.MediaType == "" {
		desc.MediaType = said.MediaType
	}
	if !imagespec.IsManifest(desc.MediaType) {
		return fail(CodeManifestInvalid, nil, "%q is no media type of a manifest or an index; name one, such as %s", desc.MediaType, ocispec.MediaTypeImageManifest)
	}
	doc, err := layout.ParseDocument(data, desc.MediaType, limits)
	if err != nil {
		return fail(CodeManifestInvalid, err, "the manifest cannot be understood: %v", err)
	}
	return desc, doc, nil
}

// change is an edit of the entries of one repository.
type change struct {
	r     *Repository
	o     *opened
	put   Put
	index *layout.Index
	// entries and scope are from before the change.
	entries *entries
	scope   *scope
}

// change edits the entries of the repository under the lock, and reports whether
// index.json is another one now.
func (r *Repository) change(ctx context.Context, o *opened, p Put, edit func(context.Context, *change) error) (bool, error) {
	before, after, err := o.store.Swap(ctx, func(x *layout.Index) error {
		c := &change{r: r, o: o, put: p, index: x}
		c.entries = o.contentOf(x).entries(r.full)
		var err error
		if c.scope, err = o.reached(ctx, c.entries); err != nil {
			return err
		}
		return edit(ctx, c)
	})
	return before != after, err
}

// complete checks that all is there that a manifest brings into the repository: all that
// its scope will have through it.
func (c *change) complete(ctx context.Context, desc ocispec.Descriptor, doc *layout.Document) error {
	if c.r.reg.sparse {
		return nil
	}
	var missing []digest.Digest
	check := func(to ocispec.Descriptor, has func(context.Context, ocispec.Descriptor) (bool, error)) error {
		there, err := has(ctx, to)
		if err == nil && !there && !slices.Contains(missing, to.Digest) {
			missing = append(missing, to.Digest)
		}
		return err
	}
	brings := remember(desc, doc)
	for _, to := range brings.blobs {
		if len(to.URLs) > 0 {
			continue
		}
		if err := check(to, c.hasBlob); err != nil {
			return err
		}
	}
	for _, to := range brings.manifests {
		if err := check(to, c.hasManifest); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &Error{Code: CodeManifestBlobUnknown, Repository: c.r.name, Reference: string(desc.Digest), Digests: missing,
		Message: fmt.Sprintf("the manifest names %d blobs or manifests that the repository does not have, first %s; push them before it", len(missing), missing[0])}
}

// hasManifest reports whether the repository has a manifest that an index names, of that
// size. One that was pushed as a blob does not count: nobody looked at what it names.
func (c *change) hasManifest(ctx context.Context, to ocispec.Descriptor) (bool, error) {
	if _, ok := c.scope.manifests[to.Digest]; !ok {
		return false, nil
	}
	return c.o.store.Exists(ctx, to)
}

// hasBlob reports whether the repository has a blob that a manifest names, of that size.
func (c *change) hasBlob(ctx context.Context, to ocispec.Descriptor) (bool, error) {
	if checkDigest(c.r.name, to.Digest) != nil {
		return false, nil
	}
	_, manifest := c.scope.manifests[to.Digest]
	_, blob := c.scope.blobs[to.Digest]
	if !manifest && !blob {
		leased, err := c.o.store.Leased(ctx, c.r.full, to.Digest)
		if err != nil || !leased {
			return false, err
		}
	}
	return c.o.store.Exists(ctx, to)
}

// set makes a manifest that of the tags, or one without a tag.
func (c *change) set(ctx context.Context, desc ocispec.Descriptor, doc *layout.Document) error {
	if len(c.put.Tags) == 0 {
		have := digest.Digest("")
		_, there := c.scope.manifests[desc.Digest]
		if there {
			have = desc.Digest
		}
		if !c.put.If.holds(have) {
			return &PreconditionError{Repository: c.r.name, Reference: string(desc.Digest), Have: have}
		}
		if there {
			return nil
		}
		return errors.Join(c.keep(desc), c.absorb(desc, doc))
	}
	var moved []ocispec.Descriptor
	for _, tag := range c.put.Tags {
		old, err := c.allowed(tag, desc.Digest)
		if err != nil {
			return err
		}
		moved = append(moved, old...)
	}
	for _, tag := range c.put.Tags {
		if err := c.setTag(tag, desc); err != nil {
			return err
		}
	}
	if err := c.absorb(desc, doc); err != nil {
		return err
	}
	return c.retain(ctx, moved)
}

// allowed checks that a tag may become a digest, and gives what it was before; empty for
// a deletion.
func (c *change) allowed(tag string, next digest.Digest) ([]ocispec.Descriptor, error) {
	old := c.entries.tags[tag]
	have := digest.Digest("")
	if len(old) > 0 {
		have = old[0].Digest
	}
	if !c.put.If.holds(have) {
		return nil, &PreconditionError{Repository: c.r.name, Reference: tag, Have: have}
	}
	if have == "" || have == next && len(old) == 1 {
		return nil, nil
	}
	for _, pattern := range c.r.reg.opts.Immutable {
		if match, err := path.Match(pattern, tag); err != nil || match {
			return nil, errors.Join(err, &Error{Code: CodeDenied, Repository: c.r.name, Reference: tag, Message: fmt.Sprintf("the tag is immutable, and is %s; choose another tag", have), Err: ErrImmutable})
		}
	}
	return old, nil
}

// setTag makes a tag that of a manifest. An entry that has it already keeps its bytes.
func (c *change) setTag(tag string, desc ocispec.Descriptor) error {
	names := c.o.names.tagged(c.r.full, tag)
	at := names[0]
	for i, name := range names {
		found := c.index.Resolve(name)
		switch {
		case len(found) == 0:
		case i == 0 || len(c.index.Resolve(names[0])) == 0:
			at = name
			if len(found) == 1 && sameBlob(found[0], desc) {
				return nil
			}
		default:
			c.index.Remove(name) // two spellings of one tag
		}
	}
	return c.index.Set(layout.WithRefName(plain(desc), at))
}

// keep adds an entry for a manifest without a tag.
func (c *change) keep(desc ocispec.Descriptor) error {
	return c.index.Set(layout.WithRefName(plain(desc), c.o.names.untagged(c.r.full, desc.Digest)))
}

// absorb removes the entries without a tag that a manifest makes needless: its own, where
// it has a tag now, and those of the manifests that it names.
func (c *change) absorb(desc ocispec.Descriptor, doc *layout.Document) error {
	if len(c.put.Tags) > 0 {
		c.index.Remove(c.o.names.untagged(c.r.full, desc.Digest))
	}
	if doc == nil {
		return nil
	}
	for _, to := range doc.Manifests {
		c.index.Remove(c.o.names.untagged(c.r.full, to.Digest))
	}
	return nil
}

// retain keeps, by their digests, manifests that lost a tag and would not be in the
// repository any more.
func (c *change) retain(ctx context.Context, moved []ocispec.Descriptor) error {
	if len(moved) == 0 {
		return nil
	}
	after, err := c.o.reached(ctx, c.o.contentOf(c.index).entries(c.r.full))
	if err != nil {
		return err
	}
	for _, desc := range moved {
		if _, there := after.manifests[desc.Digest]; there {
			continue
		}
		if there, err := c.o.store.Exists(ctx, desc); err != nil {
			return err
		} else if !there {
			continue // nothing is lost that was there
		}
		if err := c.keep(desc); err != nil {
			return err
		}
	}
	return nil
}
