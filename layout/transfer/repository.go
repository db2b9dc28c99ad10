package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/remote"
)

// Repository is a repository of a registry as a Source and Destination.
type Repository struct {
	repo *remote.Repository

	mu sync.Mutex
	// seen are manifests that a tag was found to name.
	seen map[digest.Digest]bool
	// unlisted are manifests whose subject the registry did not acknowledge.
	unlisted map[digest.Digest]ocispec.Descriptor
}

// NewRepository makes a Source and Destination of repo. It serves one transfer.
func NewRepository(repo *remote.Repository) *Repository {
	return &Repository{repo: repo, seen: map[digest.Digest]bool{}, unlisted: map[digest.Digest]ocispec.Descriptor{}}
}

// Fetch reads content; see remote.Repository.
func (r *Repository) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	return r.repo.Fetch(ctx, desc)
}

// Referrers lists the referrers of subject, those of any type.
func (r *Repository) Referrers(ctx context.Context, subject ocispec.Descriptor) iter.Seq2[ocispec.Descriptor, error] {
	return r.repo.Referrers(ctx, subject, "")
}

// Resolve finds a tag.
func (r *Repository) Resolve(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	desc, err := r.repo.Resolve(ctx, tag)
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen[desc.Digest] = true
	}
	return desc, err
}

// askedSize is the size from which it is worth a request to ask whether a repository that
// is new has a blob.
const askedSize = 64 << 10

// Has asks whether content is there. Registries take a manifest only when they
// have its blobs. Of a repository that the registry does not know, manifests and small
// blobs are taken for absent: to send one again costs as much as to ask.
func (r *Repository) Has(ctx context.Context, desc ocispec.Descriptor) (Presence, error) {
	manifest := imagespec.IsManifest(desc.MediaType)
	if (manifest || desc.Size < askedSize) && r.repo.Unknown() {
		return Absent, nil
	}
	r.mu.Lock()
	there := manifest && r.seen[desc.Digest]
	r.mu.Unlock()
	if !there {
		var err error
		if there, err = r.repo.Exists(ctx, identityOf(desc)); err != nil {
			return Absent, err
		}
	}
	switch {
	case there && manifest:
		return Checked, nil
	case there:
		return Present, nil
	}
	return Absent, nil
}

// PutBlob mounts or uploads a blob.
func (r *Repository) PutBlob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error), from string) (bool, error) {
	how, err := r.repo.PushFrom(ctx, desc, open, from)
	return how == remote.Mounted, err
}

// PutManifest uploads a manifest by its digest.
func (r *Repository) PutManifest(ctx context.Context, desc ocispec.Descriptor, data []byte) error {
	var pushed remote.Pushed
	var err error
	if desc.Digest.Algorithm() == digest.Canonical {
		pushed, err = r.repo.PushManifest(ctx, desc.MediaType, data)
	} else {
		// Under the digest that it has; Push lists it with its subject, too.
		err, pushed.Subject = r.repo.Push(ctx, desc, bytes.NewReader(data)), true
	}
	var refused *remote.RefusedError
	if errors.As(err, &refused) && len(refused.Missing) > 0 {
		return &MissingError{Missing: refused.Missing, Err: err}
	}
	if err != nil || pushed.Subject {
		return err
	}
	doc, err := layout.ParseDocument(data, desc.MediaType, jsondoc.Limits{})
	if err != nil || doc.Subject == nil {
		return err
	}
	entry := identityOf(desc)
	entry.ArtifactType, entry.Annotations = doc.ArtifactType, doc.Annotations
	if entry.ArtifactType == "" && doc.Config != nil {
		entry.ArtifactType = doc.Config.MediaType
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unlisted[desc.Digest] = entry
	return nil
}

// Flush does nothing: what a registry acknowledged, it has.
func (r *Repository) Flush(context.Context) error { return nil }

// Commit lists the referrers that the registry does not list itself, and puts the
// tags that are not right yet.
func (r *Repository) Commit(ctx context.Context, c Commit) error {
	bySubject := map[digest.Digest][]ocispec.Descriptor{}
	var subjects []ocispec.Descriptor
	for _, referrer := range c.Referrers {
		entry, ok := r.unlisted[referrer.Descriptor.Digest]
		if !ok {
			continue
		}
		if bySubject[referrer.Subject.Digest] == nil {
			subjects = append(subjects, referrer.Subject)
		}
		bySubject[referrer.Subject.Digest] = append(bySubject[referrer.Subject.Digest], entry)
	}
	for _, subject := range subjects {
		if err := r.repo.AddReferrers(ctx, subject, bySubject[subject.Digest]); err != nil {
			return err
		}
	}
	for _, root := range c.Roots {
		if err := r.tag(ctx, root, c.Manifests[root.Descriptor.Digest]); err != nil {
			return err
		}
	}
	return nil
}

// tag puts the tags of one root: those together that are on the same condition.
func (r *Repository) tag(ctx context.Context, root Root, data []byte) error {
	groups := map[digest.Digest][]string{}
	var have []digest.Digest
	for _, tag := range root.Tags {
		if tag.Action == TagKept {
			continue
		}
		if !slices.Contains(have, tag.Have) {
			have = append(have, tag.Have)
		}
		groups[tag.Have] = append(groups[tag.Have], tag.Name)
	}
	for _, old := range have {
		cond := remote.Condition{Digest: old, Absent: old == ""}
		if err := r.repo.PutTags(ctx, identityOf(root.Descriptor), data, groups[old], cond); err != nil {
			return err
		}
	}
	return nil
}
