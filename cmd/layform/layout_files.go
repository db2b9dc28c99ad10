package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/text"
	"github.com/layform/layform/layout/layer"
)

// layoutLsCmd lists the files of an image.
type layoutLsCmd struct {
	imageFlags
	Path string `arg:"" optional:"" name:"path" default:"/" help:"The file, or the directory to list with all below it."`
}

// Help gives examples.
func (c *layoutLsCmd) Help() string {
	return `For example:
  layform layout ls dist/app:latest
  layform layout ls --platform linux/arm64 dist/app:latest /usr/local`
}

// Run lists the files of the image, after it has verified the digest of each layer: a
// table of contents may exist for a blob that is missing or torn.
func (c *layoutLsCmd) Run(ctx context.Context, a *app) error {
	img, err := c.open(ctx, a.json)
	if err != nil {
		return err
	}
	defer img.store.Close()
	for _, l := range img.layers {
		if err := img.verify(ctx, l); err != nil {
			return err
		}
	}
	if img.titled != nil {
		return c.listTitled(a, img.titled)
	}
	at, err := img.files.Lookup(c.Path, false)
	if err != nil {
		return &failure{message: err.Error()}
	}
	// An image may have millions of files: they are drawn as they are listed.
	listed := func(yield func(view.File) bool) {
		for f := range img.files.Files() {
			if at.Path != "." && f.Path != at.Path && !strings.HasPrefix(f.Path, at.Path+"/") {
				continue
			}
			if !yield(view.NewFile(f.Entry, f.Layer)) {
				return
			}
		}
	}
	if a.json {
		return a.printContents(listed)
	}
	return text.Contents(a.stdout, listed, a.out)
}

// layoutCatCmd prints a file of an image.
type layoutCatCmd struct {
	imageFlags
	Path string `arg:"" name:"path" help:"The file; links are followed inside the image."`
}

// Help gives examples.
func (c *layoutCatCmd) Help() string {
	return `For example:
  layform layout cat dist/app:latest /etc/os-release
  layform layout cat dist/app:sbom app.spdx.json      a file of an artifact, by its title`
}

// Run prints the file, once it has seen that the layer is what its digest says, so that
// no byte comes out that is not of the image. Of that it decompresses no more than it
// needs.
func (c *layoutCatCmd) Run(ctx context.Context, a *app) error {
	img, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer img.store.Close()
	if img.titled != nil {
		return c.printTitled(ctx, a, img)
	}
	f, err := img.files.Lookup(c.Path, true)
	if err != nil {
		return &failure{message: err.Error(), hint: "layform layout ls lists what the image holds"}
	}
	if f.Content == nil {
		return &failure{message: fmt.Sprintf("%q is a %s, which has no content", c.Path, f.Type)}
	}
	if a.json {
		return noJSON()
	}
	if err := img.verify(ctx, img.layers[f.ContentLayer]); err != nil {
		return err
	}
	blob, err := img.store.ReaderAt(ctx, img.layers[f.ContentLayer].Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	toc, err := img.chunks(ctx, img.layers[f.ContentLayer])
	if err != nil {
		return err
	}
	content, err := layer.Open(ctx, blob, toc, img.layers[f.ContentLayer].MediaType, f.Content)
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(a.stdout, content)
	return err
}
