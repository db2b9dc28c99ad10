package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/ref"
)

// dockerFile lists the images of a tar of docker save.
const dockerFile = "manifest.json"

// Docker describes the part of a layout that docker load takes. It reads manifest.json,
// in which images have names with a tag, and one platform each; the file repositories,
// which was there before that, is read by nobody who reads a layout's blobs.
type Docker struct {
	// Name is the repository of the ref names that are a tag alone.
	Name string
	// Platform is taken of an index with several images; the zero value is none.
	Platform ocispec.Platform
}

// dockerImage is an element of manifest.json.
type dockerImage struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// manifest gives manifest.json: the images among the entries of index.json, in their
// order, each once. Artifacts are left out, for docker load could not take them.
func (d *Docker) manifest(ctx context.Context, src *layout.Reader, entries []ocispec.Descriptor) ([]byte, error) {
	images := []dockerImage{}
	place := map[digest.Digest]int{}
	for _, entry := range entries {
		desc, doc, err := d.image(ctx, src, entry)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			continue
		}
		i, there := place[desc.Digest]
		if !there {
			i = len(images)
			place[desc.Digest] = i
			image := dockerImage{Config: imagespec.BlobPath(doc.Config.Digest), Layers: []string{}}
			for _, l := range doc.Layers {
				image.Layers = append(image.Layers, imagespec.BlobPath(l.Digest))
			}
			images = append(images, image)
		}
		name, err := d.tag(layout.RefName(entry))
		if err != nil {
			return nil, err
		}
		if name != "" && !slices.Contains(images[i].RepoTags, name) {
			images[i].RepoTags = append(images[i].RepoTags, name)
		}
	}
	if len(images) == 0 {
		return nil, errors.New("it holds no image that docker load could take: leave --format docker out")
	}
	return jsondoc.Encode(images)
}

// image finds the image that docker load gets of an entry; nil for an artifact.
func (d *Docker) image(ctx context.Context, src *layout.Reader, entry ocispec.Descriptor) (ocispec.Descriptor, *layout.Document, error) {
	if !imagespec.IsManifest(entry.MediaType) {
		return entry, nil, nil
	}
	doc, err := src.Document(ctx, entry)
	if err != nil {
		return entry, nil, err
	}
	if !imagespec.IsIndex(entry.MediaType) {
		if doc.Config == nil || !imagespec.IsImageConfig(doc.Config.MediaType) || doc.Subject != nil {
			return entry, nil, nil
		}
		return entry, doc, nil
	}
	var offered []ocispec.Descriptor
	var names []string
	for _, m := range doc.Manifests {
		if !imagespec.IsImageManifest(m.MediaType) || m.Platform != nil && m.Platform.OS == imagespec.Unknown {
			continue
		}
		if m.Platform != nil {
			names = append(names, imagespec.PlatformText(*m.Platform))
		}
		offered = append(offered, m)
	}
	if d.Platform.OS != "" && len(names) > 0 {
		chosen, err := src.ChooseImage(ctx, entry, d.Platform)
		if err != nil {
			return entry, nil, err
		}
		return d.image(ctx, src, chosen)
	}
	switch {
	case len(offered) == 1:
		return d.image(ctx, src, offered[0])
	case len(names) == 0:
		return entry, nil, nil
	}
	return entry, nil, fmt.Errorf("docker load takes one platform of an image, and %s has %s: choose one with --platform", entry.Digest, strings.Join(names, ", "))
}

// tag makes a ref name a name that docker takes; empty for an empty one.
func (d *Docker) tag(refName string) (string, error) {
	if refName == "" {
		return "", nil
	}
	name, tag := d.Name, refName
	if image, err := ref.ParseImage(refName); err == nil && image.Tag != "" && image.Digest == "" {
		return refName, nil
	}
	if err := ref.CheckTag(tag); err != nil {
		return "", fmt.Errorf("the ref name %q cannot be the tag of an image for docker: %w", refName, err)
	}
	if name == "" {
		return "", fmt.Errorf("docker load wants names of images with a repository, and the ref name %q is a tag alone: give the repository with --name", refName)
	}
	if _, err := ref.ParseImage(name + ":" + tag); err != nil {
		return "", err
	}
	return name + ":" + tag, nil
}
