package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/stage"
)

// layoutCompleteCmd fetches the blobs of a sparse layout.
type layoutCompleteCmd struct {
	Dir         string `arg:"" name:"dir" help:"The directory of the layout."`
	DryRun      bool   `name:"dry-run" help:"Tell what would be fetched, and fetch nothing."`
	Parallelism int    `name:"parallelism" default:"0" placeholder:"N" help:"Fetch this many blobs at once; 0 is 4."`
	registryFlags
}

// Help gives examples.
func (c *layoutCompleteCmd) Help() string {
	return `For example:
  layform layout complete --dry-run dist/app
  layform layout complete dist/app`
}

// Run fetches what bases left in registries: a copy of the layout onto itself.
func (c *layoutCompleteCmd) Run(ctx context.Context, a *app) (err error) {
	dir, err := wholeLayout(c.Dir)
	if err != nil {
		return err
	}
	f := &transferFlags{DryRun: c.DryRun, Parallelism: c.Parallelism, registryFlags: c.registryFlags}
	at := ref.Reference{Transport: ref.Layout, Path: dir}
	s, err := f.ship(ctx, a, at, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.completes = true
	index, err := s.src.store.Index(ctx)
	if err != nil {
		return err
	}
	var images []named
	for _, desc := range index.Descriptors() {
		images = join(images, desc, layout.RefName(desc))
	}
	for i := range images {
		images[i].tags = slices.DeleteFunc(images[i].tags, func(tag string) bool { return tag == "" })
	}
	return homelessHint(s.run(ctx, images))
}

// homelessHint adds to an error about a blob of which nothing tells in which registry it is
// how that is recorded.
func homelessHint(err error) error {
	var blob *layout.BlobError
	if !errors.As(err, &blob) || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &failure{
		message: fmt.Sprintf("the blob %s is missing, and nothing in the layout tells which registry has it", blob.Digest), err: err,
		hint: "layform apply, with the registry in reach, records where bases have their layers; layform copy from where the image is whole brings what it lacks",
	}
}

// sparseHint adds to an error about a blob that is not in a layout where it is, if a base
// left it there.
func sparseHint(ctx context.Context, store *layout.Store, err error) error {
	var blob *layout.BlobError
	if store == nil || !errors.As(err, &blob) || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	homes := homesOf(ctx, store)
	if homes[blob.Digest] == "" {
		return err
	}
	return &failure{
		message: fmt.Sprintf("the layer %s is not in %s, but in %s", blob.Digest, store.Dir(), homes[blob.Digest]), err: err,
		hint: fmt.Sprintf("layform layout complete %s fetches it", store.Dir()),
	}
}

// homesOf are the repositories of blobs that bases left in registries. Staging states that
// cannot be read know none: what is missing then is missing, which is an error of its own.
func homesOf(ctx context.Context, store *layout.Store) map[digest.Digest]string {
	homes, err := stage.Homes(ctx, store)
	if err != nil {
		return nil
	}
	return homes
}

// mountable are the blobs of homes that can be mounted in a repository of the host, with
// the names of their repositories.
func mountable(homes map[digest.Digest]string, host string) map[digest.Digest]string {
	out := map[digest.Digest]string{}
	for blob, home := range homes {
		if image, err := ref.ParseImage(home); err == nil && image.Host == host {
			out[blob] = image.Repository
		}
	}
	return out
}
