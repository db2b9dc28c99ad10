package layer

import (
	"crypto/sha256"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
)

// reuse finds chunks in earlier blobs.
type reuse struct {
	places map[digest.Digest]place
}

type place struct {
	blob  io.ReaderAt
	chunk stage.Chunk
}

// newReuse indexes the chunks that were cut and compressed just as now. Others
// would give other bytes.
func newReuse(opts Options) *reuse {
	r := &reuse{places: map[digest.Digest]place{}}
	encoding := source.EncodingOf(opts.Compression)
	for _, from := range opts.Reuse {
		if from.TOC == nil || from.Blob == nil || from.TOC.Encoding != encoding {
			continue
		}
		for _, c := range from.TOC.Chunks {
			if _, ok := r.places[c.Digest]; !ok && c.Seal != "" && plausible(c) {
				r.places[c.Digest] = place{from.Blob, c}
			}
		}
	}
	return r
}

// plausible reports whether a chunk's numbers can be those of a chunk: tables
// of contents come from disk, and nothing is allocated on their word alone.
func plausible(c stage.Chunk) bool {
	return c.Size >= 0 && c.Offset >= 0 && c.Length >= 0 && c.Length <= c.Size+c.Size/8+1024
}

// copy appends the compressed bytes of a chunk to dst if an earlier blob has
// them, and they are what its table of contents says. Bytes that are not are
// left alone: the chunk is compressed again.
func (r *reuse) copy(dst []byte, d digest.Digest, size int) ([]byte, digest.Digest, bool) {
	p, ok := r.places[d]
	if !ok || p.chunk.Size != int64(size) {
		return dst, "", false
	}
	start := len(dst)
	dst = slices.Grow(dst, int(p.chunk.Length))[:start+int(p.chunk.Length)]
	n, err := p.blob.ReadAt(dst[start:], p.chunk.Offset)
	if n < int(p.chunk.Length) || err != nil && err != io.EOF {
		return dst[:start], "", false
	}
	seal := sealOf(d, dst[start:])
	if seal != p.chunk.Seal {
		return dst[:start], "", false
	}
	return dst, seal, true
}

// sealOf binds compressed bytes to the digest of what they hold: damage to
// either, or to the table that ties them together, breaks it.
func sealOf(d digest.Digest, compressed []byte) digest.Digest {
	h := sha256.New()
	io.WriteString(h, string(d)) // a hash returns no errors
	h.Write(compressed)
	return digest.NewDigest(digest.SHA256, h)
}
