package source

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// Fingerprint covers everything that the tree gives to the layer's bytes: path,
// type, mode, owner, mtime, size, content, target, xattrs and device of every
// entry, in order. It answers false while content is unknown or unhashed.
func (t *Tree) Fingerprint() (digest.Digest, bool) {
	if t.Sum != "" {
		return t.Sum, true
	}
	r := newTreeHasher()
	for i := range t.Entries {
		if t.Entries[i].Unknown || !r.add(&t.Entries[i].Entry, nil) {
			return "", false
		}
	}
	return r.fingerprint(), true
}

// LayerFingerprint is the fingerprint of the tree's layer where the tree's own
// is known already as its Sum, empty otherwise.
func (t *Tree) LayerFingerprint(c imagespec.Compression) digest.Digest {
	return treeLayer(t.Sum, layer.EncodingOf(c))
}

// FingerprintTree is the fingerprint of the layer of a tree with these entries,
// the one that Observed.Fingerprint gives for it where EncodingOf gives encoding.
func FingerprintTree(entries layer.EntryList, encoding string) (digest.Digest, bool) {
	r := newTreeHasher()
	for e, sum := range entries.All {
		if !r.add(e, sum) {
			return "", false
		}
	}
	return treeLayer(r.fingerprint(), encoding), true
}

func treeLayer(tree digest.Digest, encoding string) digest.Digest {
	if tree == "" {
		return ""
	}
	return digest.FromBytes(appendFields(nil, "tree layer", encoding, string(tree)))
}

// treeHasher hashes the records of the entries of a tree, one after the other.
type treeHasher struct {
	hash hash.Hash
	buf  []byte
}

func newTreeHasher() *treeHasher { return &treeHasher{sha256.New(), appendFields(nil, "tree")} }

// add hashes the record of an entry. Its content is that of sum or, where that is nil, of
// its digest; it answers false where a file has neither.
func (r *treeHasher) add(e *layer.Entry, sum *layer.Sum) bool {
	if e.Type != layer.Regular {
		addEntry(r, e.Path, e, nil)
		return true
	}
	if sum == nil {
		known, ok := layer.SumOf(e.Digest)
		if !ok {
			return false
		}
		sum = &known
	}
	addEntry(r, e.Path, e, sum)
	return true
}

// fingerprint is that of the tree.
func (r *treeHasher) fingerprint() digest.Digest {
	r.hash.Write(r.buf)
	r.buf = r.buf[:0]
	return digest.NewDigest(digest.SHA256, r.hash)
}

// hashedAtOnce is the number of bytes of records that are hashed at once.
const hashedAtOnce = 8 << 10

// Fingerprint covers everything that decides the bytes of the layer l: what
// was observed, and the Encoding, algorithm and level where the compression is
// ours to choose. It answers false while something of that is unknown or
// unhashed.
func (o *Observed) Fingerprint(l *spec.Layer) (digest.Digest, bool) {
	var buf []byte
	switch {
	case o.Tree != nil:
		d, ok := o.Tree.Fingerprint()
		return treeLayer(d, layer.EncodingOf(l.Compression)), ok
	case o.File == nil || o.File.Digest == "":
		return "", false
	case l.Digest != "":
		buf = appendFields(buf, "stored layer", l.MediaType, string(l.Digest))
	case l.Archive != "":
		buf = o.File.archiveRecord(buf, l)
	default:
		buf = appendFields(buf, "file layer", string(o.File.Digest))
	}
	return digest.FromBytes(buf), true
}

// archiveRecord covers an archive. It has a diffID, which a blob of the same bytes
// has not.
func (f *File) archiveRecord(buf []byte, l *spec.Layer) []byte {
	c, asItIs := f.Output(l)
	switch {
	case asItIs && f.Compression != imagespec.Uncompressed:
		return appendFields(buf, "archive file layer", string(f.Digest))
	case l.OnDuplicate != "":
		return appendFields(buf, "archive layer", layer.EncodingOf(c), string(f.Digest), string(l.OnDuplicate))
	}
	return appendFields(buf, "archive layer", layer.EncodingOf(c), string(f.Digest))
}

// appendFields appends texts, each with its length before it, so that no two lists
// give the same bytes.
func appendFields[T string | []byte](dst []byte, fields ...T) []byte {
	for _, s := range fields {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

// addEntry hashes the record of an entry: all of it that decides the bytes of a layer.
// Its path and the sum of its content, nil for none, are parameters of their own.
func addEntry[T string | []byte](r *treeHasher, path T, e *layer.Entry, content *layer.Sum) {
	r.buf = appendFields(r.buf, path)
	r.buf = appendFields(r.buf, string(e.Type), e.Linkname)
	if content == nil {
		r.buf = appendFields(r.buf, "")
	} else {
		r.buf = appendFields(r.buf, content[:])
	}
	if r.buf = appendNumbers(r.buf, e); len(r.buf) > hashedAtOnce {
		r.hash.Write(r.buf)
		r.buf = r.buf[:0]
	}
}

// appendNumbers appends the numbers of an entry, and its xattrs after theirs.
func appendNumbers(dst []byte, e *layer.Entry) []byte {
	for _, n := range [...]int64{int64(e.Mode), int64(e.UID), int64(e.GID), e.Mtime, e.Size, e.Devmajor, e.Devminor, int64(len(e.Xattrs))} {
		dst = binary.AppendVarint(dst, n)
	}
	if len(e.Xattrs) == 0 {
		return dst
	}
	for _, key := range slices.Sorted(maps.Keys(e.Xattrs)) {
		dst = appendFields(dst, key, e.Xattrs[key])
	}
	return dst
}
