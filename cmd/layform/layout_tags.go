package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/registry"
)

// defaultRepoFlag gives the entries of index.json whose names are bare tags a
// repository.
type defaultRepoFlag struct {
	DefaultRepo string `name:"default-repo" placeholder:"NAME" help:"The repository of entries whose ref name is a tag alone, or that have none."`
}

// check checks the name.
func (f defaultRepoFlag) check() error {
	if f.DefaultRepo == "" {
		return nil
	}
	if err := ref.CheckRepository(f.DefaultRepo); err != nil {
		return &failure{message: fmt.Sprintf("--default-repo %q %v", f.DefaultRepo, err)}
	}
	return nil
}

// layoutTagsCmd lists the tags of a layout.
type layoutTagsCmd struct {
	defaultRepoFlag
	Layout     string `arg:"" name:"layout" help:"The directory of the layout, or a tar that holds one."`
	Repository string `arg:"" optional:"" name:"repository" help:"List the tags of this repository alone, by their short names."`
}

// Help shows how the command is used.
func (c *layoutTagsCmd) Help() string {
	return `For example:
  layform layout tags dist                   all ref names, with their digests
  layform layout tags mirror library/alpine  the tags of a repository`
}

// Run reads index.json.
func (c *layoutTagsCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Repository != "" {
		if err := ref.CheckRepository(c.Repository); err != nil {
			return &failure{message: fmt.Sprintf("the repository %q %v", c.Repository, err)}
		}
	}
	entries, err := entriesOf(ctx, c.Layout)
	if err != nil {
		return err
	}
	tags := make([]view.LayoutTag, 0, len(entries))
	known := false
	for _, d := range entries {
		name := layout.RefName(d)
		if c.Repository != "" {
			repo, tag, ok := registry.NameOf(d, c.DefaultRepo)
			if !ok || repo != c.Repository {
				continue
			}
			known, name = true, tag
		}
		if name != "" {
			tags = append(tags, view.LayoutTag{Name: name, MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		}
	}
	if c.Repository != "" && !known {
		return &failure{message: fmt.Sprintf("%s has no repository %s", c.Layout, c.Repository), hint: "layform layout repos " + c.Layout + " lists them"}
	}
	slices.SortStableFunc(tags, func(a, b view.LayoutTag) int { return cmp.Compare(a.Name, b.Name) })
	if a.json {
		return a.print(view.Document{Type: view.TypeTags, Tags: tags})
	}
	return a.show(view.TagsReport(tags))
}

// entriesOf reads the entries of index.json of a whole layout.
func entriesOf(ctx context.Context, text string) ([]ocispec.Descriptor, error) {
	dir, err := wholeLayout(text)
	if err != nil {
		return nil, err
	}
	in, err := openLayoutAt(ctx, dir, false)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	index, err := in.Index(ctx)
	if err != nil {
		return nil, err
	}
	return index.Descriptors(), nil
}

// layoutReposCmd lists the repositories of a layout.
type layoutReposCmd struct {
	defaultRepoFlag
	Layout string `arg:"" name:"layout" help:"The directory of the layout, or a tar that holds one."`
}

// Help shows how the command is used.
func (c *layoutReposCmd) Help() string {
	return `For example:
  layform layout repos mirror                      repositories, by ref names of the form REPOSITORY:TAG
  layform layout repos --default-repo app dist     bare tags are those of app`
}

// Run reads index.json.
func (c *layoutReposCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	entries, err := entriesOf(ctx, c.Layout)
	if err != nil {
		return err
	}
	at := map[string]int{}
	repos, others := []view.Repository{}, 0
	for _, d := range entries {
		name, tag, ok := registry.NameOf(d, c.DefaultRepo)
		if !ok {
			others++
			continue
		}
		i, seen := at[name]
		if !seen {
			i = len(repos)
			at[name], repos = i, append(repos, view.Repository{Name: name})
		}
		repos[i].Manifests++
		if tag != "" {
			repos[i].Tags++
		}
	}
	slices.SortFunc(repos, func(a, b view.Repository) int { return cmp.Compare(a.Name, b.Name) })
	if a.json {
		return a.print(view.Document{Type: view.TypeRepositories, Repositories: repos})
	}
	return a.show(view.RepositoriesReport(repos, others))
}

// layoutResolveCmd prints the digest of an image.
type layoutResolveCmd struct {
	Image    string `arg:"" name:"image" help:"DIR[:REF][@DIGEST], or DIR alone when it holds one image; a tar that holds a layout may take the place of DIR."`
	Platform string `name:"platform" placeholder:"OS/ARCH[/VARIANT]" help:"The manifest of this platform, out of an index."`
}

// Help shows how the command is used.
func (c *layoutResolveCmd) Help() string {
	return `For example:
  layform layout resolve dist:latest
  layform layout resolve --platform linux/arm64 dist:latest`
}

// Run finds the image.
func (c *layoutResolveCmd) Run(ctx context.Context, a *app) error {
	in, desc, err := openImage(ctx, c.Image)
	if err != nil {
		return err
	}
	defer in.Close()
	if c.Platform != "" {
		want, err := parsePlatform(c.Platform)
		if err != nil {
			return err
		}
		if desc, err = in.ChooseImage(ctx, desc, want); err != nil {
			return err
		}
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeDescriptor, Descriptor: &desc})
	}
	return a.show(view.ResolvedReport(&desc))
}

