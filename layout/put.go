package layout

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
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
	in, err := s.fill(ctx, desc, fill)
	if err != nil {
		return false, err
	}
	_, _, created, err = in.CommitAfter(ctx, announce)
	return created, err
}

// fill ingests the content of desc, and verifies it.
func (s *Store) fill(ctx context.Context, desc ocispec.Descriptor, fill func(*Ingest) error) (in *Ingest, err error) {
	if _, err := blobPath(desc.Digest); err != nil {
		return nil, err
	}
	if in, err = s.ingest(ctx, desc.Digest.Algorithm()); err != nil {
		return nil, err
	}
	if err = fill(in); err == nil {
		err = in.err
	}
	if err == nil && (in.Size() != desc.Size || in.Digest() != desc.Digest) {
		err = fmt.Errorf("the content that came for blob %s has %d bytes and the digest %s, not %d bytes", desc.Digest, in.Size(), in.Digest(), desc.Size)
	}
	if err != nil {
		return nil, errors.Join(err, in.Abort())
	}
	return in, nil
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
	err = errors.ErrUnsupported
	if f := blob.File(); f != nil {
		err = i.takeClone(ctx, f)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = i.copyFrom(ctx, desc, io.NewSectionReader(blob, 0, desc.Size))
	}
	switch {
	case err != nil:
		return err
	case i.Size() != desc.Size:
		return sizeError(desc, i.Size())
	case i.Digest() != desc.Digest:
		return digestError(desc.Digest, i.Digest())
	}
	return nil
}
