package encode

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// encoder compresses chunks, each alone: a gzip member, a zstd frame, or the
// bytes themselves. One encoder serves one goroutine and gives the same bytes
// whatever it did before.
type encoder interface {
	// encode appends the compressed chunk to dst.
	encode(dst, chunk []byte) ([]byte, error)
}

// newEncoder makes the encoder of a compression. What it decides belongs to
// layer.Encoding.
func newEncoder(c imagespec.Compression) (encoder, error) {
	switch c.Algorithm {
	case imagespec.Gzip, "":
		level := c.Level
		if level == 0 {
			level = layer.DefaultGzipLevel
		}
		if level < 1 || level > 9 {
			return nil, fmt.Errorf("gzip has no level %d: use 1 to 9", c.Level)
		}
		w, err := gzip.NewWriterLevel(nil, level)
		return &gzipEncoder{w: w}, err
	case imagespec.Zstd:
		level := c.Level
		if level == 0 {
			level = layer.DefaultZstdLevel
		}
		if level < 1 || level > 22 {
			return nil, fmt.Errorf("zstd has no level %d: use 1 to 22", c.Level)
		}
		// The window holds any chunk whole. Concurrency 1 keeps one set of
		// tables; chunks are what is compressed in parallel.
		w, err := zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
			zstd.WithWindowSize(zstdWindow),
			zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(true),
			zstd.WithLowerEncoderMem(true),
		)
		return &zstdEncoder{w: w}, err
	case imagespec.Uncompressed:
		return plainEncoder{}, nil
	}
	return nil, fmt.Errorf("unknown compression %q: use gzip, zstd or none", c.Algorithm)
}

// zstdWindow is the window of zstd frames; readers allocate as much.
const zstdWindow = 2 << 20

type gzipEncoder struct{ w *gzip.Writer }

// encode writes a member whose header holds no name, time or system.
func (g *gzipEncoder) encode(dst, chunk []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	g.w.Reset(buf)
	g.w.OS = 255
	if _, err := g.w.Write(chunk); err != nil {
		return dst, err
	}
	err := g.w.Close()
	return buf.Bytes(), err
}

type zstdEncoder struct{ w *zstd.Encoder }

func (z *zstdEncoder) encode(dst, chunk []byte) ([]byte, error) {
	return z.w.EncodeAll(chunk, dst), nil
}

type plainEncoder struct{}

func (plainEncoder) encode(dst, chunk []byte) ([]byte, error) {
	return append(dst, chunk...), nil
}
