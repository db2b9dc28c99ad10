package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/planner/base"
	"github.com/layform/layform/spec"
)

// bases reads the bases of a spec. It opens each place once, and keeps it open until
// Close.
type bases struct {
	// dir is the spec's directory, which paths are relative to.
	dir string

	mu      sync.Mutex
	layouts map[string]*openedLayout
}

func newBases(dir string) *bases { return &bases{dir: dir, layouts: map[string]*openedLayout{}} }

// Resolve finds what bases stand for.
func (b *bases) Resolve(ctx context.Context, requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
	r := base.Resolver{Open: b.open}
	return r.Resolve(ctx, requests)
}

// open gives the place that a reference points into.
func (b *bases) open(ctx context.Context, r ref.Reference) (base.Source, error) {
	l, err := b.layout(ctx, r)
	if err != nil {
		return nil, err
	}
	return base.Layout{Reader: l.Reader}, nil
}

// layout opens a layout or an archive, unless it is open already.
func (b *bases) layout(ctx context.Context, r ref.Reference) (*openedLayout, error) {
	if r.Transport != ref.Layout && r.Transport != ref.Archive {
		return nil, fmt.Errorf("%s: bases cannot be read there yet: copy the image to a layout, and write oci:DIR", r)
	}
	path := filepath.FromSlash(r.Path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.dir, path)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.layouts[path]; l != nil {
		return l, nil
	}
	l, err := openLayoutAt(ctx, path, false)
	if err != nil {
		return nil, err
	}
	b.layouts[path] = l
	return l, nil
}

// CopyBlob writes a blob of a base to an Ingest.
func (b *bases) CopyBlob(ctx context.Context, from *spec.Base, desc ocispec.Descriptor, to *layout.Ingest) error {
	l, err := b.layout(ctx, from.From)
	if err != nil {
		return err
	}
	return to.CopyBlob(ctx, l.Reader, desc)
}

// Close closes all that was opened.
func (b *bases) Close() error {
	var errs []error
	for _, l := range b.layouts {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
