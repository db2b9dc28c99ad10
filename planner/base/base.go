// Package base finds the images that the base blocks of a spec name.
//
// The nouns. A Source is where images are read: a layout or a repository of a
// registry. A Resolver finds, for each base that a spec uses, the image that its
// reference and platform lead to, and reads all that a plan needs of it: manifests,
// indexes and configs, and never a layer. Cached keeps these documents by digest.
//
// What holds: a Source is not trusted. Documents have the digest that leads to them,
// are bounded, and are refused where two readers could understand them differently;
// and an image has as many diffIDs as layers.
package base

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/spec"
)

// Source is where images are read.
type Source interface {
	// Resolve finds the descriptor of a name or a digest. An empty name is the only
	// image that there is. Where the content came along, it is the descriptor's data.
	Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error)
	// Fetch reads content. The reader gives io.EOF only after exactly the bytes that
	// the descriptor names.
	Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error)
}

// image reads the image of a descriptor, for a platform where there is one.
func image(ctx context.Context, src Source, root ocispec.Descriptor, platform *ocispec.Platform) (*spec.BaseImage, error) {
	r := &reading{ctx: ctx, src: src, seen: map[digest.Digest]bool{}, kept: map[digest.Digest][]byte{}}
	b := &spec.BaseImage{}
	desc := root
	if platform != nil && imagespec.IsIndex(root.MediaType) {
		var err error
		if desc, err = layout.ChooseImage(ctx, r.read, root, *platform); err != nil {
			return nil, err
		}
		b.Index = root.Digest
	}
	doc, data, err := r.document(desc)
	if err != nil {
		return nil, err
	}
	b.Descriptor = ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, Platform: desc.Platform, ArtifactType: doc.ArtifactType}
	b.Annotations, b.Layers = doc.Annotations, doc.Layers
	if err := r.collect(desc, doc, data, 0); err != nil {
		return nil, err
	}
	b.Blobs = r.blobs
	if doc.Config != nil && imagespec.IsImageConfig(doc.Config.MediaType) {
		if err := r.config(b, doc); err != nil {
			return nil, err
		}
		if err := suits(b, platform, desc.Platform); err != nil {
			return nil, err
		}
		b.Descriptor.Platform = b.Config.Image.Platform
	}
	return b, nil
}

// suits checks that an image is for the platform that is wanted, if one is. What its
// config leaves open of the platform is as the entry of the index says, nil for none.
func suits(b *spec.BaseImage, want, entry *ocispec.Platform) error {
	is := b.Config.Image.Platform
	switch {
	case want == nil:
		return nil
	case is == nil:
		return &layout.PlatformError{Digest: b.Descriptor.Digest, Want: *want}
	case imagespec.ChoosePlatform(*want, []ocispec.Platform{*is}) != nil:
		return nil
	}
	if entry != nil && entry.OS == is.OS && entry.Architecture == is.Architecture {
		whole := *is
		whole.Variant, whole.OSVersion = cmp.Or(is.Variant, entry.Variant), cmp.Or(is.OSVersion, entry.OSVersion)
		if imagespec.ChoosePlatform(*want, []ocispec.Platform{whole}) != nil {
			b.Config.Image.Platform = &whole
			return nil
		}
	}
	return &layout.PlatformError{Digest: b.Descriptor.Digest, Want: *want, Have: []string{imagespec.PlatformText(*is)}}
}

// reading reads one image.
type reading struct {
	ctx   context.Context
	src   Source
	seen  map[digest.Digest]bool
	blobs []ocispec.Descriptor
	// size is how many bytes the documents among blobs have together.
	size int64
	// kept are documents that were read, and keptSize is the sum of their sizes, of which
	// maxDocuments are kept: choosing an image reads some that it consists of.
	kept     map[digest.Digest][]byte
	keptSize int64
}

