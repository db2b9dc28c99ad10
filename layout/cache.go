package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/layform/layform/layout/internal/disk"
)

// Cache files are state files that can be made again. They begin with a magic, which
// names their kind and version, and the CRC-32C of all that follows.

// sumSize is the length of the checksum, which is little-endian.
const sumSize = 4

// cacheBuffer is the number of bytes of a cache file that are written at once.
const cacheBuffer = 256 << 10

// ErrDamaged says that a cache file is not what SaveCache wrote with the same magic.
var ErrDamaged = errors.New("it is damaged, or of another kind or version")

// SaveCache writes a cache file atomically, but does not wait until it is durable:
// after a power cut it may be gone or damaged. content writes what follows the magic
// and the checksum; the file is never in memory as a whole. An error of content is
// returned, and what stood there before stays.
func (s *Store) SaveCache(name, magic string, content func(io.Writer) error) error {
	return s.writeState(name, fileMode, false, func(t *disk.Temp) error {
		w := &summed{to: t, buf: make([]byte, len(magic)+sumSize, cacheBuffer), head: len(magic) + sumSize}
		copy(w.buf, magic)
		if err := content(w); err != nil {
			return err
		}
		return w.finish()
	})
}

// ReadCache returns what content wrote to a cache file of at most limit bytes. The
// error is fs.ErrNotExist when there is none, and ErrDamaged when it is not sound.
func (s *Store) ReadCache(name, magic string, limit int64) ([]byte, error) {
	data, err := s.ReadState(name, limit)
	if err != nil {
		return nil, err
	}
	content, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok || len(content) < sumSize || binary.LittleEndian.Uint32(content) != checksum(0, content[sumSize:]) {
		return nil, ErrDamaged
	}
	return content[sumSize:], nil
}

// OpenCache is ReadCache for content that is not held in memory: it is read once to
// check it, and stands at its beginning then. The caller closes it.
func (s *Store) OpenCache(name, magic string, limit int64) (io.ReadCloser, error) {
	f, err := s.openState(name, limit)
	if err != nil {
		return nil, err
	}
	head := make([]byte, len(magic)+sumSize)
	_, err = io.ReadFull(f, head)
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if err == nil {
		_, err = io.Copy(sum, f)
	}
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		err = ErrDamaged
	case err != nil:
	case string(head[:len(magic)]) != magic || binary.LittleEndian.Uint32(head[len(magic):]) != sum.Sum32():
		err = ErrDamaged
	default:
		_, err = f.Seek(int64(len(head)), io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checksum is the CRC-32C of bytes that follow those of which sum is the checksum.
func checksum(sum uint32, data []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), data)
}

// summed writes a cache file, and its checksum into the head when all is written.
type summed struct {
	to  *disk.Temp
	buf []byte
	// head is the length of the head in buf, 0 once that was written.
	head int
	// at is the place behind the head in the file once it was written.
	at  int
	sum uint32
}

// Write appends to the content.
func (w *summed) Write(p []byte) (int, error) {
	n := len(p)
	for {
		k := copy(w.buf[len(w.buf):cap(w.buf)], p)
		w.buf, p = w.buf[:len(w.buf)+k], p[k:]
		if len(p) == 0 {
			return n, nil
		}
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
}

func (w *summed) flush() error {
	w.sum = checksum(w.sum, w.buf[w.head:])
	_, err := w.to.Write(w.buf)
	if w.head > 0 {
		w.head, w.at = 0, w.head
	}
	w.buf = w.buf[:0]
	return err
}

// finish writes what is left, and the checksum.
func (w *summed) finish() error {
	if w.head > 0 { // all of it is here still
		binary.LittleEndian.PutUint32(w.buf[w.head-sumSize:], checksum(0, w.buf[w.head:]))
		_, err := w.to.Write(w.buf)
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.to.Overwrite(binary.LittleEndian.AppendUint32(nil, w.sum), int64(w.at-sumSize))
}
