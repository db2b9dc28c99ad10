package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
)

// WriteOptions shape a tar that is written. The zero value is a layout and no more.
type WriteOptions struct {
	// Docker adds what docker load reads; nil for nothing.
	Docker *Docker
	// Written receives the number of bytes as they are written. It may be nil.
	Written func(n int64)
	// Fault serves tests; see layout.Options.
	Fault func(disk.Step) error
}

// Sum is the digest and the size of a tar.
type Sum struct {
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
}

// Export writes the layout src as a tar into the file name of root: index.json as it is,
// and all that its entries lead to. What nothing leads to is left out, and so is all that
// is no part of a layout, so that equal layouts give equal bytes wherever they are. The
// file holds at any instant what it held before or the whole tar. A blob that is missing
// or torn is an error, but for subjects and for layers that may not be given away, which
// need not be there.
func Export(ctx context.Context, src *layout.Reader, root *os.Root, name string, opts WriteOptions) (Sum, error) {
	t, err := createTemporary(root, name, opts.Fault)
	if err != nil {
		return Sum{}, err
	}
	sum, err := export(ctx, src, t.temp, opts)
	if err != nil {
		return Sum{}, errors.Join(err, t.temp.Abort())
	}
	return sum, t.publish()
}

// SumOf is the size and digest of the archive that Export would write; it writes
// nothing.
func SumOf(ctx context.Context, src *layout.Reader, opts WriteOptions) (Sum, error) {
	return export(ctx, src, nowhere{}, opts)
}

// nowhere discards the bytes that are written.
type nowhere struct{}

// WriteAt writes nothing.
func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// export writes the tar in one pass, from its beginning to its end.
func export(ctx context.Context, src *layout.Reader, out io.WriterAt, opts WriteOptions) (Sum, error) {
	index, err := src.Index(ctx)
	if err != nil {
		return Sum{}, err
	}
	blobs, err := Contents(ctx, src, index.Descriptors())
	if err != nil {
		return Sum{}, err
	}
	var manifest []byte
	if opts.Docker != nil {
		if manifest, err = opts.Docker.manifest(ctx, src, index.Descriptors()); err != nil {
			return Sum{}, err
		}
	}
	summed := &inOrder{w: out, hash: sha256.New(), written: opts.Written}
	w, err := NewWriter(summed, blobs)
	if err != nil {
		return Sum{}, err
	}
	for _, s := range w.slots {
		if err := writeFrom(ctx, w, src, s.desc); err != nil {
			return Sum{}, err
		}
	}
	size, err := w.Finish(index.Encode(), manifest)
	return Sum{Digest: digest.NewDigest(digest.SHA256, summed.hash), Size: size}, err
}

// writeFrom copies a blob of a layout.
func writeFrom(ctx context.Context, w *Writer, src *layout.Reader, desc ocispec.Descriptor) error {
	in, err := src.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	return errors.Join(w.Blob(ctx, desc.Digest, in), in.Close())
}

// inOrder hashes what is written from the beginning to the end.
type inOrder struct {
	w       io.WriterAt
	hash    hash.Hash
	at      int64
	written func(int64)
}

// WriteAt writes sequentially.
func (o *inOrder) WriteAt(p []byte, off int64) (int, error) {
	if off != o.at {
		return 0, fmt.Errorf("the archive is written at byte %d where byte %d comes next", off, o.at)
	}
	n, err := o.w.WriteAt(p, off)
	o.hash.Write(p[:n])
	o.at += int64(n)
	if o.written != nil {
		o.written(int64(n))
	}
	return n, err
}

// Contents lists the blobs that entries of index.json lead to, each once, with the size
// that it has. A blob that must be there and is not is an error.
func Contents(ctx context.Context, src *layout.Reader, entries []ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	required := map[digest.Digest]ocispec.Descriptor{}
	need := func(list ...ocispec.Descriptor) {
		for _, desc := range list {
			if !imagespec.IsNondistributable(desc.MediaType) || len(desc.URLs) == 0 {
				required[desc.Digest] = desc
			}
		}
	}
	need(entries...)
	var all []ocispec.Descriptor
	for desc, err := range src.Reachable(ctx, entries) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, layout.ErrOdd) {
			return nil, err
		}
		all = append(all, desc)
		if err != nil || !imagespec.IsManifest(desc.MediaType) {
			continue
		}
		doc, err := src.Document(ctx, desc)
		if err != nil {
			return nil, err
		}
		doc.Subject = nil // it need not be there
		need(doc.Successors()...)
	}
	var there []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, desc := range all {
		if seen[desc.Digest] {
			continue
		}
		seen[desc.Digest] = true
		wanted, must := required[desc.Digest]
		size, err := sizeOf(ctx, src, desc.Digest)
		switch {
		case err == nil && must:
			desc.Size = wanted.Size // another one is noticed when the blob is read
		case err == nil:
			desc.Size = size
		case must || !errors.Is(err, fs.ErrNotExist):
			return nil, err
		default:
			continue
		}
		there = append(there, desc)
	}
	return slices.Clip(there), nil
}

func sizeOf(ctx context.Context, src *layout.Reader, dgst digest.Digest) (int64, error) {
	f, err := src.ReaderAt(ctx, dgst)
	if err != nil {
		return 0, err
	}
	return f.Size(), f.Close()
}
