package encode

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// maxMember bounds the members of a blob that can be one of ours, compressed
// and not.
const maxMember = 8 << 20

// Recover makes the table of contents of a blob that layform wrote with the compression
// c, and whose own table was lost or damaged. Unlike DeriveTOC it finds the chunks, so
// that they can be reused. Where the blob has no chunks that c gives, the table has neither
// chunks nor Encoding. blob may be read twice.
func Recover(ctx context.Context, blob io.ReadSeeker, mediaType string, c imagespec.Compression) (*layer.TOC, error) {
	// The chunks are the members of a gzip blob and the frames of a zstd one. A blob does
	// not tell its level, which decides its bytes: the first chunk is compressed again
	// with c, and no chunk is taken where other bytes come out.
	enc, err := newEncoder(c)
	if err != nil {
		return nil, err
	}
	if c.Algorithm == "" {
		c.Algorithm = imagespec.Gzip
	}
	if algorithm, ok := imagespec.LayerCompression(mediaType); ok && algorithm == c.Algorithm && algorithm != imagespec.Uncompressed {
		toc, err := (&memberScanner{compression: c, enc: enc}).recover(ctx, blob)
		if !errors.Is(err, errForeign) {
			return toc, err
		}
		if _, err := blob.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	return layer.DeriveTOC(ctx, blob, mediaType)
}

// recover reads a blob of ours.
func (m *memberScanner) recover(ctx context.Context, r io.Reader) (*layer.TOC, error) {
	sum := sha256.New()
	m.diff = sha256.New()
	in := &layer.Meter{R: io.TeeReader(layer.ContextReader(ctx, r), sum)}
	if err := m.begin(in); err != nil {
		return nil, err
	}
	defer m.close()
	list := &layer.Listing{}
	err := layer.Scan(io.TeeReader(m, m.diff), layer.Visitor{
		Breach:  layer.RefuseForeign,
		Digests: true,
		Entry: func(e *layer.Entry, sum []byte) error {
			if sum != nil {
				m.addFile(e, sum)
			}
			return list.Add(e)
		},
	})
	if err != nil {
		return nil, err
	}
	return &layer.TOC{
		Version:  layer.TOCVersion,
		Blob:     digest.NewDigest(digest.SHA256, sum),
		Size:     in.Count(),
		DiffID:   digest.NewDigest(digest.SHA256, m.diff),
		Encoding: layer.EncodingOf(m.compression),
		Entries:  list.Entries,
		Chunks:   m.chunks,
	}, nil
}

// memberScanner reads a compressed stream member by member, and notes the chunks.
type memberScanner struct {
	compression imagespec.Compression
	enc         encoder
	in          *bufio.Reader
	next        func(*memberScanner) error
	dec         *zstd.Decoder
	// diff is the hash of all that Read has given out.
	diff hash.Hash

	// packed and raw are the bytes of the member that is being read, at how much
	// of raw was given out. base is where it begins in the tar, offset in the blob.
	packed, raw  []byte
	at           int
	base, offset int64
	parts        []part
	chunks       []layer.Chunk
}

// errForeign says that a blob was not written by layform's encoder, so that it has no
// chunks to recover; the caller falls back to DeriveTOC.
var errForeign = errors.New("the blob is not made of chunks")

func (m *memberScanner) begin(r io.Reader) (err error) {
	m.in = bufio.NewReaderSize(r, 128<<10)
	m.next = (*memberScanner).gzip
	if m.compression.Algorithm == imagespec.Zstd {
		m.next = (*memberScanner).zstd
		m.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMember), zstd.WithDecoderMaxWindow(maxMember))
	}
	return err
}

func (m *memberScanner) close() {
	if m.dec != nil {
		m.dec.Close()
	}
}

// Read gives the uncompressed stream. A member is noted as a chunk when the
// next one is asked for: everything in it was seen by then.
func (m *memberScanner) Read(p []byte) (int, error) {
	for m.at == len(m.raw) {
		if err := m.addChunk(); err != nil {
			return 0, err
		}
		if _, err := m.in.Peek(1); err != nil {
			return 0, err
		}
		if err := m.next(m); err != nil {
			return 0, err
		}
	}
	n := copy(p, m.raw[m.at:])
	m.at += n
	return n, nil
}

