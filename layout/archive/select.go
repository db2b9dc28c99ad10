package archive

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// Select reads of a layout one entry with its referrers, and the referrers of these: the
// entries of index.json without a ref name whose subject is in what comes along. Errors
// call the layout by name.
func Select(ctx context.Context, src *layout.Reader, name string, entry ocispec.Descriptor) (*layout.Reader, error) {
	index, err := src.Index(ctx)
	if err != nil {
		return nil, err
	}
	var unnamed []ocispec.Descriptor
	subject := map[digest.Digest]digest.Digest{}
	for _, desc := range index.Descriptors() {
		if layout.RefName(desc) != "" || !imagespec.IsManifest(desc.MediaType) || desc.Digest == entry.Digest {
			continue
		}
		doc, err := src.Document(ctx, desc)
		var damaged *layout.BlobError
		switch {
		case errors.As(err, &damaged):
			continue // what cannot be understood refers to nothing
		case err != nil:
			return nil, err
		case doc.Subject != nil:
			subject[desc.Digest] = doc.Subject.Digest
			unnamed = append(unnamed, desc)
		}
	}
	chosen := layout.NewIndex()
	within := map[digest.Digest]bool{}
	for next := []ocispec.Descriptor{entry}; len(next) > 0; {
		for _, desc := range next {
			if err := chosen.Set(desc); err != nil {
				return nil, err
			}
		}
		for desc, err := range src.Reachable(ctx, next) {
			if desc.Digest == "" {
				return nil, err
			}
			within[desc.Digest] = true
		}
		next = nil
		for _, desc := range unnamed {
			if within[subject[desc.Digest]] && !within[desc.Digest] {
				next = append(next, desc)
			}
		}
	}
	return layout.NewReader(selection{src.Tree(), chosen.Encode()}, name, src.Limits())
}

// selection is a layout with another index.json.
type selection struct {
	layout.Tree
	index []byte
}

// Open opens a file.
func (s selection) Open(name string) (layout.File, error) {
	if name != ocispec.ImageIndexFile {
		return s.Tree.Open(name)
	}
	c := content{data: s.index}
	return &openFile{SectionReader: c.section(), info: info{name, node{size: int64(len(s.index))}}}, nil
}
