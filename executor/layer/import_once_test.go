package layer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestImportHashesOnce: a writer that hashes what it is given spares the import
// a hash of its own, and the result is the same.
func TestImportHashesOnce(t *testing.T) {
	root, layerOf := goldenTree(t)
	for _, c := range benchCompressions() {
		blob, _ := build(t, root, layerOf(c), Options{})
		_, at := folder(t, map[string]string{"layer": string(blob)})
		for _, l := range []*spec.Layer{{Archive: "layer", Compression: spec.Compression{Algorithm: spec.Gzip}}, {Blob: "layer"}} {
			seen := observe(t, at, l, source.Options{}).File
			var plain bytes.Buffer
			want, err := Import(context.Background(), &plain, at, seen, l, Options{Compression: l.Compression})
			if err != nil {
				t.Fatal(err)
			}
			w := &hashing{sum: sha256.New()}
			got, err := Import(context.Background(), w, at, seen, l, Options{Compression: l.Compression})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || w.size != int64(plain.Len()) {
				t.Errorf("%s: the result differs: %s", c.Algorithm, diff)
			}
		}
	}
}

// hashing is a writer that tells the digest of what it was given.
type hashing struct {
	sum  hash.Hash
	size int64
}

func (h *hashing) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	return h.sum.Write(p)
}

func (h *hashing) Size() int64           { return h.size }
func (h *hashing) Digest() digest.Digest { return digest.NewDigest(digest.SHA256, h.sum) }
