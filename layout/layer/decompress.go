package layer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/layform/layform/layout/imagespec"
)

// ContextReader reads r until ctx is done.
func ContextReader(ctx context.Context, r io.Reader) io.Reader { return &contextReader{ctx, r} }

// contextReader lives no longer than the call that made it.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Meter counts the bytes that are read from R through it, and keeps the error
// that R ended with, unless that is io.EOF. It may be asked while another
// goroutine reads.
type Meter struct {
	R   io.Reader
	mu  sync.Mutex
	n   int64
	err error
}

// Read reads from R.
func (m *Meter) Read(p []byte) (int, error) {
	n, err := m.R.Read(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n += int64(n)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}

// Count is the number of bytes so far.
func (m *Meter) Count() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// Err is the error of R.
func (m *Meter) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Decompressor reads the one stream that all gzip members or zstd frames of a
// blob make up, to the very end of the blob.
type Decompressor struct {
	r     io.Reader
	close func()
	name  imagespec.Algorithm
	// read counts compressed bytes, out uncompressed ones, at most limit.
	read       *Meter
	out, limit int64
}

// Decompress reads r, which is compressed with the algorithm. A stream that is
// damaged, grows to more than a layer may, or gives more than limit bytes
// (imagespec.MaxLayer for 0) is a *Breach; errors of r are given back as they
// are. The caller closes the Decompressor.
func Decompress(r io.Reader, algorithm imagespec.Algorithm, limit int64) (*Decompressor, error) {
	if limit <= 0 {
		limit = imagespec.MaxLayer
	}
	d := &Decompressor{name: algorithm, read: &Meter{R: r}, close: func() {}, limit: limit}
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
		z, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(imagespec.MaxWindow), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(1))
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
func (d *Decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.out += int64(n)
	switch {
	case imagespec.GrowsTooMuch(d.read.Count(), d.out):
		return n, ratioBreach("the %s stream grows to more than %d times its size; give the layer as a plain tar if that is meant", d.name, imagespec.MaxRatio)
	case d.out > d.limit:
		return n, ratioBreach("the layer decompresses to more bytes than the limit of %d", d.limit)
	case err != nil && err != io.EOF:
		err = d.wrong(err)
	}
	return n, err
}

func ratioBreach(format string, args ...any) error {
	return &Breach{Rule: RuleRatio, Problem: fmt.Sprintf(format, args...)}
}

// Size is the number of bytes that were read of the decompressed stream.
func (d *Decompressor) Size() int64 { return d.out }

// Close frees what the decompressor holds. The reader below stays open.
func (d *Decompressor) Close() error {
	d.close()
	return nil
}

// wrong is the error about a damaged stream, or that of the reader below it.
func (d *Decompressor) wrong(err error) error {
	foreign := errors.Is(err, gzip.ErrHeader) || errors.Is(err, zstd.ErrMagicMismatch)
	switch {
	case d.read.Err() != nil:
		return d.read.Err()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return unreadable("the %s stream is cut off after %d bytes", d.name, d.read.Count())
	case foreign && d.out > 0:
		return &Breach{Rule: RuleTrailing, Problem: fmt.Sprintf("something that is not %s follows the %s stream; cut it off", d.name, d.name)}
	case foreign:
		return unreadable("it does not begin with a %s header", d.name)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return unreadable("the %s stream is damaged: a checksum does not match", d.name)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return unreadable("the zstd stream asks for a window of more than %d MiB, which readers refuse; compress it without --long or --ultra", imagespec.MaxWindow>>20)
	}
	return unreadable("the %s stream is damaged: %w", d.name, err)
}
