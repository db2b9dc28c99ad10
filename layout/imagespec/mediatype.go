package imagespec

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The media types beside those that ocispec names: of Docker's images, which
// every OCI reader takes, of layers that the image spec once had, and of the
// artifact manifest of an earlier draft.
const (
	MediaTypeDockerManifest   = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList       = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerConfig     = "application/vnd.docker.container.image.v1+json"
	MediaTypeArtifactManifest = "application/vnd.oci.artifact.manifest.v1+json"

	dockerLayer      = "application/vnd.docker.image.rootfs.diff.tar"
	dockerForeign    = "application/vnd.docker.image.rootfs.foreign.diff.tar"
	nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar"
)

// Algorithm is a compression algorithm of layers. The zero value is the default
// of what is written, which is Gzip.
type Algorithm string

// The compression algorithms of layers.
const (
	Gzip         Algorithm = "gzip"
	Zstd         Algorithm = "zstd"
	Uncompressed Algorithm = "none"
)

// Algorithms lists the compression algorithms, the default first.
func Algorithms() []Algorithm { return []Algorithm{Gzip, Zstd, Uncompressed} }

// Compression is a compression algorithm with its level. Level 0 is the default
// level of the algorithm.
type Compression struct {
	Algorithm Algorithm
	Level     int
}

// MediaType is the media type of a layer that is compressed with a.
func (a Algorithm) MediaType() string {
	switch a {
	case Zstd:
		return ocispec.MediaTypeImageLayerZstd
	case Uncompressed:
		return ocispec.MediaTypeImageLayer
	}
	return ocispec.MediaTypeImageLayerGzip
}

// MaxLevel is the highest compression level of a; 0 where there are no levels.
func (a Algorithm) MaxLevel() int {
	switch a {
	case Zstd:
		return 22
	case Uncompressed:
		return 0
	}
	return 9
}

// String describes the algorithm in a message: "gzip", "zstd", "none".
func (a Algorithm) String() string { return string(a) }

// layerType is a media type of layers and what it says of them.
type layerType struct {
	name             string
	algorithm        Algorithm
	nondistributable bool
}

// layerTypes is the one table of layer media types.
var layerTypes = [...]layerType{
	{ocispec.MediaTypeImageLayer, Uncompressed, false},
	{ocispec.MediaTypeImageLayerGzip, Gzip, false},
	{ocispec.MediaTypeImageLayerZstd, Zstd, false},
	{nondistributable, Uncompressed, true},
	{nondistributable + "+gzip", Gzip, true},
	{nondistributable + "+zstd", Zstd, true},
	{dockerLayer, Uncompressed, false},
	{dockerLayer + ".gzip", Gzip, false},
	{dockerLayer + ".zstd", Zstd, false},
	{dockerForeign, Uncompressed, true},
	{dockerForeign + ".gzip", Gzip, true},
	{dockerForeign + ".zstd", Zstd, true},
}

// LayerMediaTypes lists the media types of layers that can be unpacked: those of
// the image spec first, then its nondistributable ones, then Docker's.
func LayerMediaTypes() []string {
	var list []string
	for _, t := range layerTypes {
		list = append(list, t.name)
	}
	return list
}

// LayerCompression is the compression that a layer media type names. It is false
// for every other media type.
func LayerCompression(mediaType string) (Algorithm, bool) {
	for _, t := range layerTypes {
		if t.name == mediaType {
			return t.algorithm, true
		}
	}
	return "", false
}

// IsLayer reports whether mediaType is that of a layer, a tar that can be unpacked.
func IsLayer(mediaType string) bool {
	_, ok := LayerCompression(mediaType)
	return ok
}

// OCILayer is the media type of the image spec for a layer of one of Docker's; every
// other media type stays as it is.
func OCILayer(mediaType string) string {
	for _, kind := range [...][2]string{{dockerLayer, ocispec.MediaTypeImageLayer}, {dockerForeign, nondistributable}} {
		switch mediaType {
		case kind[0]:
			return kind[1]
		case kind[0] + ".gzip":
			return kind[1] + "+gzip"
		case kind[0] + ".zstd":
			return kind[1] + "+zstd"
		}
	}
	return mediaType
}

// DockerMediaType is Docker's media type for one of the image spec: of an index, a
// manifest, an image config or a layer. It is false for one that Docker has none for:
// layers that are compressed with zstd among them.
func DockerMediaType(mediaType string) (string, bool) {
	switch mediaType {
	case ocispec.MediaTypeImageIndex, MediaTypeDockerList:
		return MediaTypeDockerList, true
	case ocispec.MediaTypeImageManifest, MediaTypeDockerManifest:
		return MediaTypeDockerManifest, true
	case ocispec.MediaTypeImageConfig, MediaTypeDockerConfig:
		return MediaTypeDockerConfig, true
	}
	for _, docker := range [...]string{dockerLayer, dockerLayer + ".gzip", dockerForeign, dockerForeign + ".gzip"} {
		if mediaType == docker || mediaType == OCILayer(docker) {
			return docker, true
		}
	}
	return mediaType, false
}

// IsNondistributable reports whether mediaType is that of a layer which
// registries are asked not to distribute. The image spec deprecates these types.
func IsNondistributable(mediaType string) bool {
	for _, t := range layerTypes {
		if t.name == mediaType {
			return t.nondistributable
		}
	}
	return false
}

// IsManifest reports whether content of mediaType holds descriptors: manifests
// and indexes of OCI and Docker.
func IsManifest(mediaType string) bool {
	return IsIndex(mediaType) || IsImageManifest(mediaType)
}

// IsIndex reports whether mediaType is that of an index: a list of manifests.
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == MediaTypeDockerList
}

// IsImageManifest reports whether mediaType is that of a manifest of one image
// or artifact.
func IsImageManifest(mediaType string) bool {
	switch mediaType {
	case ocispec.MediaTypeImageManifest, MediaTypeDockerManifest, MediaTypeArtifactManifest:
		return true
	}
	return false
}

// IsImageConfig reports whether mediaType is that of an image config, which has a
// platform and the diffIDs of layers.
func IsImageConfig(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageConfig || mediaType == MediaTypeDockerConfig
}

// maxMediaTypeName is the length of each of the two names in a media type.
const maxMediaTypeName = 127

// IsMediaType reports whether s has the form of a media type: two names with a
// slash between them, each of 1 to 127 letters, digits and !#$&^_.+- that begins
// with a letter or digit (RFC 6838, 4.2).
func IsMediaType(s string) bool {
	slash := -1
	for i := range len(s) {
		if s[i] == '/' {
			slash = i
			break
		}
	}
	return slash >= 0 && isRestrictedName(s[:slash]) && isRestrictedName(s[slash+1:])
}

func isRestrictedName(s string) bool {
	if len(s) == 0 || len(s) > maxMediaTypeName || !isAlphanumeric(s[0]) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case '!', '#', '$', '&', '^', '_', '.', '+', '-':
		default:
			if !isAlphanumeric(c) {
				return false
			}
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
