package samples

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/transfer"
)

// Transfer is a push of two images, of which one moves a tag and the other is a
// choice of platforms.
func Transfer() *view.Transfer {
	index := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: dgst("i"), Size: 300}
	image := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst("m"), Size: 400}
	blob := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: dgst("l"), Size: 50_000}
	return &view.Transfer{
		Source: "oci:dist/app", Destination: "docker://registry.example.com/app", DryRun: true, Requests: 7,
		Roots: []transfer.Root{
			{Descriptor: index, Was: dgst("o"), Tags: []transfer.Tag{{Name: "latest", Have: dgst("h"), Action: transfer.TagMoved}, {Name: "v1", Action: transfer.TagMade}}},
			{Descriptor: image, Tags: []transfer.Tag{{Name: "v0", Have: image.Digest, Action: transfer.TagKept}}},
			{Descriptor: blob},
		},
		Summary: transfer.Summary{There: transfer.Sum{Count: 1, Bytes: 400}, Mount: transfer.Sum{Count: 1, Bytes: 50_000}, Upload: transfer.Sum{Count: 1, Bytes: 300}, Referrers: 1},
		Steps: []transfer.Step{
			{Descriptor: blob, Action: transfer.Mount, From: "base"},
			{Descriptor: image, Manifest: true, Action: transfer.There, Phase: 1},
			{Descriptor: index, Manifest: true, Action: transfer.Upload, Phase: 2},
		},
	}
}
