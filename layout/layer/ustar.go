package layer

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
)

// UstarReader is a reader of a tar that keeps the last block that it gave. When a
// tar.Reader on it returns an entry, that is the entry's ustar header: package
// tar reads headers whole and nothing beyond, and does not tell what they say
// when a PAX header says something else.
type UstarReader struct {
	r    io.Reader
	last [512]byte
}

// NewUstarReader reads r. The tar.Reader on it must see no io.Seeker:
// UstarReader is none.
func NewUstarReader(r io.Reader) *UstarReader { return &UstarReader{r: r} }

// Read keeps the last 512 bytes.
func (h *UstarReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if n >= len(h.last) {
		copy(h.last[:], p[n-len(h.last):n])
	} else {
		copy(h.last[:], h.last[n:])
		copy(h.last[len(h.last)-n:], p[:n])
	}
	return n, err
}

// maxOctal is the largest size that the field of a ustar header holds in octal.
const maxOctal = 1<<33 - 1

// Disagrees reports whether the size that package tar took from a PAX header is
// another than that of the ustar header, which it tells. Where the true size
// does not fit there, writers put what they like.
func (h *UstarReader) Disagrees(entry *tar.Header) (int64, bool) {
	if entry.PAXRecords["size"] == "" || entry.Size > maxOctal || !bytes.HasPrefix(h.last[257:], []byte("ustar")) {
		return 0, false
	}
	for key := range entry.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return 0, false // the sizes of the file and of what is stored of it
		}
	}
	field := h.last[124:136]
	if field[0]&0x80 != 0 { // base 256
		size := int64(binary.BigEndian.Uint64(field[4:]))
		return size, size != entry.Size
	}
	size, err := strconv.ParseInt(string(bytes.Trim(field, " \x00")), 8, 64)
	return size, err == nil && size != entry.Size
}
