package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// Directory is a layout directory as a Source and Destination.
type Directory struct {
	*Layout
	store *layout.Store
	batch *layout.Batch
	// from has the blobs where the Source is a layout, too.
	from *layout.Reader
}

// NewDirectory makes a Source and Destination of a layout. It serves one transfer.
func NewDirectory(store *layout.Store) *Directory {
	return &Directory{Layout: NewLayout(store.Reader, store.Dir()), store: store, batch: store.Batch()}
}

// From says which layout the Source is: blobs are then cloned where both are on a file
// system that can, and copied otherwise.
func (d *Directory) From(src *layout.Reader) { d.from = src }

// Has hashes a blob: one that is torn counts as absent.
func (d *Directory) Has(ctx context.Context, desc ocispec.Descriptor) (Presence, error) {
	state, err := d.store.Check(ctx, desc)
	if err != nil || state != layout.Intact {
		return Absent, err
	}
	return Present, nil
}

// PutBlob stores a blob.
func (d *Directory) PutBlob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error), _ string) (bool, error) {
	return false, d.batch.Put(ctx, desc, func(in *layout.Ingest) error {
		if d.from != nil {
			return in.CopyBlob(ctx, d.from, desc)
		}
		rc, err := open()
		if err != nil {
			return err
		}
		return errors.Join(in.CopyVerified(ctx, desc, rc), rc.Close())
	})
}

// PutManifest stores a manifest.
func (d *Directory) PutManifest(ctx context.Context, desc ocispec.Descriptor, data []byte) error {
	return d.batch.Put(ctx, desc, func(in *layout.Ingest) error {
		_, err := in.Write(data)
		return err
	})
}

// Flush makes blobs durable that came since the last time; see layout.Batch.
func (d *Directory) Flush(ctx context.Context) error { return d.batch.Flush(ctx) }

// Commit changes index.json in one swap: a tag for each tag, an entry without a
// ref name for a root without tags, and for each referrer that no entry has yet.
// Under the lock it makes sure that all content is still there.
func (d *Directory) Commit(ctx context.Context, c Commit) error {
	if err := d.store.SyncBlobs(ctx); err != nil {
		return err
	}
	_, _, err := d.store.Swap(ctx, func(x *layout.Index) error {
		for _, desc := range c.Content {
			ok, err := d.store.Exists(ctx, desc)
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("blob %s of %s was deleted while the copy went on; nothing in index.json was changed. Run the command again", desc.Digest, d.store.Dir())
			}
		}
		return setEntries(x, c.Roots, c.Referrers)
	})
	return err
}

// setEntries makes the entries of roots and of their referrers.
func setEntries(x *layout.Index, roots []Root, referrers []Referrer) error {
	for _, root := range roots {
		if err := setRoot(x, root); err != nil {
			return err
		}
	}
	return setReferrers(x, referrers)
}

// setRoot makes the entries of a root.
func setRoot(x *layout.Index, root Root) error {
	entry := root.Descriptor
	entry.URLs, entry.Data = nil, nil
	if len(root.Tags) == 0 {
		if registered(x, entry.Digest) {
			return nil
		}
		entry.Annotations = named(root.Descriptor, "")
		return x.Set(entry)
	}
	for _, tag := range root.Tags {
		have := digest.Digest("")
		if found := x.Resolve(tag.Name); len(found) > 0 {
			have = found[0].Digest
		}
		switch {
		case have == entry.Digest:
			continue
		case have != tag.Have:
			return &MovedError{Tag: tag.Name, Have: have, Seen: tag.Have}
		}
		entry.Annotations = named(root.Descriptor, tag.Name)
		if err := x.Set(entry); err != nil {
			return err
		}
	}
	return nil
}

// setReferrers registers referrers without a name: nothing else in a layout leads
// to them.
func setReferrers(x *layout.Index, referrers []Referrer) error {
	for _, r := range referrers {
		if r.Nested || registered(x, r.Descriptor.Digest) {
			continue
		}
		entry := identityOf(r.Descriptor)
		entry.ArtifactType = r.Descriptor.ArtifactType
		if err := x.Set(entry); err != nil {
			return err
		}
	}
	return nil
}

// registered reports whether index.json has an entry for a digest.
func registered(x *layout.Index, dgst digest.Digest) bool {
	for _, desc := range x.Descriptors() {
		if desc.Digest == dgst {
			return true
		}
	}
	return false
}

// named are the annotations of a descriptor as an entry of index.json, without
// the names that it had elsewhere.
func named(desc ocispec.Descriptor, name string) map[string]string {
	annotations := maps.Clone(desc.Annotations)
	delete(annotations, ocispec.AnnotationRefName)
	delete(annotations, "io.containerd.image.name")
	if name != "" {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[ocispec.AnnotationRefName] = name
	}
	if len(annotations) == 0 {
		return nil
	}
	return annotations
}
