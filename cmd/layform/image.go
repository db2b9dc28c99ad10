package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/stage"
)

// imageFlags say which image of a layout is meant.
type imageFlags struct {
	Image    string `arg:"" name:"image" help:"DIR[:REF][@DIGEST], or DIR alone when it holds one image; a tar that holds a layout may take the place of DIR."`
	Platform string `name:"platform" placeholder:"OS/ARCH[/VARIANT]" help:"The platform to take out of an index; this machine's architecture on linux unless given."`
}

// image is one image of a layout, open for reading.
type image struct {
	store  *openedLayout
	doc    *layout.Document
	layers []ocispec.Descriptor
	files  layer.Overlay
	// titled are the files of an artifact, which has no file tree.
	titled []titledFile
}

// open finds the image and reads its layers, the digests of files only where they are
// wanted. The caller closes the store.
func (f *imageFlags) open(ctx context.Context, digests bool) (*image, error) {
	at, err := ref.LocateImage(f.Image)
	if err != nil {
		return nil, err
	}
	var want *ocispec.Platform
	if f.Platform != "" {
		p, err := parsePlatform(f.Platform)
		if err != nil {
			return nil, err
		}
		want = &p
	}
	store, err := openLayoutAt(ctx, at.Path, false)
	if err != nil {
		return nil, err
	}
	img := &image{store: store, files: layer.Overlay{OmitDigests: !digests}}
	if err := img.read(ctx, at, want); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return img, nil
}

// parsePlatform parses a value of the flag --platform.
func parsePlatform(text string) (ocispec.Platform, error) {
	p, err := imagespec.ParsePlatform(text)
	if err != nil {
		return p, &failure{message: fmt.Sprintf("--platform %q %v", text, err)}
	}
	return p, nil
}

// read resolves the image and reads the tables of contents of its layers.
func (img *image) read(ctx context.Context, at ref.Reference, want *ocispec.Platform) error {
	manifest, err := img.manifest(ctx, at, want)
	if err != nil {
		return err
	}
	img.doc, img.layers = manifest, manifest.Layers
	if img.titled = titledFiles(manifest); img.titled != nil {
		return nil
	}
	for _, l := range img.layers {
		err := img.files.AddLayer(func(add func(*layer.Entry) error) error { return img.entries(ctx, l, add) })
		if err != nil {
			err = sparseHint(ctx, img.store.store, fmt.Errorf("layer %s: %w", l.Digest, err))
			return untitledHint(manifest, err)
		}
	}
	return nil
}

// entries passes the entries of a layer to visit. A table of contents that an archive
// brings along is not believed.
func (img *image) entries(ctx context.Context, l ocispec.Descriptor, visit func(*layer.Entry) error) error {
	if img.store.store != nil {
		return stage.Entries(ctx, img.store.store, l, !img.files.OmitDigests, visit)
	}
	return stage.DeriveEntries(ctx, img.store.Reader, l, !img.files.OmitDigests, visit)
}

// verify reads the blob of a layer, and gives an error where it is missing or not what
// its digest says.
func (img *image) verify(ctx context.Context, l ocispec.Descriptor) error {
	rc, err := img.store.Fetch(ctx, l)
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
		err = errors.Join(err, rc.Close())
	}
	if hinted := sparseHint(ctx, img.store.store, err); hinted != err {
		return hinted
	}
	if err != nil {
		return &failure{message: err.Error(), err: err, hint: "layform layout validate tells all that is wrong; layform apply builds again what a spec describes"}
	}
	return nil
}

// chunks is the table of contents of a layer without its entries. It has no chunks
// where none are known.
func (img *image) chunks(ctx context.Context, l ocispec.Descriptor) (*layer.TOC, error) {
	if img.store.store != nil {
		toc, err := stage.ReadTOC(ctx, img.store.store, l.Digest, func(*layer.Entry) error { return nil })
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, stage.ErrCorrupt) {
			return toc, err
		}
	}
	return &layer.TOC{Size: l.Size}, nil
}

// manifest finds the manifest of an image and, in an index, of the wanted platform, or
// of this machine's when none is wanted.
func (img *image) manifest(ctx context.Context, at ref.Reference, want *ocispec.Platform) (*layout.Document, error) {
	found, err := findImage(ctx, img.store.Reader, at)
	if err != nil {
		return nil, err
	}
	desc := found.desc
	if !imagespec.IsManifest(desc.MediaType) {
		return nil, &failure{message: fmt.Sprintf("%s is a %s, not a manifest or an index", desc.Digest, desc.MediaType)}
	}
	if want == nil && imagespec.IsIndex(desc.MediaType) {
		want = &ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	if want != nil {
		var missing *layout.PlatformError
		if desc, err = img.store.ChooseImage(ctx, desc, *want); errors.As(err, &missing) {
			return nil, &failure{message: err.Error(), hint: "choose another one with --platform"}
		} else if err != nil {
			return nil, err
		}
	}
	return img.store.Document(ctx, desc)
}

// listsThem is the hint where an image of a layout has to be named.
const listsThem = "layform layout show DIR lists them"
