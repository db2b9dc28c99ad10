package encode

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestImportHashesOnce: a writer that hashes what it is given spares the import
// a hash of its own, one that clones spares it the writing, and the result is
// the same.
func TestImportHashesOnce(t *testing.T) {
	_, root := folder(t, map[string]string{"d/a": text(1, 700<<10), "d/b": noise(2, 300<<10), "d/c": ""})
	for _, c := range append(benchCompressions(), imagespec.Compression{Algorithm: imagespec.Uncompressed}) {
		blob, _ := build(t, root, copyOf(c), Options{})
		_, at := folder(t, map[string]string{"layer": string(blob)})
		for _, l := range []*spec.Layer{{Archive: "layer", Compression: c}, {Blob: "layer"}} {
			seen := observe(t, at, l, source.Options{}).File
			var plain bytes.Buffer
			want, err := Import(context.Background(), &plain, at, seen, l, Options{Compression: l.Compression})
			if err != nil {
				t.Fatal(err)
			}
			once, cloned := hashing{sum: sha256.New()}, &cloning{hashing: hashing{sum: sha256.New()}}
			for name, w := range map[string]io.Writer{
				"hashing":  &once,
				"cloning":  cloned,
				"refusing": &cloning{hashing: hashing{sum: sha256.New()}, err: errors.ErrUnsupported},
			} {
				got, err := Import(context.Background(), w, at, seen, l, Options{Compression: l.Compression})
				if err != nil {
					t.Fatal(err)
				}
				d := w.(digested)
				if diff := cmp.Diff(want, got); diff != "" || d.Size() != int64(plain.Len()) || d.Digest() != digest.FromBytes(blob) {
					t.Errorf("%s, %s: %d bytes; the result differs: %s", c.Algorithm, name, d.Size(), diff)
				}
			}
			if cloned.written > 0 {
				t.Errorf("%s: %d bytes of a clone were written once more", c.Algorithm, cloned.written)
			}
			broken := &cloning{hashing: once, err: io.ErrNoProgress}
			broken.size = 0
			if _, err := Import(context.Background(), broken, at, seen, l, Options{Compression: l.Compression}); !errors.Is(err, io.ErrNoProgress) || broken.size > 0 {
				t.Errorf("%s: a clone that fails: %v after %d bytes", c.Algorithm, err, broken.size)
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

// cloning is such a writer that begins with a file, unless err is set.
type cloning struct {
	hashing
	err     error
	written int
}

func (c *cloning) Write(p []byte) (int, error) {
	c.written += len(p)
	return c.hashing.Write(p)
}

func (c *cloning) Clone(f *os.File) (io.Reader, error) {
	if c.err != nil {
		return nil, c.err
	}
	content, err := io.ReadAll(f)
	return io.TeeReader(bytes.NewReader(content), &c.hashing), err
}
