package main

import (
	"context"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/remote"
)

// named is an image at the source, with the tags that it has there.
type named struct {
	desc ocispec.Descriptor
	tags []string
}

// resolve finds the images that the source's reference means.
func (s *shipment) resolve(ctx context.Context, all bool) ([]named, error) {
	r := s.src.ref
	switch {
	case all && (r.Name != "" || r.Digest != "" || r.Image.Tag != "" || r.Image.Digest != ""):
		return nil, &failure{message: fmt.Sprintf("%s names one image, and --all-tags means all", r), hint: "leave out the tag, or --all-tags"}
	case s.src.repo != nil && all:
		s.diff.Attached = nil // they are among all tags
		return allTags(ctx, s.src.repo)
	case s.src.repo != nil:
		image := r.Image.WithDefaultTag()
		desc, err := s.src.repo.Resolve(ctx, image.Reference())
		if err != nil {
			return nil, err
		}
		return []named{{desc, tagList(image.Tag)}}, nil
	}
	if all {
		index, err := s.src.reader.Index(ctx)
		if err != nil {
			return nil, err
		}
		return taggedEntries(index, r.Path)
	}
	image, err := findImage(ctx, s.src.reader, r)
	if err != nil {
		return nil, err
	}
	return []named{image}, nil
}

// findImage finds the image of a layout that a reference means, with its tags.
func findImage(ctx context.Context, reader *layout.Reader, at ref.Reference) (named, error) {
	if at.Digest != "" && at.Name == "" {
		desc, err := reader.Resolve(ctx, string(at.Digest))
		return named{desc: desc}, err
	}
	index, err := reader.Index(ctx)
	if err != nil {
		return named{}, err
	}
	if at.Name == "" {
		return onlyImage(index, at.Path)
	}
	all := index.Resolve(at.Name)
	if desc, ok := entryOfImage(index, at); ok {
		all = []ocispec.Descriptor{desc}
	}
	found := slices.DeleteFunc(slices.Clone(all), func(d ocispec.Descriptor) bool { return at.Digest != "" && d.Digest != at.Digest })
	switch {
	case len(all) == 0:
		return named{}, &failure{message: fmt.Sprintf("index.json has no entry named %q", at.Name), hint: listsThem}
	case len(found) == 0:
		return named{}, &failure{message: fmt.Sprintf("%s is %s, not %s", at.Name, all[0].Digest, at.Digest), hint: "leave out one of them"}
	case len(found) > 1:
		return named{}, &failure{message: fmt.Sprintf("%q names %d entries of index.json", at.Name, len(found)), hint: "name one as DIR@DIGEST; " + listsThem}
	}
	return named{found[0], tagList(layout.RefName(found[0]))}, nil
}

// containerdName is the annotation in which tars of docker save and containerd have the
// whole name of an image.
const containerdName = "io.containerd.image.name"

// entryOfImage finds the entry of a docker archive under a name that means the same image
// as the one that is asked for: app:1 is docker.io/library/app:1.
func entryOfImage(index *layout.Index, r ref.Reference) (ocispec.Descriptor, bool) {
	want, err := ref.ParseImage(r.Name)
	if r.Transport != ref.DockerArchive || err != nil {
		return ocispec.Descriptor{}, false
	}
	for _, desc := range index.Descriptors() {
		for _, name := range []string{layout.RefName(desc), desc.Annotations[containerdName]} {
			if is, err := ref.ParseImage(name); err == nil && is == want.WithDefaultTag() {
				return desc, true
			}
		}
	}
	return ocispec.Descriptor{}, false
}

// tagList is the tag of a name; none for an empty one.
func tagList(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// allTags lists the images of a repository.
func allTags(ctx context.Context, repo *remote.Repository) ([]named, error) {
	var all []named
	for tag, err := range repo.Tags(ctx, "") {
		if err != nil {
			return nil, err
		}
		if remote.IsReferrersTag(tag) {
			continue
		}
		desc, err := repo.Resolve(ctx, tag)
		if err != nil {
			return nil, err
		}
		all = join(all, desc, tag)
	}
	if len(all) == 0 {
		return nil, &failure{message: repo.Name() + " has no tags", hint: "name an image by its digest: docker://" + repo.Name() + "@sha256:…"}
	}
	return all, nil
}

// taggedEntries lists the entries of index.json that have a ref name.
func taggedEntries(index *layout.Index, path string) ([]named, error) {
	var all []named
	for _, desc := range index.Descriptors() {
		if name := layout.RefName(desc); name != "" {
			all = join(all, desc, name)
		}
	}
	if len(all) == 0 {
		return nil, &failure{message: path + " has no entries with a ref name", hint: "layform layout show DIR lists all; name one as oci:DIR@DIGEST"}
	}
	return all, nil
}

// onlyImage is the image of a layout that has one. Entries without a ref name do
// not count beside those with one: they are referrers, mostly.
func onlyImage(index *layout.Index, path string) (named, error) {
	entries := index.Descriptors()
	all, err := taggedEntries(index, path)
	switch {
	case err != nil && len(entries) == 1:
		return named{desc: entries[0]}, nil
	case err != nil && len(entries) == 0:
		return named{}, &failure{message: path + " holds no image"}
	case err != nil:
		return named{}, err
	case len(all) > 1:
		return named{}, &failure{message: fmt.Sprintf("%s holds %d images", path, len(all)), hint: "name one as DIR:REF, or copy them with --all-tags; " + listsThem}
	}
	return all[0], nil
}

// join adds a tag to the image that it names.
func join(all []named, desc ocispec.Descriptor, tag string) []named {
	for i := range all {
		if all[i].desc.Digest == desc.Digest {
			all[i].tags = append(all[i].tags, tag)
			return all
		}
	}
	return append(all, named{desc, []string{tag}})
}
