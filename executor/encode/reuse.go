package encode

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"io"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
)

// chunkIndex finds chunks in earlier blobs.
type chunkIndex struct {
	chunks map[digest.Digest]chunkRef
	// parts are the digests of chunks that hold a part of one long file and
	// nothing else.
	parts map[filePart]digest.Digest
}

// filePart is a part of a file's content.
type filePart struct {
	file        digest.Digest
	start, size int64
}

// chunkRef is a chunk of an earlier blob.
type chunkRef struct {
	blob  io.ReaderAt
	chunk layer.Chunk
}

// newChunkIndex indexes the chunks that were cut and compressed just as now. Others
// would give other bytes.
func newChunkIndex(opts Options) *chunkIndex {
	r := &chunkIndex{chunks: map[digest.Digest]chunkRef{}, parts: map[filePart]digest.Digest{}}
	for from := range opts.sameEncoding() {
		for _, c := range from.TOC.Chunks {
			if _, ok := r.chunks[c.Digest]; !ok && plausible(c) {
				r.chunks[c.Digest] = chunkRef{from.Blob, c}
			}
		}
		r.addParts(from.TOC)
	}
	return r
}

// sameEncoding are the earlier blobs that were written as the new one is.
func (o Options) sameEncoding() iter.Seq[Reuse] {
	encoding := layer.EncodingOf(o.Compression)
	return func(yield func(Reuse) bool) {
		for _, from := range o.Reuse {
			if from.TOC != nil && from.Blob != nil && from.TOC.Encoding == encoding && !yield(from) {
				return
			}
		}
	}
}

// addParts notes the chunks that lie inside long files.
func (r *chunkIndex) addParts(toc *layer.TOC) {
	at, i := int64(0), 0 // chunk i begins at the place at in the tar
	for k := range toc.Entries {
		e := &toc.Entries[k]
		if e.Type != layer.Regular || e.Digest == "" || e.Offset <= 0 {
			continue
		}
		for i < len(toc.Chunks) && at < e.Offset {
			at += toc.Chunks[i].Size
			i++
		}
		for i < len(toc.Chunks) && at >= e.Offset && toc.Chunks[i].Size <= e.Offset+e.Size-at {
			r.parts[filePart{e.Digest, at - e.Offset, toc.Chunks[i].Size}] = toc.Chunks[i].Digest
			at += toc.Chunks[i].Size
			i++
		}
	}
}

// knownDigest is the digest of a chunk that holds a part of one long file whose
// own digest is known, and nothing else, where an earlier blob has that part;
// otherwise it is empty.
func (r *chunkIndex) knownDigest(c *chunk) digest.Digest {
	if len(c.parts) != 1 || c.parts[0].known == "" || c.parts[0].size != int64(len(c.raw)) {
		return ""
	}
	p := &c.parts[0]
	return r.parts[filePart{p.known, p.start, p.size}]
}

// plausible reports whether a chunk is sealed, and its numbers can be those of a
// chunk: tables of contents come from disk, and nothing is allocated on their
// word alone.
func plausible(c layer.Chunk) bool {
	return c.Seal != "" && c.Size >= 0 && c.Offset >= 0 && c.Length >= 0 && c.Length <= c.Size+c.Size/8+1024
}

// copy appends the compressed bytes of a chunk to dst if an earlier blob has them, as
// its table of contents has it. Bytes that are not are left alone: the chunk is
// compressed again.
func (r *chunkIndex) copy(dst []byte, d digest.Digest, size int) ([]byte, digest.Digest, bool) {
	p, ok := r.chunks[d]
	if !ok || p.chunk.Size != int64(size) {
		return dst, "", false
	}
	return p.copy(dst)
}

// copy appends the compressed bytes of the chunk to dst if they are intact.
func (p chunkRef) copy(dst []byte) ([]byte, digest.Digest, bool) {
	start := len(dst)
	dst = slices.Grow(dst, int(p.chunk.Length))[:start+int(p.chunk.Length)]
	n, err := p.blob.ReadAt(dst[start:], p.chunk.Offset)
	if n < int(p.chunk.Length) || err != nil && err != io.EOF {
		return dst[:start], "", false
	}
	seal := sealOf(p.chunk.Digest, dst[start:])
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

// chunkDigest gives a chunk's digest. It covers the bytes in sections, each with
// its kind and length before it: the contents of whole files as their SHA-256,
// which is known from the table of contents' entry anyway, and all other bytes
// as they are. So equal digests mean equal bytes, and content is hashed once.
func chunkDigest(c *chunk) digest.Digest {
	h := sha256.New()
	at := 0
	for i := range c.parts {
		if p := &c.parts[i]; p.whole {
			section(h, 'b', int64(p.at-at), c.raw[at:p.at])
			section(h, 'f', p.size, p.sum[:])
			if at = p.at; !p.absent {
				at += int(p.size)
			}
		}
	}
	section(h, 'b', int64(len(c.raw)-at), c.raw[at:])
	return digest.NewDigest(digest.SHA256, h)
}

func section(h hash.Hash, kind byte, size int64, bytes []byte) {
	var head [9]byte
	head[0] = kind
	binary.BigEndian.PutUint64(head[1:], uint64(size))
	h.Write(head[:])
	h.Write(bytes)
}

// stateCheckSize is the length of what ends a chunk's State.
const stateCheckSize = 8

// stateOf saves the state of a hash at the end of a chunk; nil for a hash that
// has no state to save. What ends it ties it to the chunk: damage to either shows.
func stateOf(diff hash.Hash, seal digest.Digest) ([]byte, error) {
	m, ok := diff.(encoding.BinaryMarshaler)
	if !ok {
		return nil, nil
	}
	state, err := m.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return append(state, stateCheck(state, seal)...), nil
}

// resume brings a hash to the state at the end of a chunk, and reports whether
// that is known.
func resume(diff hash.Hash, c layer.Chunk) bool {
	n := len(c.State) - stateCheckSize
	m, ok := diff.(encoding.BinaryUnmarshaler)
	return ok && n > 0 && string(stateCheck(c.State[:n], c.Seal)) == string(c.State[n:]) &&
		m.UnmarshalBinary(c.State[:n]) == nil
}

func stateCheck(state []byte, seal digest.Digest) []byte {
	h := sha256.New()
	io.WriteString(h, string(seal)) // a hash returns no errors
	h.Write(state)
	return h.Sum(nil)[:stateCheckSize]
}
