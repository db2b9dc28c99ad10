package main

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/layform/layform/layout/ref"
)

// pullCmd pulls images into a layout.
type pullCmd struct {
	Src     string `arg:"" name:"image" help:"docker://HOST/REPOSITORY[:TAG][@DIGEST]; the tag latest unless one is given."`
	Dst     string `arg:"" optional:"" name:"layout" help:"oci:DIR[:REF]; a directory with the name of the repository's last part unless given."`
	AllTags bool   `name:"all-tags" help:"Pull all tags of the repository."`
	transferFlags
}

// Run pulls. The layout is made if it does not exist.
func (c *pullCmd) Run(ctx context.Context, a *app) (err error) {
	src, err := ref.Locate(c.Src)
	if err != nil {
		return err
	}
	if src.Transport != ref.Registry {
		return &failure{message: fmt.Sprintf("pull comes from a registry, and %s is none", src), hint: "layform copy copies between any two places"}
	}
	dst := ref.Reference{Transport: ref.Layout, Path: path.Base(src.Image.Repository)}
	if c.Dst != "" {
		if dst, err = ref.LocateLayout(c.Dst); err != nil {
			return err
		}
	}
	s, err := c.ship(a, src, dst)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	images, err := s.resolve(ctx, c.AllTags)
	if err != nil {
		return err
	}
	return s.run(ctx, images)
}
