package image

import (
	"encoding/json"
	"fmt"
	"maps"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/spec"
)

// baseHistory is the history of a base, entry by entry as it is. Readers want one entry
// for each layer: where the base has fewer, entries of the time of the base follow.
func baseHistory(base *spec.BaseImage, epoch int64) ([]json.RawMessage, error) {
	history := append([]json.RawMessage{}, base.History...)
	missing := len(base.DiffIDs)
	for i, raw := range history {
		var entry struct {
			Empty bool `json:"empty_layer"`
		}
		if err := json.Unmarshal(raw, &entry); err != nil {
			return nil, fmt.Errorf("history[%d] of the base: %w", i, err)
		}
		if !entry.Empty {
			missing--
		}
	}
	for ; missing > 0; missing-- {
		created, err := jsondoc.Encode(instant(nil, epoch))
		if err != nil {
			return nil, err
		}
		if len(base.Created) > 0 && string(base.Created) != "null" {
			created = base.Created
		}
		entry, err := jsondoc.Encode(struct {
			Created json.RawMessage `json:"created"`
			Comment string          `json:"comment"`
		}{created, "a layer of the base without a history"})
		if err != nil {
			return nil, err
		}
		history = append(history, entry)
	}
	return history, nil
}

// baseLayers are the descriptors of a base's layers. Media types of Docker become
// those of the image spec, for they stand in a manifest of the image spec.
func baseLayers(base *spec.BaseImage) []ocispec.Descriptor {
	var layers []ocispec.Descriptor
	for _, l := range base.Layers {
		l.MediaType = imagespec.OCILayer(l.MediaType)
		l.Data = nil
		layers = append(layers, l)
	}
	return layers
}

// basedOn adds the annotations base.name and base.digest to those of a manifest, unless
// the spec has them. A name that is no name in a registry means nothing elsewhere.
func basedOn(base *spec.BaseImage, annotations map[string]string) map[string]string {
	out := map[string]string{ocispec.AnnotationBaseImageDigest: base.Root().String()}
	if base.Registry {
		out[ocispec.AnnotationBaseImageName] = base.Name
	}
	maps.Copy(out, annotations)
	return out
}
