package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// attested is the annotation by which BuildKit's attestations name the manifest of
// the same index that they belong to.
const attested = "vnd.docker.reference.digest"

// filter makes the index that holds the entries of some platforms alone, with the
// attestations that belong to them. Entries and all other members keep their
// bytes. Each platform has to be there. Where nothing is left out, the index stays
// what it is, as does a single image.
func filter(ctx context.Context, read layout.ReadFunc, desc ocispec.Descriptor, data []byte, platforms []ocispec.Platform) (ocispec.Descriptor, []byte, error) {
	if !imagespec.IsIndex(desc.MediaType) {
		for _, p := range platforms {
			if _, err := layout.ChooseImage(ctx, read, desc, p); err != nil {
				return desc, nil, err
			}
		}
		return desc, data, nil
	}
	doc, err := layout.ParseDocument(data, desc.MediaType, jsondoc.Limits{})
	if err != nil {
		return desc, nil, fmt.Errorf("index %s cannot be understood: %w", desc.Digest, err)
	}
	kept, err := choose(ctx, read, desc, doc, platforms)
	if err != nil {
		return desc, nil, err
	}
	if len(kept) == len(doc.Manifests) {
		return desc, data, nil
	}
	var members map[string]json.RawMessage
	var entries []json.RawMessage
	if err := jsondoc.Decode(data, jsondoc.Limits{}, &members); err != nil {
		return desc, nil, err
	}
	if err := jsondoc.Decode(members["manifests"], jsondoc.Limits{}, &entries); err != nil {
		return desc, nil, err
	}
	var chosen []json.RawMessage
	for _, i := range kept {
		chosen = append(chosen, entries[i])
	}
	out := encodeIndex(members, chosen)
	made := ocispec.Descriptor{MediaType: desc.MediaType, Digest: digest.FromBytes(out), Size: int64(len(out)), ArtifactType: desc.ArtifactType, Annotations: desc.Annotations}
	return made, out, nil
}

// choose gives the positions of the entries that are kept.
func choose(ctx context.Context, read layout.ReadFunc, desc ocispec.Descriptor, index *layout.Document, platforms []ocispec.Platform) ([]int, error) {
	kept := map[int]bool{}
	digests := map[string]bool{}
	for _, p := range platforms {
		positions, err := layout.ChooseEntries(ctx, read, desc, index, p)
		if err != nil {
			return nil, err
		}
		for _, i := range positions {
			kept[i], digests[index.Manifests[i].Digest.String()] = true, true
		}
	}
	for i, e := range index.Manifests {
		if to := e.Annotations[attested]; to != "" && digests[to] {
			kept[i] = true
		}
	}
	return slices.Sorted(maps.Keys(kept)), nil
}

// encodeIndex writes an index: the members of the image spec in its order, then
// all others by name.
func encodeIndex(members map[string]json.RawMessage, manifests []json.RawMessage) []byte {
	known := []string{"schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations"}
	names := known
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for _, name := range names {
		value, ok := members[name]
		if !ok {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		quoted, _ := json.Marshal(name) // a string is always valid
		b.Write(quoted)
		b.WriteByte(':')
		if name == "manifests" {
			b.WriteByte('[')
			b.Write(bytes.Join(rawBytes(manifests), []byte(",")))
			b.WriteByte(']')
			continue
		}
		b.Write(value)
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func rawBytes(values []json.RawMessage) [][]byte {
	var out [][]byte
	for _, v := range values {
		out = append(out, v)
	}
	return out
}
