package main

import (
	"context"

	"github.com/layform/layform/layout/ref"
)

// copyCmd copies images between any two places.
type copyCmd struct {
	Src     string `arg:"" name:"src" help:"The image: oci:DIR[:REF][@DIGEST], oci-archive:FILE[:REF], docker-archive:FILE[:NAME:TAG] or docker://HOST/REPOSITORY[:TAG][@DIGEST]."`
	Dst     string `arg:"" name:"dst" help:"Where it goes: oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE:NAME:TAG or docker://HOST/REPOSITORY[:TAG]; the tag is the image's own unless one is given."`
	AllTags bool   `name:"all-tags" help:"Copy all images that have a tag, under their tags."`
	transferFlags
}

// Help gives examples.
func (c *copyCmd) Help() string {
	return `For example:
  layform copy oci:dist/app:v1 docker://registry.example.com/team/app:v1
  layform copy oci:dist/app:v1 oci-archive:app.tar
  layform copy docker-archive:saved.tar oci:mirror`
}

// Run copies. In a layout that is the source, only the folder of ours is written to.
func (c *copyCmd) Run(ctx context.Context, a *app) error { return c.copy(ctx, a, ref.Locate) }

// layoutCopyCmd is copy between layouts, whose paths need no transport.
type layoutCopyCmd struct{ copyCmd }

// Help gives examples.
func (c *layoutCopyCmd) Help() string {
	return `For example:
  layform layout copy dist/app:v1 mirror
  layform layout copy dist/app:v1 app.tar:v1`
}

// Run copies.
func (c *layoutCopyCmd) Run(ctx context.Context, a *app) error {
	return c.copy(ctx, a, ref.LocateLayout)
}

// copy copies between the places that locate finds.
func (c *copyCmd) copy(ctx context.Context, a *app, locate func(string) (ref.Reference, error)) (err error) {
	src, err := locate(c.Src)
	if err != nil {
		return err
	}
	dst, err := locate(c.Dst)
	if err != nil {
		return err
	}
	return c.move(ctx, a, src, dst, c.AllTags)
}