// openImage opens a layout for reading and finds the image that a reference means.
func openImage(ctx context.Context, text string) (*openedLayout, ocispec.Descriptor, error) {
	at, err := ref.LocateImage(text)
	if err != nil {
		return nil, ocispec.Descriptor{}, err
	}
	in, err := openLayoutAt(ctx, at.Path, false)
	if err != nil {
		return nil, ocispec.Descriptor{}, err
	}
	image, err := findImage(ctx, in.Reader, at)
	if err != nil {
		in.Close()
		return nil, ocispec.Descriptor{}, err
	}
	return in, image.desc, nil
}

// layoutReferrersCmd lists what refers to an image.
type layoutReferrersCmd struct {
	Image        string `arg:"" name:"image" help:"DIR[:REF][@DIGEST], or DIR alone when it holds one image; a tar that holds a layout may take the place of DIR."`
	ArtifactType string `name:"artifact-type" placeholder:"TYPE" help:"Those of this artifact type alone."`
}

// Help shows how the command is used.
func (c *layoutReferrersCmd) Help() string {
	return `For example:
  layform layout referrers dist:latest
  layform layout referrers --artifact-type application/spdx+json dist:latest`
}

// Run reads the manifests of the layout.
func (c *layoutReferrersCmd) Run(ctx context.Context, a *app) error {
	in, desc, err := openImage(ctx, c.Image)
	if err != nil {
		return err
	}
	defer in.Close()
	found, err := referrersOf(ctx, in.Reader, desc)
	if err != nil {
		return err
	}
	if c.ArtifactType != "" {
		found = slices.DeleteFunc(found, func(d ocispec.Descriptor) bool { return d.ArtifactType != c.ArtifactType })
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeReferrers, Referrers: found})
	}
	return a.show(view.ReferrersReport(found))
}

// referrersOf lists the manifests whose subject is desc, with their artifact types and
// annotations, by their digests.
func referrersOf(ctx context.Context, in *layout.Reader, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	near, err := in.Predecessors(ctx, desc)
	if err != nil {
		return nil, err
	}
	found := make([]ocispec.Descriptor, 0, len(near))
	for _, d := range near {
		if !imagespec.IsManifest(d.MediaType) {
			continue
		}
		doc, err := in.Document(ctx, d)
		if err != nil {
			return nil, err
		}
		if doc.Subject == nil || doc.Subject.Digest != desc.Digest {
			continue
		}
		d.ArtifactType, d.Annotations = registry.ArtifactType(doc), doc.Annotations
		found = append(found, d)
	}
	slices.SortFunc(found, func(a, b ocispec.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return found, nil
}
