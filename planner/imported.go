package planner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/image"
	"github.com/layform/layform/spec"
)

// takeOver finds what the layout has already of a step that is not built: the blob that
// the object is, or a document that an import block names and that means the same.
func (e *evaluator) takeOver(ctx context.Context, s Step, now *Evaluated) error {
	o := now.Object
	if stored(o) != "" {
		now.Built, now.Known, now.Imported = e.Stored[s.Address], true, true
		return nil
	}
	for _, i := range e.imports[s.Address] {
		built, difference, err := e.takeOverDocument(ctx, s, o, i.Digest)
		if err != nil {
			return fmt.Errorf("%s: %w", location(i.Range), err)
		}
		if difference == "" {
			now.Built, now.Known, now.Imported, now.Differs = built, true, true, nil
			return nil
		}
		now.Differs = append(now.Differs, fmt.Sprintf("%s is not taken over (%s): %s", i.Digest, location(i.Range), difference))
	}
	return nil
}

// takeOverDocument compares a document of the layout with what the spec describes.
// difference says what keeps it from being taken over; empty where it means the same.
func (e *evaluator) takeOverDocument(ctx context.Context, s Step, o *spec.Object, dgst digest.Digest) (built spec.Built, difference string, err error) {
	find := func(key string) Evaluated { return e.Evaluated[key] }
	for _, key := range s.Needs {
		if !find(key).Known {
			return built, fmt.Sprintf("%s is not in the layout yet", key), nil
		}
	}
	desc := ocispec.Descriptor{MediaType: MediaType(o), Digest: dgst}
	size, exists, err := e.store.Size(ctx, dgst)
	switch {
	case err != nil:
		return built, "", err
	case !exists:
		return built, "the layout does not have it", nil
	case size > imagespec.MaxDocument:
		return built, fmt.Sprintf("it has %d bytes, and documents have at most %d", size, imagespec.MaxDocument), nil
	}
	desc.Size = size
	theirs, err := e.store.ReadBlob(ctx, desc, 0)
	if err != nil {
		if layout.IsDamaged(err) || errors.Is(err, fs.ErrNotExist) {
			return built, err.Error(), nil
		}
		return built, "", err
	}
	ours, err := e.graph.Document(s, o, Seconds(e.Epoch), find)
	if err != nil {
		return built, "", err
	}
	where, err := image.SameMeaning(desc.MediaType, theirs, ours)
	switch {
	case err != nil:
		return built, "it cannot be understood: " + err.Error(), nil
	case where != "":
		return built, "they differ in " + where, nil
	}
	e.Blobs[dgst] = layout.Intact
	return spec.Built{Descriptor: desc}, "", nil
}

// importsOf are the import blocks of a spec, nil for none, by the object that they are for.
func importsOf(sp *spec.Spec) map[spec.Address][]spec.Import {
	out := map[spec.Address][]spec.Import{}
	if sp == nil {
		return out
	}
	for _, i := range sp.Imports() {
		out[i.To] = append(out[i.To], i)
	}
	return out
}
