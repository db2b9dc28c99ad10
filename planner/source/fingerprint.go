package source

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// Fingerprint covers everything that the tree gives to the layer's bytes: path,
// type, mode, owner, mtime, size, content, target, xattrs and device of every
// entry, in order. It answers false while content is unknown or unhashed.
func (t *Tree) Fingerprint() (digest.Digest, bool) {
	if t.Sum != "" {
		return t.Sum, true
	}
	return fingerprint(func(yield func(*stage.Entry, bool) bool) {
		for i := range t.Entries {
			if !yield(&t.Entries[i].Entry, !t.Entries[i].Unknown) {
				return
			}
		}
	})
}

// LayerFingerprint is the fingerprint of the tree's layer where the tree's own
// is known already as its Sum, empty otherwise.
func (t *Tree) LayerFingerprint(c spec.Compression) digest.Digest { return treeLayer(t.Sum, c) }

// FingerprintTree is the fingerprint of the layer of a tree with these entries,
// the one that Observed.Fingerprint gives for it.
func FingerprintTree(entries []stage.Entry, c spec.Compression) (digest.Digest, bool) {
	d, ok := fingerprint(func(yield func(*stage.Entry, bool) bool) {
		for i := range entries {
			if !yield(&entries[i], true) {
				return
			}
		}
	})
	return treeLayer(d, c), ok
}

func treeLayer(tree digest.Digest, c spec.Compression) digest.Digest {
	if tree == "" {
		return ""
	}
	return digest.FromBytes(record(nil, "tree layer", EncodingOf(c), string(tree)))
}

// fingerprint covers entries in order, each with whether its content is known.
func fingerprint(entries iter.Seq2[*stage.Entry, bool]) (digest.Digest, bool) {
	h := sha256.New()
	buf := record(nil, "tree")
	for e, known := range entries {
		var content []byte
		if e.Type == stage.Regular {
			sum, ok := stage.SumOf(e.Digest)
			if !ok || !known {
				return "", false
			}
			content = sum[:]
		}
		if buf = recordEntry(buf, e.Path, e, content); len(buf) > recordBuffer {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	h.Write(buf)
	return digest.NewDigest(digest.SHA256, h), true
}

// recordBuffer is how many bytes of records are hashed at once.
const recordBuffer = 8 << 10

// Fingerprint covers everything that decides the bytes of the layer l: what
// was observed, and the Encoding, algorithm and level where the compression is
// ours to choose. It answers false while something of that is unknown or
// unhashed.
func (o *Observed) Fingerprint(l *spec.Layer) (digest.Digest, bool) {
	var buf []byte
	switch {
	case o.Tree != nil:
		d, ok := o.Tree.Fingerprint()
		return treeLayer(d, l.Compression), ok
	case o.File == nil || o.File.Digest == "":
		return "", false
	case l.Archive != "" && o.File.Compression == spec.Uncompressed:
		buf = record(buf, "archive layer", EncodingOf(l.Compression), string(o.File.Digest))
	default:
		buf = record(buf, "file layer", string(o.File.Digest))
	}
	return digest.FromBytes(buf), true
}

// The levels that level 0 stands for.
const (
	DefaultGzipLevel = 6
	DefaultZstdLevel = 3
)

// EncodingOf names all that turns a tar into a blob's bytes: the Encoding, the
// algorithm, and the level, with defaults filled in. Blobs of one such name
// share chunks.
func EncodingOf(c spec.Compression) string {
	level := c.Level
	switch c.Algorithm {
	case spec.Gzip, "":
		c.Algorithm = spec.Gzip
		if level == 0 {
			level = DefaultGzipLevel
		}
	case spec.Zstd:
		if level == 0 {
			level = DefaultZstdLevel
		}
	default:
		return Encoding + " " + string(c.Algorithm)
	}
	return Encoding + " " + string(c.Algorithm) + "-" + strconv.Itoa(level)
}

// record appends texts, each with its length before it, so that no two lists
// give the same bytes.
func record[T string | []byte](dst []byte, fields ...T) []byte {
	for _, s := range fields {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

// recordEntry appends all that an entry gives to a layer: content is the SHA-256
// of a regular file's, and its path is given apart.
func recordEntry[T string | []byte](dst []byte, path T, e *stage.Entry, content []byte) []byte {
	dst = record(dst, path)
	dst = record(dst, string(e.Type), e.Linkname)
	dst = record(dst, content)
	for _, n := range [...]int64{int64(e.Mode), int64(e.UID), int64(e.GID), e.Mtime, e.Size, e.Devmajor, e.Devminor, int64(len(e.Xattrs))} {
		dst = binary.AppendVarint(dst, n)
	}
	if len(e.Xattrs) == 0 {
		return dst
	}
	for _, key := range slices.Sorted(maps.Keys(e.Xattrs)) {
		dst = record(dst, key, e.Xattrs[key])
	}
	return dst
}
