package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
)

// imageFlags say which image of a layout is meant.
type imageFlags struct {
	Image    string `arg:"" name:"image" help:"DIR:REF, DIR@DIGEST, or DIR when index.json has one entry; a tar that holds a layout may take the place of DIR."`
	Platform string `name:"platform" placeholder:"OS/ARCH[/VARIANT]" help:"The platform to take out of an index; this machine's architecture on linux unless given."`
}

// image is one image of a layout, open for reading.
type image struct {
	store  *openedLayout
	layers []ocispec.Descriptor
	files  layer.Overlay
	// titled are the files of an artifact, which has no file tree.
	titled []titledFile
}

// open finds the image and reads what is in its layers, the digests of files only where
// they are wanted. The caller closes the store.
func (f *imageFlags) open(ctx context.Context, digests bool) (*image, error) {
	dir, ref := splitImage(f.Image)
	store, err := openLayoutAt(ctx, dir, false)
	if err != nil {
		return nil, err
	}
	img := &image{store: store, files: layer.Overlay{OmitDigests: !digests}}
	err = img.read(ctx, ref, f.Platform)
	if err != nil {
		store.Close()
		return nil, err
	}
	return img, nil
}

// splitImage takes DIR:REF or DIR@DIGEST apart, at the first place that leaves a
// directory or a file before it.
func splitImage(image string) (dir, ref string) {
	image = strings.TrimPrefix(image, "oci:")
	for i, c := range image {
		if c != ':' && c != '@' {
			continue
		}
		if info, err := os.Stat(image[:i]); err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			return image[:i], image[i+1:]
		}
	}
	return image, ""
}

// read resolves the image and reads the tables of contents of its layers.
func (img *image) read(ctx context.Context, ref, platform string) error {
	index, err := img.store.Index(ctx)
	if err != nil {
		return err
	}
	desc, err := indexEntry(index, ref)
	if err != nil {
		return err
	}
	manifest, err := img.manifest(ctx, desc, platform, 0)
	if err != nil {
		return err
	}
	img.layers = manifest.Layers
	if img.titled = titledFiles(manifest); img.titled != nil {
		return nil
	}
	for _, l := range img.layers {
		err := img.files.AddLayer(func(add func(*layer.Entry) error) error { return img.entries(ctx, l, add) })
		if err != nil {
			return fmt.Errorf("layer %s: %w", l.Digest, err)
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

// indexEntry finds the entry of index.json that a ref name or digest means.
func indexEntry(index *layout.Index, ref string) (ocispec.Descriptor, error) {
	entries := index.Descriptors()
	if ref == "" {
		if len(entries) == 1 {
			return entries[0], nil
		}
		return ocispec.Descriptor{}, &failure{message: fmt.Sprintf("index.json has %d entries", len(entries)), hint: "name one: DIR:REF; layform layout show DIR lists them"}
	}
	for _, d := range entries {
		if layout.RefName(d) == ref || string(d.Digest) == ref {
			return d, nil
		}
	}
	if dgst, err := digest.Parse(ref); err == nil {
		return ocispec.Descriptor{}, &failure{message: fmt.Sprintf("index.json has no entry for %s", dgst), hint: "layform layout show DIR lists them"}
	}
	return ocispec.Descriptor{}, &failure{message: fmt.Sprintf("index.json has no entry named %q", ref), hint: "layform layout show DIR lists them"}
}

// manifest follows indexes to the manifest of a platform. The first entry that
// matches wins, as the image specification has it.
func (img *image) manifest(ctx context.Context, desc ocispec.Descriptor, platform string, depth int) (*layout.Document, error) {
	if !imagespec.IsManifest(desc.MediaType) {
		return nil, &failure{message: fmt.Sprintf("%s is a %s, not a manifest or an index", desc.Digest, desc.MediaType)}
	}
	doc, err := img.store.Document(ctx, desc)
	if err != nil || doc.Manifests == nil {
		return doc, err
	}
	if depth == imagespec.MaxGraphDepth {
		return nil, &failure{message: fmt.Sprintf("indexes are nested more than %d deep", imagespec.MaxGraphDepth)}
	}
	var names []string
	for _, d := range doc.Manifests {
		if matches(d.Platform, platform) {
			return img.manifest(ctx, d, platform, depth+1)
		}
		if d.Platform != nil {
			names = append(names, view.Platform(d.Platform))
		}
	}
	return nil, &failure{message: fmt.Sprintf("the index %s has no image for this platform", desc.Digest), hint: "choose one with --platform: " + strings.Join(names, ", ")}
}

// matches reports whether a platform is the wanted one, or this machine's when
// none is wanted. An entry without a platform suits everybody.
func matches(p *ocispec.Platform, want string) bool {
	if p == nil {
		return true
	}
	if want == "" {
		return p.OS == "linux" && p.Architecture == runtime.GOARCH
	}
	return want == view.Platform(p) || want == p.OS+"/"+p.Architecture
}
