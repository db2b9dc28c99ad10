// Package encode turns what a layer is made of into its blob.
//
// Write and Import make a blob in one streaming pass: entries become a tar, the
// tar is cut into chunks at places that its entries decide, each chunk is
// compressed alone, as a gzip member or a zstd frame, on all cores, and chunks
// are written in order. Any reader takes the members or frames as one stream.
// In the same pass the uncompressed stream is hashed, which gives the diffID,
// and so is every file whose digest Options.Digests does not know; all is listed
// in a table of contents, a layer.TOC.
//
// Guarantees: the same entries and compression give the same bytes, on every
// machine, whatever the parallelism and whatever earlier blobs are there to
// reuse; golden digests pin those bytes under the name layer.Encoding. Memory
// is bounded whatever the length of the layer and its files: a few chunks of at
// most 2 MiB for each worker. A file that moves while it is read is an error.
//
// The table of contents of an earlier blob saves work: its chunks are copied
// instead of being compressed again, and what stands in front of the first change
// is not read either, since the table tells the state of the stream's hash after
// each chunk.
package encode

import (
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// Options shape the writing of a layer.
type Options struct {
	// Compression is the compression of a tree; the zero value is gzip at its default
	// level. Import goes by source.File.Output instead.
	Compression imagespec.Compression
	// Parallelism bounds the chunks that are read and compressed at once; 0
	// means GOMAXPROCS. It never changes the bytes.
	Parallelism int
	// Reuse are earlier blobs whose chunks are copied instead of being
	// compressed again. They never change the bytes. Where the first is a
	// *layout.BlobFile and the writer a *layout.Ingest, on a file system that can, the
	// chunks in front of the first change that are not read share the blob's blocks
	// instead.
	Reuse []Reuse
	// Digests remembers digests of files, by the paths of their entries' File;
	// nil remembers nothing. A file that it knows, by what stat says of it as it
	// is read, is not hashed again; one that was hashed is told to it. Where
	// chunks are reused, files that it knows and that stand in front of the
	// first change are stat'ed and not read.
	Digests source.Digester
	// Progress, if not nil, receives the number of uncompressed bytes done since the
	// last call. Calls never overlap.
	Progress func(n int64)
}

// Reuse is an earlier blob, with the table of contents of its chunks.
type Reuse struct {
	TOC  *layer.TOC
	Blob io.ReaderAt
}

// Result is the outcome of writing a layer: its identity, its table of contents, and
// the work that it took.
type Result struct {
	// DiffID is the digest of the uncompressed tar; empty for a blob that is
	// not a tar.
	DiffID digest.Digest
	// TOC lists the chunks of the blob; nil for a blob that is not a tar. Its Size is
	// that of the bytes written. Its Blob is left empty where the blob was compressed
	// here: whoever stores it learns its digest anyway. Its entries are in Entries
	// alone, which give those of the tree that was written, and hold it.
	TOC     *layer.TOC
	Entries layer.EntryList
	// Fingerprint is the fingerprint of what was written: what
	// source.Observed.Fingerprint gives when everything is hashed.
	Fingerprint digest.Digest
	Stats       Stats
}

// Stats count the work that was done.
type Stats struct {
	// Read is the number of content bytes read from files, twice for those that
	// were read to find the first change and then to be written.
	Read int64 `json:"read"`
	// Files is the number of files that were opened for that, and Hashed the number of
	// content bytes that were hashed because their digest was not known.
	Files  int64 `json:"files"`
	Hashed int64 `json:"hashed"`
	// Tar is the number of uncompressed bytes, Written that of the blob's.
	Tar     int64 `json:"tar"`
	Written int64 `json:"written"`
	// Compressed and Reused are the uncompressed bytes of the chunks that were
	// compressed and of those that were copied from an earlier blob.
	Compressed int64 `json:"compressed"`
	Reused     int64 `json:"reused"`
	// Chunks is the number of chunks; ReusedChunks of them were copied.
	Chunks       int `json:"chunks"`
	ReusedChunks int `json:"reused_chunks"`
}
