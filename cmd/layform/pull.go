package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/transfer"
)

// pullCmd pulls images into a layout, or the files of an artifact into a directory.
type pullCmd struct {
	Src     string `arg:"" name:"image" help:"docker://HOST/REPOSITORY[:TAG][@DIGEST]; the tag latest unless one is given."`
	Dst     string `arg:"" optional:"" name:"layout" help:"oci:DIR[:REF] or oci-archive:FILE[:REF]; a directory with the name of the repository's last part unless given."`
	AllTags bool   `name:"all-tags" help:"Pull all tags of the repository."`
	Extract string `name:"extract" placeholder:"DIR" help:"Write the files of an artifact into this directory instead, each layer under its title; the artifact may be in a layout, too."`
	transferFlags
}

// Help gives examples.
func (c *pullCmd) Help() string {
	return `For example:
  layform pull docker://registry.example.com/team/app:v1 oci:copy:v1
  layform pull --platform linux/arm64 docker://registry.example.com/team/app:v1 oci:arm
  layform pull --extract files docker://registry.example.com/team/app:notes`
}

// Run pulls. The layout is made if it does not exist.
func (c *pullCmd) Run(ctx context.Context, a *app) (err error) {
	src, err := ref.Locate(c.Src)
	if err != nil {
		return err
	}
	if src.Transport != ref.Registry && c.Extract == "" {
		return &failure{message: fmt.Sprintf("pull comes from a registry, and %s is none", src), hint: "layform copy copies between any two places"}
	}
	dst := ref.Reference{Transport: ref.Layout, Path: path.Base(src.Image.Repository)}
	if c.Dst != "" {
		if dst, err = ref.LocateLayout(c.Dst); err != nil {
			return err
		}
	}
	if c.Extract != "" {
		return c.extract(ctx, a, src)
	}
	return c.move(ctx, a, src, dst, c.AllTags)
}

// extract writes the files of an artifact.
func (c *pullCmd) extract(ctx context.Context, a *app, src ref.Reference) (err error) {
	if c.Dst != "" || c.AllTags || c.DryRun || c.NoClobber || c.Verify || len(c.Tag) > 0 || len(c.Platform) > 0 {
		return &failure{message: "--extract writes files and no layout", hint: "it goes with one image, and with none of --all-tags, --tag, --platform, --dry-run, --no-clobber and --verify"}
	}
	s := &shipment{a: a, flags: &c.transferFlags}
	if s.remote, err = c.registryFlags.options(a, &s.requests); err != nil {
		return err
	}
	if s.src, err = s.open(ctx, src, true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	images, err := s.resolve(ctx, false)
	if err != nil {
		return err
	}
	files, err := extractInto(ctx, s.source(), images[0], c.Extract)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return &failure{message: fmt.Sprintf("%s has no files to extract: no layer of it has a title, as those of artifacts have", src), hint: "pull an image into a layout, with oci:DIR; layform layout ls and cat show its files"}
	}
	out := &view.Transfer{
		Source: src.String(), Destination: c.Extract, Files: files, Requests: s.requests.Load(),
		Roots: []transfer.Root{{Descriptor: images[0].desc}},
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeTransfer, Transfer: out})
	}
	return a.show(view.ExtractReport(out))
}

// extractInto writes the files of an artifact into a directory, which is made if it
// does not exist and taken away again if nothing comes into it.
func extractInto(ctx context.Context, src transfer.Source, image named, dir string) (files []string, err error) {
	if err := os.Mkdir(dir, 0o755); err == nil {
		defer func() {
			if len(files) == 0 {
				_ = os.Remove(dir) // what is not empty stays
			}
		}()
	} else if !errors.Is(err, os.ErrExist) {
		return nil, &failure{message: fmt.Sprintf("--extract %s: %v", dir, cause(err))}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &failure{message: fmt.Sprintf("--extract %s: %v", dir, cause(err))}
	}
	files, err = transfer.Extract(ctx, src, image.desc, root)
	return files, errors.Join(err, root.Close())
}
