package imagespec

// The limits of documents, in bytes and in depth. layform writes within them and
// reads within them: what exceeds them would be of no use to its readers.
const (
	// MaxDocument is the largest size of a manifest, an index or a config: 4 MiB, the
	// limit of registries. MaxIndexJSON is that of index.json.
	MaxDocument  = 4 << 20
	MaxIndexJSON = 10 << 20
	// MaxAnnotations is the size of one map of annotations or labels: the sum of
	// its keys and values.
	MaxAnnotations = 1 << 20
	// MinDescriptor is less than the size of any descriptor.
	MinDescriptor = 150
	// MaxJSONDepth is the deepest nesting of a JSON document.
	MaxJSONDepth = 32
	// MaxGraphDepth is the longest way from an entry of index.json to a blob, and
	// MaxDescriptors the number of descriptors on all ways.
	MaxGraphDepth  = 8
	MaxDescriptors = 100_000
)

// The limits of a layer's decompression.
const (
	// MaxLayer is the number of bytes of a decompressed layer that are read.
	MaxLayer = 256 << 30
	// MaxRatio is how many times its size a layer may grow to, once it has grown
	// to RatioFree bytes. Gzip reaches 1032 with zeros; trees of files stay far below.
	MaxRatio  = 1000
	RatioFree = 256 << 20
	// MaxWindow is the largest window in bytes that a zstd frame may ask for.
	MaxWindow = 64 << 20
)

// GrowsTooMuch reports whether out bytes are more than a layer may decompress to
// of which in bytes were read.
func GrowsTooMuch(in, out int64) bool { return out > RatioFree && out/MaxRatio > in }