// addChunk adds the member that was read to the chunks.
func (m *memberScanner) addChunk() error {
	if len(m.packed) == 0 {
		return nil
	}
	if len(m.chunks) == 0 {
		if again, err := m.enc.encode(nil, m.raw); err != nil || !bytes.Equal(again, m.packed) {
			return errForeign
		}
	}
	id := chunkDigest(&chunk{raw: m.raw, parts: m.parts})
	seal := sealOf(id, m.packed)
	state, err := stateOf(m.diff, seal)
	if err != nil {
		return err
	}
	m.chunks = append(m.chunks, layer.Chunk{
		Digest: id, Size: int64(len(m.raw)), Offset: m.offset, Length: int64(len(m.packed)), Seal: seal, State: state,
	})
	m.base += int64(len(m.raw))
	m.offset += int64(len(m.packed))
	m.packed, m.raw, m.parts, m.at = m.packed[:0], m.raw[:0], m.parts[:0], 0
	return nil
}

// addFile adds a file that the member holds all of to its parts.
func (m *memberScanner) addFile(e *layer.Entry, sum []byte) {
	if e.Offset >= m.base {
		m.parts = append(m.parts, part{at: int(e.Offset - m.base), size: e.Size, whole: true, sum: [sha256.Size]byte(sum)})
	}
}

// gzip reads one member.
func (m *memberScanner) gzip() error {
	t := &recordingReader{in: m.in, recorded: m.packed[:0]}
	z, err := gzip.NewReader(t)
	if err != nil {
		return errForeign
	}
	z.Multistream(false)
	raw := bytes.NewBuffer(m.raw[:0])
	_, err = io.CopyN(raw, z, maxMember)
	if err != io.EOF || len(t.recorded) > maxMember {
		return errForeign
	}
	m.packed, m.raw = t.recorded, raw.Bytes()
	return nil
}

// recordingReader keeps the bytes that are read through it. It is an io.ByteReader, so that
// a decompressor does not read ahead.
type recordingReader struct {
	in       *bufio.Reader
	recorded []byte
}

func (t *recordingReader) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.recorded = append(t.recorded, p[:n]...)
	return n, err
}

func (t *recordingReader) ReadByte() (byte, error) {
	b, err := t.in.ReadByte()
	if err == nil {
		t.recorded = append(t.recorded, b)
	}
	return b, err
}

// zstd reads one frame.
func (m *memberScanner) zstd() error {
	head, err := m.in.Peek(min(zstd.HeaderMaxSize, m.in.Size()))
	if err != nil && err != io.EOF {
		return err
	}
	var h zstd.Header
	if h.Decode(head) != nil || h.Skippable || h.HeaderSize == 0 {
		return errForeign
	}
	m.packed = m.packed[:0]
	if err := m.readPacked(h.HeaderSize); err != nil {
		return err
	}
	for last := false; !last; {
		if err := m.readPacked(3); err != nil {
			return err
		}
		b := m.packed[len(m.packed)-3:]
		block := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		last = block&1 != 0
		size := block >> 3
		if block>>1&3 == 1 { // one byte, repeated
			size = 1
		}
		if err := m.readPacked(size); err != nil {
			return err
		}
	}
	if h.HasCheckSum {
		if err := m.readPacked(4); err != nil {
			return err
		}
	}
	if m.raw, err = m.dec.DecodeAll(m.packed, m.raw[:0]); err != nil {
		return errForeign
	}
	return nil
}

// readPacked moves n bytes into packed.
func (m *memberScanner) readPacked(n int) error {
	start := len(m.packed)
	if start+n > maxMember {
		return errForeign
	}
	m.packed = append(m.packed, make([]byte, n)...)
	if _, err := io.ReadFull(m.in, m.packed[start:]); err != nil {
		return errForeign
	}
	return nil
}
