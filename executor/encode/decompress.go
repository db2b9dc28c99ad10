package encode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/source"
)

// formatError says what is wrong with a tar or a compressed stream, which
// nothing but another archive mends.
type formatError struct{ err error }

func (e *formatError) Error() string { return e.err.Error() }
func (e *formatError) Unwrap() error { return e.err }

// wrong makes a formatError.
func wrong(format string, args ...any) error {
	return &formatError{fmt.Errorf(format, args...)}
}

// meter counts the bytes that are read through it, and keeps the error that the
// reader below ended with, unless that is io.EOF. It may be asked while another
// goroutine reads: decompressors read ahead.
type meter struct {
	r   io.Reader
	mu  sync.Mutex
	n   int64
	err error
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n += int64(n)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}

// count is the number of bytes so far.
func (m *meter) count() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// failed is the error of the reader below.
func (m *meter) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// decompressor reads the one stream that all gzip members or zstd frames of a
// blob make up, to the very end of the blob.
type decompressor struct {
	r     io.Reader
	close func()
	name  imagespec.Algorithm
	// read counts compressed bytes, out uncompressed ones.
	read *meter
	out  int64
}

// decompress reads r, which is compressed as algorithm says. The caller closes
// the decompressor.
func decompress(r io.Reader, algorithm imagespec.Algorithm) (*decompressor, error) {
	d := &decompressor{name: algorithm, read: &meter{r: r}, close: func() {}}
	buffered := bufio.NewReaderSize(d.read, 128<<10)
	switch algorithm {
	case imagespec.Uncompressed:
		d.r = buffered
	case imagespec.Gzip:
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, d.wrong(err)
		}
		d.r = z
	case imagespec.Zstd:
		z, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(imagespec.MaxWindow), zstd.WithDecoderLowmem(true))
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
	if imagespec.GrowsTooMuch(d.read.count(), d.out) {
		return n, wrong("the %s stream grows to more than %d times its size; give the layer as a plain tar if that is meant", d.name, imagespec.MaxRatio)
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

// wrong says what is wrong with the stream, unless what it is read from failed.
func (d *decompressor) wrong(err error) error {
	switch {
	case d.read.failed() != nil:
		return d.read.failed()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return wrong("the %s stream is cut off after %d bytes", d.name, d.read.count())
	case errors.Is(err, gzip.ErrHeader) && d.out > 0, errors.Is(err, zstd.ErrMagicMismatch) && d.out > 0:
		return wrong("something that is not %s follows the %s stream; cut it off", d.name, d.name)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return wrong("it does not begin with a %s header", d.name)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return wrong("the %s stream is damaged: a checksum does not match", d.name)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return wrong("the zstd stream asks for a window of more than %d MiB; compress it without --long or --ultra", imagespec.MaxWindow>>20)
	}
	return wrong("the %s stream is damaged: %w", d.name, err)
}

// sniff finds the algorithm of a stream by its first bytes, which stay in the
// reader that it gives back.
func sniff(r io.Reader) (*bufio.Reader, imagespec.Algorithm, error) {
	br := bufio.NewReaderSize(r, 4096)
	head, err := br.Peek(1024)
	if err != nil && err != io.EOF {
		return br, "", err
	}
	algorithm, err := source.Sniff(head)
	return br, algorithm, err
}
