package layer

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// maxWindow bounds the memory that a zstd frame may ask for.
const maxWindow = 64 << 20

// The decompressed stream may be maxRatio times what was read for it, once it
// is longer than ratioFloor. Gzip reaches 1032; trees of files stay far below.
const (
	maxRatio   = 500
	ratioFloor = 256 << 20
)

// formatError says what is wrong with a compressed stream.
type formatError struct{ what string }

func (e *formatError) Error() string { return e.what }

// decompressor reads the one stream that all gzip members or zstd frames of a
// blob make up, to the very end of the blob.
type decompressor struct {
	r     io.Reader
	close func()
	name  spec.Algorithm
	// read counts compressed bytes, out uncompressed ones.
	read *counter
	out  int64
}

// decompress reads r, which is compressed as algorithm says. The caller closes
// the decompressor.
func decompress(r io.Reader, algorithm spec.Algorithm) (*decompressor, error) {
	d := &decompressor{name: algorithm, read: &counter{r: r}, close: func() {}}
	buffered := bufio.NewReaderSize(d.read, 128<<10)
	switch algorithm {
	case spec.Uncompressed:
		d.r = buffered
	case spec.Gzip:
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, d.wrong(err)
		}
		d.r = z
	case spec.Zstd:
		z, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, d.wrong(err)
		}
		d.r, d.close = z, z.Close
	default:
		return nil, fmt.Errorf("unknown compression %q", algorithm)
	}
	return d, nil
}

// Read gives the decompressed stream. It ends with io.EOF only where every
// compressed byte was understood.
func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.out += int64(n)
	if d.out > ratioFloor && d.out/maxRatio > d.read.n {
		return n, &formatError{fmt.Sprintf("the %s stream grows to more than %d times its size; give the layer as a plain tar if that is meant", d.name, maxRatio)}
	}
	if err != nil && err != io.EOF {
		err = d.wrong(err)
	}
	return n, err
}

// Close frees what the decompressor holds. The reader below stays open.
func (d *decompressor) Close() error {
	d.close()
	return nil
}

func (d *decompressor) wrong(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &formatError{fmt.Sprintf("the %s stream is cut off after %d bytes", d.name, d.read.n)}
	case errors.Is(err, gzip.ErrHeader) && d.out > 0, errors.Is(err, zstd.ErrMagicMismatch) && d.out > 0:
		return &formatError{fmt.Sprintf("something that is not %s follows the %s stream; cut it off", d.name, d.name)}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return &formatError{fmt.Sprintf("it does not begin with a %s header", d.name)}
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return &formatError{fmt.Sprintf("the %s stream is damaged: a checksum does not match", d.name)}
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &formatError{fmt.Sprintf("the zstd stream asks for a window of more than %d MiB; compress it without --long or --ultra", maxWindow>>20)}
	}
	return fmt.Errorf("the %s stream cannot be read: %w", d.name, err)
}

// algorithmOf is the algorithm of a layer media type.
func algorithmOf(mediaType string) (spec.Algorithm, bool) {
	switch mediaType {
	case "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar":
		return spec.Uncompressed, true
	case "application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":
		return spec.Gzip, true
	case "application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd":
		return spec.Zstd, true
	}
	return "", false
}

// sniff finds the algorithm of a stream by its first bytes, which stay in the
// reader that it gives back.
func sniff(r io.Reader) (*bufio.Reader, spec.Algorithm, error) {
	br := bufio.NewReaderSize(r, 4096)
	head, err := br.Peek(1024)
	if err != nil && err != io.EOF {
		return br, "", err
	}
	algorithm, err := source.Sniff(head)
	return br, algorithm, err
}
