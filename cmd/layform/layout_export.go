package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/ref"
)

// layoutExportCmd writes a layout as a tar.
type layoutExportCmd struct {
	Layout   string `arg:"" name:"layout" help:"DIR for all that index.json leads to, DIR:REF or DIR@DIGEST for one image with its referrers; a tar may take the place of DIR."`
	File     string `arg:"" name:"file" help:"The tar. A tar that is there is replaced, and no other file."`
	Format   string `name:"format" default:"oci" enum:"oci,docker" help:"oci: the layout alone; docker: what docker load reads as well (manifest.json)."`
	Name     string `name:"name" placeholder:"REPOSITORY" help:"With --format docker: the repository of ref names that are a tag alone."`
	Platform string `name:"platform" placeholder:"OS/ARCH[/VARIANT]" help:"With --format docker: the platform that docker load gets of an index; all stay in the tar."`
}

// Help gives examples.
func (c *layoutExportCmd) Help() string {
	return `For example:
  layform layout export dist/app:v1 app.tar
  layform layout export --format docker --name app dist/app:v1 app.tar     then docker load -i app.tar`
}

// Run writes the tar beside the file that it replaces, and renames it.
func (c *layoutExportCmd) Run(ctx context.Context, a *app) (err error) {
	opts, err := c.options()
	if err != nil {
		return err
	}
	r, err := ref.LocateImage(c.Layout)
	if err != nil {
		return err
	}
	in, err := openLayoutAt(ctx, r.Path, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	src, err := c.chosen(ctx, in, r)
	if err != nil {
		return err
	}
	index, err := src.Index(ctx)
	if err != nil {
		return err
	}
	if err := beside(c.File, r.Path); err != nil {
		return err
	}
	if err := replaceable(c.File); err != nil {
		return err
	}
	release, err := holdEntries(ctx, in.store, index.Descriptors())
	if err != nil {
		return err
	}
	root, err := openFolder(filepath.Dir(c.File))
	if err != nil {
		return errors.Join(err, release())
	}
	sum, err := archive.Export(ctx, src, root, filepath.Base(c.File), opts)
	if err := errors.Join(err, root.Close(), release()); err != nil {
		return sparseHint(ctx, in.store, fmt.Errorf("%s: %w", c.File, err))
	}
	out := &view.Export{Layout: r.String(), File: c.File, Digest: sum.Digest, Size: sum.Size, Entries: len(index.Descriptors())}
	if a.json {
		return a.print(view.Document{Type: view.TypeExport, Export: out})
	}
	return a.show(view.ExportReport(out))
}

// options checks what goes with --format docker.
func (c *layoutExportCmd) options() (archive.WriteOptions, error) {
	var opts archive.WriteOptions
	if c.Format != "docker" {
		if c.Name != "" || c.Platform != "" {
			return opts, &failure{message: "--name and --platform say what docker load gets", hint: "they go with --format docker"}
		}
		return opts, nil
	}
	opts.Docker = &archive.Docker{Name: c.Name}
	if c.Name != "" {
		if image, err := ref.ParseImage(c.Name); err != nil || image.Tag != "" || image.Digest != "" {
			return opts, &failure{message: fmt.Sprintf("--name %q is no repository", c.Name), hint: "write it without a tag, such as team/app", err: err}
		}
	}
	if c.Platform != "" {
		p, err := parsePlatform(c.Platform)
		if err != nil {
			return opts, err
		}
		opts.Docker.Platform = p
	}
	return opts, nil
}

// chosen is the layout, or the part of it that a reference names.
func (c *layoutExportCmd) chosen(ctx context.Context, in *openedLayout, r ref.Reference) (*layout.Reader, error) {
	if r.Name == "" && r.Digest == "" {
		return in.Reader, nil
	}
	image, err := findImage(ctx, in.Reader, r)
	if err != nil {
		return nil, err
	}
	return archive.Select(ctx, in.Reader, r.Path, image.desc)
}

// replaceable makes sure that a tar takes the place of nothing, of another tar or of an
// empty file. What is no regular file is refused where the tar is written.
func replaceable(file string) error {
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := tar.NewReader(f).Next(); err != nil && !errors.Is(err, io.EOF) {
		return &failure{message: file + " is there and is no tar, so it is not replaced", hint: "choose another name, or rm it first", err: err}
	}
	return nil
}

// beside makes sure that a file that is written is not in the layout that is read.
func beside(file, dir string) error {
	is, err := os.Stat(dir)
	if err != nil {
		return err
	}
	at, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	for parent := filepath.Dir(at); ; parent = filepath.Dir(parent) {
		if info, err := os.Stat(parent); err == nil && info.IsDir() && os.SameFile(info, is) {
			return &failure{message: fmt.Sprintf("%s would be in the layout %s that it holds", file, dir), hint: "write it beside the layout"}
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}
