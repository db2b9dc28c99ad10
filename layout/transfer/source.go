package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// Layout is a layout, in a directory or an archive, as a Source.
type Layout struct {
	reader *layout.Reader
	// name is how errors call it.
	name string

	mu        sync.Mutex
	referrers map[digest.Digest][]ocispec.Descriptor
	read      bool
}

// NewLayout makes a Source of a layout, which errors call by name. It serves one
// transfer.
func NewLayout(reader *layout.Reader, name string) *Layout {
	return &Layout{reader: reader, name: name}
}

// Fetch reads a blob, verified. Its errors name the layout.
func (l *Layout) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	rc, err := l.reader.Fetch(ctx, desc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	return &content{rc, l.name}, nil
}

// content is a blob whose errors name the layout that it is in.
type content struct {
	io.ReadCloser
	name string
}

// Read names the layout in all errors but io.EOF.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%s: %w", c.name, err)
	}
	return n, err
}

// Resolve finds the entry with a ref name.
func (l *Layout) Resolve(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	return l.reader.Resolve(ctx, tag)
}

// Referrers lists the manifests with the given subject among those that
// index.json reaches, without a ref name or with one.
func (l *Layout) Referrers(ctx context.Context, subject ocispec.Descriptor) iter.Seq2[ocispec.Descriptor, error] {
	return func(yield func(ocispec.Descriptor, error) bool) {
		l.mu.Lock()
		err := l.readReferrers(ctx)
		found := l.referrers[subject.Digest]
		l.mu.Unlock()
		if err != nil {
			yield(ocispec.Descriptor{}, err)
			return
		}
		for _, desc := range found {
			if !yield(desc, nil) {
				return
			}
		}
	}
}

// readReferrers finds the referrers of everything, once.
func (l *Layout) readReferrers(ctx context.Context) error {
	if l.read {
		return nil
	}
	index, err := l.reader.Index(ctx)
	if err != nil {
		return err
	}
	found := map[digest.Digest][]ocispec.Descriptor{}
	for desc, err := range l.reader.Reachable(ctx, index.Descriptors()) {
		if errors.Is(err, errdef.ErrNotFound) {
			continue // what is not in a sparse layout refers to nothing that can be read
		}
		if err != nil {
			return fmt.Errorf("looking for referrers in %s: %w", l.name, err)
		}
		if !imagespec.IsManifest(desc.MediaType) {
			continue
		}
		doc, err := l.reader.Document(ctx, desc)
		if err != nil {
			return fmt.Errorf("looking for referrers in %s: %w", l.name, err)
		}
		if doc.Subject == nil {
			continue
		}
		entry := identityOf(desc)
		entry.ArtifactType = doc.ArtifactType
		found[doc.Subject.Digest] = append(found[doc.Subject.Digest], entry)
	}
	l.referrers, l.read = found, true
	return nil
}