// maxDocuments is how many bytes all documents of one image or index may have: they are
// kept as long as the plan is made.
const maxDocuments = 16 * imagespec.MaxDocument

// data reads a document whole. What its descriptor has embedded is not asked for.
func (r *reading) data(desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size > imagespec.MaxDocument {
		return nil, fmt.Errorf("%s has %d bytes, and a document of an image has at most %d", desc.Digest, desc.Size, imagespec.MaxDocument)
	}
	if len(desc.Data) > 0 {
		if err := imagespec.CheckDigest(desc.Digest); err != nil {
			return nil, fmt.Errorf("the digest %q: %w", desc.Digest, err)
		}
		if int64(len(desc.Data)) != desc.Size || desc.Digest.Algorithm().FromBytes(desc.Data) != desc.Digest {
			return nil, fmt.Errorf("the data in the descriptor of %s is other content", desc.Digest)
		}
		return desc.Data, nil
	}
	if data, ok := r.kept[desc.Digest]; ok && int64(len(data)) == desc.Size {
		return data, nil
	}
	in, err := r.src.Fetch(r.ctx, desc)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(in, imagespec.MaxDocument+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, err
	}
	if r.keptSize+int64(len(data)) <= maxDocuments {
		r.kept[desc.Digest] = data
		r.keptSize += int64(len(data))
	}
	return data, nil
}

// read is data as layout.ChooseImage wants it.
func (r *reading) read(_ context.Context, desc ocispec.Descriptor) ([]byte, error) {
	return r.data(desc)
}

// document reads a manifest or an index.
func (r *reading) document(desc ocispec.Descriptor) (*layout.Document, []byte, error) {
	if !imagespec.IsManifest(desc.MediaType) {
		return nil, nil, fmt.Errorf("%s is of type %s, and no manifest or index", desc.Digest, desc.MediaType)
	}
	data, err := r.data(desc)
	if err != nil {
		return nil, nil, err
	}
	doc, err := layout.ParseDocument(data, desc.MediaType, jsondoc.Limits{})
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be understood: %w", desc.Digest, err)
	}
	return doc, data, nil
}

// collect lists the blobs of a document, itself last.
func (r *reading) collect(desc ocispec.Descriptor, doc *layout.Document, data []byte, depth int) error {
	if depth > imagespec.MaxGraphDepth || len(r.blobs) > imagespec.MaxDescriptors {
		return fmt.Errorf("it is nested more than %d deep, or refers to more than %d blobs", imagespec.MaxGraphDepth, imagespec.MaxDescriptors)
	}
	r.seen[desc.Digest] = true
	for _, m := range doc.Manifests {
		if r.seen[m.Digest] {
			continue
		}
		inner, content, err := r.document(m)
		if err != nil {
			return err
		}
		if err := r.collect(m, inner, content, depth+1); err != nil {
			return err
		}
	}
	if doc.Config != nil {
		if err := r.add(*doc.Config, imagespec.IsImageConfig(doc.Config.MediaType)); err != nil {
			return err
		}
	}
	for _, l := range append(doc.Layers, doc.Blobs...) {
		if err := r.add(l, false); err != nil {
			return err
		}
	}
	return r.list(desc, data)
}

// add lists a blob once, with its data where it is read.
func (r *reading) add(desc ocispec.Descriptor, read bool) error {
	if r.seen[desc.Digest] {
		return nil
	}
	r.seen[desc.Digest] = true
	var data []byte
	if read {
		var err error
		if data, err = r.data(desc); err != nil {
			return err
		}
	}
	return r.list(desc, data)
}

// list lists what identifies a blob, with its data.
func (r *reading) list(desc ocispec.Descriptor, data []byte) error {
	if r.size += int64(len(data)); r.size > maxDocuments {
		return fmt.Errorf("its manifests, indexes and configs have more than %d bytes", maxDocuments)
	}
	r.blobs = append(r.blobs, ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, Data: data})
	return nil
}
