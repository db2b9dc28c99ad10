package encode

import (
	"bytes"
	"slices"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// blanks keeps the compressed form of a chunk of zeros. Chunks inside long files
// have one length, so that those of the holes in a file are hashed and compressed
// once. It is safe for use by several goroutines.
type blanks struct{ last atomic.Pointer[blank] }

// blank is a compressed chunk of size zeros.
type blank struct {
	size         int
	digest, seal digest.Digest
	out          []byte
}

// isBlank reports whether a chunk holds zeros alone, from inside one long file.
func (c *chunk) isBlank() bool {
	if len(c.parts) != 1 || c.parts[0].whole || c.parts[0].size != int64(len(c.raw)) {
		return false
	}
	const step = 4 << 10
	var zeros [step]byte
	for rest := c.raw; len(rest) > 0; rest = rest[min(step, len(rest)):] {
		if !bytes.Equal(rest[:min(step, len(rest))], zeros[:min(step, len(rest))]) {
			return false
		}
	}
	return true
}

// digest is that of a blank chunk.
func (b *blanks) digest(c *chunk) digest.Digest {
	if last := b.last.Load(); last != nil && last.size == len(c.raw) {
		return last.digest
	}
	return chunkDigest(c)
}

// copy sets the compressed bytes of a blank chunk where they are kept.
func (b *blanks) copy(c *chunk) bool {
	last := b.last.Load()
	if last == nil || last.size != len(c.raw) || last.digest != c.digest {
		return false
	}
	c.out, c.seal = append(c.out, last.out...), last.seal
	return true
}

// store keeps the compressed bytes of a blank chunk.
func (b *blanks) store(c *chunk) {
	b.last.Store(&blank{len(c.raw), c.digest, c.seal, slices.Clone(c.out)})
}
