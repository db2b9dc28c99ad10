package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/layer"
)

// PutBlob makes what fill writes the blob of desc; created is false, and fill is not
// called, when the blob was there and intact. Content of another size or digest than
// desc says is an error, and nothing remains of it. Otherwise the blob is announced as
// by CommitAfter.
func (s *Store) PutBlob(ctx context.Context, desc ocispec.Descriptor, announce Announce, fill func(*Ingest) error) (created bool, err error) {
	if _, err := blobPath(desc.Digest); err != nil {
		return false, err
	}
	state, err := s.Check(ctx, desc)
	if err != nil || state == Intact {
		return false, err
	}
	in, err := s.ingest(ctx, desc.Digest.Algorithm())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, in.Abort()) }()
	if err := fill(in); err != nil {
		return false, err
	}
	if in.Size() != desc.Size || in.Digest() != desc.Digest {
		return false, fmt.Errorf("the content that came for blob %s has %d bytes and the digest %s, not %d bytes", desc.Digest, in.Size(), in.Digest(), desc.Size)
	}
	_, _, created, err = in.CommitAfter(ctx, announce)
	return created, err
}

// CopyBlob gives an Ingest the content of a blob of another layout: by sharing its
// blocks where the file system can, and otherwise by copying its bytes. A blob that is
// not what its descriptor says is a *BlobError.
func (i *Ingest) CopyBlob(ctx context.Context, from *Reader, desc ocispec.Descriptor) error {
	blob, err := from.ReaderAt(ctx, desc.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	if blob.Size() != desc.Size {
		return sizeError(desc, blob.Size())
	}
	if done, err := i.cloneBlob(ctx, blob.File()); err != nil || done {
		if err == nil && i.Digest() != desc.Digest {
			err = digestError(desc.Digest, i.Digest())
		}
		return err
	}
	in, err := from.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	return errors.Join(i.copy(ctx, in), in.Close())
}

// cloneBlob is Clone, read to its end; false where the system cannot.
func (i *Ingest) cloneBlob(ctx context.Context, f *os.File) (bool, error) {
	if f == nil {
		return false, nil
	}
	clone, err := i.Clone(f)
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, layer.ContextReader(ctx, clone), make([]byte, copyBuffer))
	return err == nil, err
}

// copyBuffer is how many bytes of a blob are copied at once.
const copyBuffer = 256 << 10

// copy writes all that a reader gives.
func (i *Ingest) copy(ctx context.Context, r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{i}, layer.ContextReader(ctx, r), make([]byte, copyBuffer))
	return err
}
