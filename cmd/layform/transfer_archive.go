package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/transfer"
)

// openArchive opens a side that is an archive. One that is read must be there; one that
// is written may, and what it holds then comes along.
func (s *shipment) openArchive(ctx context.Context, e *endpoint, read bool) error {
	path := e.ref.Path
	_, err := os.Lstat(path)
	there := !errors.Is(err, fs.ErrNotExist)
	if there && err != nil {
		return &failure{message: fmt.Sprintf("%s: %v", path, cause(err))}
	}
	if !there && read {
		return noLayout(path)
	}
	var was fs.FileInfo
	e.reader = layout.Empty(path)
	if there {
		opened, err := openLayoutAt(ctx, path, false)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, opened.Close)
		if opened.store != nil {
			return &failure{message: path + " is a directory, not an archive", hint: "write oci:" + path}
		}
		e.reader, was = opened.Reader, opened.info
	}
	if !read {
		e.archive = transfer.NewArchive(e.reader, was, path)
		s.closers = append(s.closers, e.archive.Close)
	}
	return nil
}

// begin prepares an archive for what the plan brings.
func (s *shipment) begin(ctx context.Context, plan *transfer.Plan) error {
	var opts archive.WriteOptions
	if s.dst.ref.Transport == ref.DockerArchive {
		opts.Docker = &archive.Docker{}
		if len(s.diff.Platforms) == 1 {
			opts.Docker.Platform = s.diff.Platforms[0]
		}
	}
	root, err := openFolder(filepath.Dir(s.dst.ref.Path))
	if err != nil {
		return err
	}
	s.closers = append([]func() error{root.Close}, s.closers...) // the last one to be closed
	return s.dst.archive.Begin(ctx, plan, root, opts)
}

// openFolder opens the folder of a file that is written, and makes it where it is missing.
func openFolder(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &failure{message: fmt.Sprintf("%s: %v", dir, cause(err))}
	}
	return os.OpenRoot(dir)
}

// dockerName is the name that docker load gives an image: a ref name that is one, or the
// repository of the source with the tag.
func (s *shipment) dockerName(name string) (string, error) {
	if image, err := ref.ParseImage(name); err == nil && image.Tag != "" && image.Digest == "" {
		return name, nil
	}
	if s.src.repo != nil && ref.CheckTag(name) == nil {
		return s.src.ref.Image.Name() + ":" + name, nil
	}
	return "", &failure{message: fmt.Sprintf("docker load wants a repository in the name of an image, and %q has none", name), hint: "write docker-archive:FILE:REPOSITORY:TAG"}
}
