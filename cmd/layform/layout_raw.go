package main

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
)

// printRaw prints the bytes of one document: index.json, or what a name or digest means.
func (c *layoutShowCmd) printRaw(ctx context.Context, a *app, store *openedLayout, at ref.Reference) error {
	if at.Name == "" && at.Digest == "" {
		index, err := store.Index(ctx)
		if err != nil {
			return err
		}
		return writeTo(a.stdout, string(index.Raw()))
	}
	dgst, err := namedDocument(ctx, store.Reader, at)
	if err != nil {
		return err
	}
	size, exists, err := store.Size(ctx, dgst)
	if err != nil {
		return err
	}
	if !exists {
		return &failure{message: at.Path + " has no blob " + dgst.String(), hint: "layform layout show " + shellWord(at.Path) + " lists all"}
	}
	data, err := store.ReadBlob(ctx, ocispec.Descriptor{Digest: dgst, Size: size}, 0)
	if err != nil {
		return err
	}
	return writeTo(a.stdout, string(data))
}

// namedDocument is the digest that a reference means. One by digest alone may be that of
// any blob, such as a config.
func namedDocument(ctx context.Context, reader *layout.Reader, at ref.Reference) (digest.Digest, error) {
	if at.Name == "" {
		return at.Digest, nil
	}
	image, err := findImage(ctx, reader, at)
	return image.desc.Digest, err
}
