package planner

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/spec"
)

// Bases is where the bases of a spec are read.
type Bases interface {
	// Resolve finds what bases stand for; see spec.LoadOptions.
	Resolve(ctx context.Context, requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics)
	// OpenBlob opens a blob of a base that is in a layout or an archive. The reader
	// proves it, and the caller closes it.
	OpenBlob(ctx context.Context, base *spec.Base, desc ocispec.Descriptor) (io.ReadCloser, error)
	// CopyBlob writes a blob of a base to an Ingest, which proves it.
	CopyBlob(ctx context.Context, base *spec.Base, desc ocispec.Descriptor, to *layout.Ingest) error
}

// BaseRecord is what a plan keeps of a base: applying it refuses another image.
type BaseRecord struct {
	Address string `json:"address"`
	// From is the reference, and Name the normal form that the image is known by.
	From string `json:"from"`
	Name string `json:"name"`
	// Digest is that of the image, and Index that of the index it was chosen from.
	Digest digest.Digest `json:"digest"`
	Index  digest.Digest `json:"index_digest,omitempty"`
}

// Image is what a base stands for; nil for what is no base, and where nobody looked.
func (g *Graph) Image(a spec.Address) *spec.BaseImage {
	if b := g.base(a); b != nil {
		return b.Image
	}
	return nil
}

// base is the base at an address; nil for what is none.
func (g *Graph) base(a spec.Address) *spec.Base {
	o, ok := g.Bases[a]
	if !ok {
		return nil
	}
	b, _ := o.Body.(*spec.Base)
	return b
}

// bases are the addresses of the bases, sorted.
func (g *Graph) bases() []spec.Address {
	return slices.SortedFunc(maps.Keys(g.Bases), spec.Address.Compare)
}

// BaseWith is the first base, in order, that consists of a blob among others; nil for none.
func (g *Graph) BaseWith(blob digest.Digest) *spec.Base {
	for _, a := range g.bases() {
		image := g.Image(a)
		if image != nil && slices.ContainsFunc(image.Blobs, func(d ocispec.Descriptor) bool { return d.Digest == blob }) {
			return g.Bases[a].Body.(*spec.Base)
		}
	}
	return nil
}

// checkBases checks that it is known what the bases of the spec stand for.
func (g *Graph) checkBases() error {
	for _, a := range g.bases() {
		if g.Image(a) == nil {
			return fmt.Errorf("%s was not looked for: load the spec with LoadOptions.Bases", a)
		}
	}
	return nil
}

// baseRecords are what a plan keeps of the bases.
func (g *Graph) baseRecords() []BaseRecord {
	var out []BaseRecord
	for _, a := range g.bases() {
		if image := g.Image(a); image != nil {
			b := g.Bases[a].Body.(*spec.Base)
			out = append(out, BaseRecord{
				Address: a.String(), From: b.From.String(), Name: image.Name, Digest: image.Descriptor.Digest, Index: image.Index,
			})
		}
	}
	return out
}

// evaluatedBases are the bases beside the steps, by key: they are known from the start.
func (g *Graph) evaluatedBases() map[string]Evaluated {
	out := map[string]Evaluated{}
	for a, o := range g.Bases {
		if image := g.Image(a); image != nil {
			out[a.String()] = Evaluated{Object: o, Built: spec.Built{Descriptor: image.Descriptor}, Known: true}
		}
	}
	return out
}
