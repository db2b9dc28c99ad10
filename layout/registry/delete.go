package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// Tag makes a tag that of a manifest which the repository has. A tag that is the digest
// of the manifest changes nothing, as oras-go wants it.
func (r *Repository) Tag(ctx context.Context, desc ocispec.Descriptor, tag string) error {
	if tag == string(desc.Digest) {
		return r.SetTags(ctx, desc.Digest, Put{})
	}
	return r.SetTags(ctx, desc.Digest, Put{Tags: []string{tag}})
}

// SetTags is PushManifest of a manifest that the repository has. The error is
// CodeManifestUnknown where it does not.
func (r *Repository) SetTags(ctx context.Context, dgst digest.Digest, p Put) error {
	if err := checkDigest(r.name, dgst); err != nil {
		return err
	}
	for _, tag := range p.Tags {
		if err := checkTag(r.name, tag); err != nil {
			return err
		}
	}
	o, err := r.writable(string(dgst))
	if err != nil {
		return err
	}
	defer o.release()
	_, err = r.change(ctx, o, p, func(ctx context.Context, c *change) error {
		desc, found := c.scope.manifests[dgst]
		if found {
			var err error
			if found, err = o.store.Exists(ctx, desc); err != nil {
				return err
			}
		}
		if !found {
			return r.unknown(CodeManifestUnknown, string(dgst), "no such manifest; push it before it gets a tag", nil)
		}
		doc, err := o.store.Document(ctx, desc)
		if err != nil {
			return err
		}
		return c.set(ctx, desc, doc)
	})
	return err
}

// DeleteTag deletes a tag. Its manifest stays in the repository, by its digest. The error
// is CodeManifestUnknown where there is no such tag.
func (r *Repository) DeleteTag(ctx context.Context, tag string, when Condition) error {
	if err := checkTag(r.name, tag); err != nil {
		return err
	}
	o, err := r.writable(tag)
	if err != nil {
		return err
	}
	defer o.release()
	_, err = r.change(ctx, o, Put{If: when}, func(ctx context.Context, c *change) error {
		old, err := c.allowed(tag, "")
		if err != nil {
			return err
		}
		if len(old) == 0 {
			return r.unknown(CodeManifestUnknown, tag, "no such tag; it may be deleted already", nil)
		}
		c.removeTag(tag)
		return c.retain(ctx, manifests(old))
	})
	return err
}

// manifests are those of a list that are manifests by their media types.
func manifests(list []ocispec.Descriptor) []ocispec.Descriptor {
	var out []ocispec.Descriptor
	for _, desc := range list {
		if imagespec.IsManifest(desc.MediaType) {
			out = append(out, desc)
		}
	}
	return out
}

func (c *change) removeTag(tag string) {
	for _, name := range c.o.names.tagged(c.r.full, tag) {
		c.index.Remove(name)
	}
}

// DeleteManifest deletes a manifest with all tags that it has in the repository; other
// repositories keep it. Its blobs go with the next GC where nothing else leads to them.
// The error is CodeManifestUnknown where the repository does not have it, and CodeDenied
// while an index names it, or a tag of it is immutable.
func (r *Repository) DeleteManifest(ctx context.Context, dgst digest.Digest, when Condition) error {
	if err := checkDigest(r.name, dgst); err != nil {
		return err
	}
	o, err := r.writable(string(dgst))
	if err != nil {
		return err
	}
	defer o.release()
	_, err = r.change(ctx, o, Put{}, func(ctx context.Context, c *change) error {
		_, found := c.scope.manifests[dgst]
		have := digest.Digest("")
		if found {
			have = dgst
		}
		switch parents := c.scope.parents[dgst]; {
		case !when.holds(have):
			return &PreconditionError{Repository: r.name, Reference: string(dgst), Have: have}
		case !found:
			return r.unknown(CodeManifestUnknown, string(dgst), "no such manifest; it may be deleted already", nil)
		case len(parents) > 0:
			return &Error{Code: CodeDenied, Repository: r.name, Reference: string(dgst), Message: fmt.Sprintf("the index %s names it; delete that first", parents[0])}
		}
		return c.removeManifest(dgst)
	})
	return err
}

// removeManifest removes all entries of a manifest, and none of another one that
// index.json gives the same tag.
func (c *change) removeManifest(dgst digest.Digest) error {
	for _, tag := range c.entries.tagNames {
		if !slices.ContainsFunc(c.entries.tags[tag], func(desc ocispec.Descriptor) bool { return desc.Digest == dgst }) {
			continue
		}
		if _, err := c.allowed(tag, ""); err != nil {
			return err
		}
	}
	removed := c.index.RemoveWhere(func(desc ocispec.Descriptor) bool {
		if desc.Digest != dgst {
			return false
		}
		repo, _, ok := c.o.names.parse(desc)
		return ok && repo == c.r.full || !ok && c.scope.loose[dgst]
	})
	if !removed {
		return &Error{Code: CodeDenied, Repository: c.r.name, Reference: string(dgst), Message: fmt.Sprintf("it belongs to the repository %s, too; delete it there", c.o.names.bare)}
	}
	return nil
}

// DeleteBlob makes a blob that was pushed unknown in the repository. Its bytes go with
// the next GC where nothing else leads to them. The error is CodeDenied while a manifest
// of the repository names it.
func (r *Repository) DeleteBlob(ctx context.Context, dgst digest.Digest) error {
	if err := checkDigest(r.name, dgst); err != nil {
		return err
	}
	if r.reg.readOnly {
		return r.reg.denied(r.name, string(dgst))
	}
	o, s, err := r.readScope(ctx)
	if err != nil {
		return err
	}
	defer o.release()
	user, used := s.users[dgst]
	if _, manifest := s.manifests[dgst]; manifest {
		return &Error{Code: CodeDenied, Repository: r.name, Reference: string(dgst), Message: "it is a manifest; delete it as one"}
	}
	if used {
		return &Error{Code: CodeDenied, Repository: r.name, Reference: string(dgst), Message: fmt.Sprintf("the manifest %s names it; delete that first", user)}
	}
	was, err := o.store.EndLease(ctx, r.full, dgst)
	if err == nil && !was {
		err = r.unknown(CodeBlobUnknown, string(dgst), "no such blob; it may be deleted already", nil)
	}
	return err
}
