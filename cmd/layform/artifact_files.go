package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/text"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// titledFile is a file of an artifact: a layer that has a title, org.opencontainers.image.title,
// as pull --extract writes it.
type titledFile struct {
	title string
	layer int
	desc  ocispec.Descriptor
}

// isImage reports whether the config of a manifest is that of an image.
func isImage(doc *layout.Document) bool {
	return doc.Config != nil && (doc.Config.MediaType == ocispec.MediaTypeImageConfig || doc.Config.MediaType == imagespec.MediaTypeDockerConfig)
}

// titledFiles lists the files of an artifact by their titles; nil for an image, and for an
// artifact without titles.
func titledFiles(doc *layout.Document) []titledFile {
	if isImage(doc) {
		return nil
	}
	var files []titledFile
	for i, desc := range slices.Concat(doc.Layers, doc.Blobs) {
		if title := desc.Annotations[ocispec.AnnotationTitle]; title != "" {
			files = append(files, titledFile{title, i, desc})
		}
	}
	slices.SortStableFunc(files, func(a, b titledFile) int { return strings.Compare(a.title, b.title) })
	return files
}

// untitledHint adds to an error about a layer that is no tar how the layers of an artifact
// become files.
func untitledHint(doc *layout.Document, err error) error {
	var hint hinter
	if isImage(doc) || errors.As(err, &hint) {
		return err
	}
	return &failure{err: err, hint: "layers of an artifact are files by their titles: annotations = { \"" + ocispec.AnnotationTitle + "\" = \"NAME\" } in the layer block of a spec"}
}

// listTitled lists the files of an artifact.
func (c *layoutLsCmd) listTitled(a *app, files []titledFile) error {
	below := strings.Trim(c.Path, "/")
	var chosen []view.File
	for _, f := range files {
		if name := strings.TrimPrefix(f.title, "/"); below != "" && name != below && !strings.HasPrefix(name, below+"/") {
			continue
		}
		e := layer.Entry{Path: f.title, Type: layer.Regular, Mode: 0o644, Size: f.desc.Size, Digest: f.desc.Digest}
		chosen = append(chosen, view.NewFile(e, f.layer))
	}
	if len(chosen) == 0 {
		return &failure{message: fmt.Sprintf("the artifact has no file %q", c.Path), hint: "leave the path out to list all"}
	}
	if a.json {
		return a.printContents(slices.Values(chosen))
	}
	return text.Contents(a.stdout, slices.Values(chosen), a.out)
}

// printTitled prints a file of an artifact.
func (c *layoutCatCmd) printTitled(ctx context.Context, a *app, img *image) (err error) {
	var found []titledFile
	for _, f := range img.titled {
		if strings.TrimPrefix(f.title, "/") == strings.TrimPrefix(c.Path, "/") {
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 0:
		return &failure{message: fmt.Sprintf("the artifact has no file %q", c.Path), hint: "layform layout ls lists what it has"}
	case len(found) > 1:
		return &failure{message: fmt.Sprintf("%d layers of the artifact have the title %q", len(found), c.Path), hint: "their blobs are in the layout, by their digests"}
	case a.json:
		return noJSON()
	}
	if err := img.verify(ctx, found[0].desc); err != nil {
		return err
	}
	in, err := img.store.Fetch(ctx, found[0].desc)
	if err != nil {
		return err
	}
	_, err = io.Copy(a.stdout, in)
	return errors.Join(err, in.Close())
}

// noJSON is the error of a command that prints a file.
func noJSON() error {
	return &failure{message: "cat prints a file as it is, and no JSON", hint: "layform layout ls --json describes it"}
}
