package layer

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
)

// maxHeaders bounds the bytes of all headers that belong to one entry. Readers
// take PAX records and long names of at most 1 MiB each.
const maxHeaders = 4 << 20

// position is a reader of a tar that counts bytes, and keeps the raw blocks of the
// headers that package tar reads: they show where other readers understand a header in
// another way.
type position struct {
	r io.Reader
	// n is the number of bytes read, those left out not counted.
	n int64
	// ahead is the number of bytes to come that are not counted.
	ahead int64
	// headers are the bytes read since the place from, of which no more than
	// maxHeaders are read.
	headers []byte
	from    int64
	// err is the error that the reader below ended with, unless that is io.EOF.
	err error
}

// Read counts, and keeps the bytes of headers.
func (p *position) Read(buf []byte) (int, error) {
	if len(p.headers) > maxHeaders {
		return 0, unreadable("the tar has headers of more than %d MiB in one place", maxHeaders>>20)
	}
	n, err := p.r.Read(buf)
	out := min(int64(n), p.ahead)
	p.ahead -= out
	before := p.n
	p.n += int64(n) - out
	if p.n > p.from {
		p.headers = append(p.headers, buf[int(out+max(0, p.from-before)):n]...)
	}
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// keep starts to keep the blocks that are read, from the place at on.
func (p *position) keep(at int64) { p.headers, p.from = p.headers[:0], at }

// pass keeps nothing until keep is called.
func (p *position) pass() { p.headers, p.from = p.headers[:0], 1<<63-1 }

// omit takes back bytes out of the count, and does not count ahead more.
func (p *position) omit(back, ahead int64) { p.n, p.ahead = p.n-back, ahead }

// rawHeader is one header block and the data that belongs to it: the records of
// a PAX header, or a long name of GNU's.
type rawHeader struct {
	block   []byte
	payload []byte
}

func (h rawHeader) flag() byte { return h.block[156] }

// isExtension reports whether a type flag is that of a header that says
// something of the entry, or of all entries, that come after it.
func isExtension(flag byte) bool {
	switch flag {
	case tar.TypeXHeader, tar.TypeXGlobalHeader, tar.TypeGNULongName, tar.TypeGNULongLink:
		return true
	}
	return false
}

// rawHeaders takes apart the blocks that package tar read for one entry. The last
// is the entry's own; it gives what followed that, too. It is false where
// the blocks do not make sense.
func rawHeaders(blocks []byte) (all []rawHeader, rest []byte, ok bool) {
	for len(blocks) >= BlockSize {
		h := rawHeader{block: blocks[:BlockSize]}
		blocks = blocks[BlockSize:]
		if !isExtension(h.flag()) {
			return append(all, h), blocks, true
		}
		size, ok := sizeField(h.block)
		if !ok || size > int64(len(blocks)) {
			return all, nil, false
		}
		h.payload = blocks[:size]
		blocks = blocks[min(Span(size), int64(len(blocks))):]
		all = append(all, h)
	}
	return all, nil, len(all) > 0
}

// sizeField is the size that a header block gives, and whether all readers see
// it there: octal digits between spaces and then NULs or spaces, or base 256.
func sizeField(block []byte) (int64, bool) {
	field := block[124:136]
	if field[0]&0x80 != 0 {
		size := int64(binary.BigEndian.Uint64(field[4:]))
		return size, field[0] == 0x80 && bytes.Count(field[1:4], []byte{0}) == 3 && size >= 0
	}
	digits := strings.TrimRight(string(field), " \x00")
	digits = strings.TrimLeft(digits, " ")
	if digits == "" {
		return 0, true
	}
	size, err := strconv.ParseInt(digits, 8, 64)
	return size, err == nil && digits[0] != '-' && digits[0] != '+'
}

// paxRecords lists the records of a PAX header in their order, which package tar
// has found to be sound.
func paxRecords(payload []byte) (all [][2]string) {
	for len(payload) > 0 {
		head, _, ok := bytes.Cut(payload, []byte(" "))
		n, err := strconv.Atoi(string(head))
		if !ok || err != nil || n <= len(head) || n > len(payload) {
			return all
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(string(payload[len(head)+1:n]), "\n"), "=")
		all = append(all, [2]string{key, value})
		payload = payload[n:]
	}
	return all
}

// dataStart is the number of bytes from the beginning of an entry's headers to
// its data, as readers that know no sparse files see it.
func dataStart(headers []rawHeader, rest []byte) int64 {
	n := int64(0)
	for _, h := range headers {
		n += BlockSize + Span(int64(len(h.payload)))
	}
	if len(headers) == 0 || headers[len(headers)-1].flag() != tar.TypeGNUSparse {
		return n
	}
	// The map of an old sparse file goes on in blocks of its own.
	extended := headers[len(headers)-1].block[482]
	for extended != 0 && len(rest) >= BlockSize {
		extended = rest[504]
		rest, n = rest[BlockSize:], n+BlockSize
	}
	return n
}

// dataSize is the number of bytes of an entry's data in the tar.
func dataSize(h *tar.Header, headers []rawHeader) int64 {
	switch h.Typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo, tar.TypeXGlobalHeader:
		return 0
	}
	if text := h.PAXRecords["size"]; text != "" {
		size, _ := strconv.ParseInt(text, 10, 64) // package tar has read it already
		return size
	}
	if len(headers) == 0 {
		return h.Size
	}
	size, _ := sizeField(headers[len(headers)-1].block)
	return size
}
