package layer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// TOCVersion is the version of tables of contents that is written and read.
const TOCVersion = 2

// tocMagic starts a stored table of contents.
const tocMagic = "layform toc 2\n"

// EncodeTOC gives the bytes of a stored table of contents: the magic, a checksum of what follows,
// and the records. They are not compressed: most of them is digests.
func EncodeTOC(toc *TOC) ([]byte, error) {
	const perEntry, perChunk = 128, 256 // about; more only costs a copy
	w := &writer{buf: make([]byte, 0, len(tocMagic)+perEntry*(len(toc.Entries)+1)+perChunk*len(toc.Chunks))}
	w.buf = append(append(w.buf, tocMagic...), 0, 0, 0, 0)
	toc.write(w)
	content := w.buf[len(tocMagic)+4:]
	binary.LittleEndian.PutUint32(w.buf[len(tocMagic):], checksum(content))
	return w.buf, w.err
}

// DecodeTOC reads the bytes of a stored table of contents. The error says what is
// wrong with them.
func DecodeTOC(data []byte) (*TOC, error) {
	head := data[:min(len(data), len(tocMagic)+4)]
	content := data[len(head):]
	if err := checkHead(head, checksum(content)); err != nil {
		return nil, err
	}
	r := newReader(string(content))
	toc := &TOC{}
	toc.read(r)
	if r.err != nil {
		return nil, r.err
	}
	return toc, toc.check()
}

// checkHead checks what stands before the records, which have the checksum sum.
func checkHead(head []byte, sum uint32) error {
	want, ok := bytes.CutPrefix(head, []byte(tocMagic))
	if !ok || len(want) < 4 || binary.LittleEndian.Uint32(want) != sum {
		return errors.New("it is damaged, or of another kind or version")
	}
	return nil
}

// checksum is the CRC-32C of the records of a stored table of contents.
func checksum(data []byte) uint32 {
	return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
}
