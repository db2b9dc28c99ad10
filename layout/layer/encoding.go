package layer

import (
	"strconv"

	"github.com/layform/layform/layout/imagespec"
)

// Encoding names the rule that turns entries into the bytes of a layer: tar
// headers, chunk boundaries, encoders and levels. It is part of every layer's
// fingerprint. Change it whenever any of these changes bytes, and the golden
// digests of executor/encode with it.
const Encoding = "layform/1"

// The default levels, which level 0 means.
const (
	DefaultGzipLevel = 6
	DefaultZstdLevel = 3
)

// EncodingOf names all that turns a tar into a blob's bytes: the Encoding, the
// algorithm, and the level, with defaults filled in. Blobs of one such name
// share chunks.
func EncodingOf(c imagespec.Compression) string {
	level := c.Level
	switch c.Algorithm {
	case imagespec.Gzip, "":
		c.Algorithm = imagespec.Gzip
		if level == 0 {
			level = DefaultGzipLevel
		}
	case imagespec.Zstd:
		if level == 0 {
			level = DefaultZstdLevel
		}
	default:
		return Encoding + " " + string(c.Algorithm)
	}
	return Encoding + " " + string(c.Algorithm) + "-" + strconv.Itoa(level)
}
