package main

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"strings"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
)

// locate finds what is imported: a layout, a tar, or an image of a registry.
func (c *importCmd) locate() (ref.Reference, error) {
	if at, err := ref.Locate(c.Source); err == nil && at.Transport == ref.Registry {
		return at, nil
	}
	return ref.LocateImage(c.Source)
}

// fetch copies what a tar or a registry has into a layout, and gives the way to it there.
func (c *importCmd) fetch(ctx context.Context, a *app, src ref.Reference) (at ref.Reference, err error) {
	if c.DryRun {
		return at, &failure{message: "--dry-run writes nothing, and what is not in a layout has to come into one first", hint: "layform copy " + src.String() + " oci:DIR, then layform import DIR --dry-run"}
	}
	at = ref.Reference{Transport: ref.Layout, Path: c.Into}
	if at.Path == "" {
		at.Path = filepath.Join(filepath.Dir(c.Out), "dist", baseName(src))
	}
	flags := transferFlags{Referrers: true, registryFlags: c.registryFlags}
	s, err := flags.ship(ctx, a, src, at)
	if err != nil {
		return at, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	images, err := s.imported(ctx)
	if err != nil {
		return at, err
	}
	if _, err := s.transfer(ctx, images); err != nil {
		return at, err
	}
	if len(images) == 1 && len(images[0].tags) == 1 {
		at.Name = images[0].tags[0]
	}
	return at, nil
}

// imported are the images of the source: the one that it names, or all of a tar.
func (s *shipment) imported(ctx context.Context) ([]named, error) {
	r := s.src.ref
	if s.src.reader == nil || r.Name != "" || r.Digest != "" {
		return s.resolve(ctx, false)
	}
	index, err := s.src.reader.Index(ctx)
	if err != nil {
		return nil, err
	}
	var images []named
	for _, d := range index.Descriptors() {
		images = append(images, named{desc: d, tags: tagList(layout.RefName(d))})
	}
	return images, nil
}

// baseName derives a name from a reference: the last part of the repository, or the file
// name without its ending.
func baseName(r ref.Reference) string {
	if r.Transport == ref.Registry {
		return path.Base(r.Image.Repository)
	}
	name := filepath.Base(r.Path)
	for _, end := range []string{".gz", ".zst", ".tgz", ".tar", ".oci"} {
		name = strings.TrimSuffix(name, end)
	}
	return name
}
