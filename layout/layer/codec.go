package layer

import (
	_ "crypto/sha512" // digests of all algorithms of the image spec are valid
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// writer writes binary records: varints, and strings with their length.
type writer struct {
	out io.Writer
	buf []byte
	err error
}

// recordBuffer is how many bytes of records are written at once.
const recordBuffer = 32 << 10

// flush writes what is there if it is longer than room, and reports whether to go on.
func (w *writer) flush(room int) bool {
	if w.err == nil && len(w.buf) > room {
		_, w.err = w.out.Write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err == nil
}

func (w *writer) uint(v uint64) { w.buf = binary.AppendUvarint(w.buf, v) }
func (w *writer) int(v int64)   { w.buf = binary.AppendVarint(w.buf, v) }

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

// The forms of a digest in a record.
const (
	digestNone = iota
	digestSHA256
	digestOther
)

func (w *writer) sum(sum *Sum) { w.buf = append(append(w.buf, digestSHA256), sum[:]...) }

func (w *writer) digest(d digest.Digest) {
	switch {
	case d == "":
		w.buf = append(w.buf, digestNone)
	case d.Algorithm() == digest.SHA256:
		sum, ok := SumOf(d)
		if !ok {
			w.err = fmt.Errorf("%q is no digest", string(d))
			return
		}
		w.sum(&sum)
	default:
		w.buf = append(w.buf, digestOther)
		w.string(string(d))
	}
}

// errShort says that a record ends too early or holds a wrong number.
var errShort = errors.New("it ends too early or holds a number that cannot be")

// reader reads what a writer wrote. It keeps nothing of the record.
type reader struct {
	data  []byte
	pos   int
	texts *Texts
	// room is how many bytes of memory there still are for what is read.
	room int64
	err  error
}

// The memory for what is read: so much for each byte of the record, and some for
// short ones. A regular file takes three bytes for one, a directory five to nine,
// and one with a short xattr seventeen.
const (
	roomPerByte = 8
	roomAtLeast = 64 << 20
)

// What is read takes so many bytes of memory each, and at least so many in the
// record.
const (
	sizeOfEntry  = 136
	sizeOfChunk  = 80
	sizeOfDigest = 80
	sizeOfXattrs = 336 // the smallest map
	sizeOfXattr  = 64
	leastEntry   = 9  // type, flags, path, five numbers, form of the digest
	leastChunk   = 38 // a digest, three numbers, form of the seal, state
)

func newReader(data []byte, texts *Texts) *reader {
	return &reader{data: data, texts: texts, room: roomAtLeast + roomPerByte*int64(len(data))}
}

// spend takes n times size from the room, before memory is allocated.
func (r *reader) spend(n uint64, size int64) bool {
	if n > uint64(r.room/size) {
		r.fail()
		return false
	}
	r.room -= int64(n) * size
	return true
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errShort
	}
	r.pos = len(r.data)
}

func (r *reader) uint() uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		if r.pos >= len(r.data) || shift > 63 {
			r.fail()
			return 0
		}
		b := r.data[r.pos]
		r.pos++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
}

func (r *reader) int() int64 {
	v := r.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.data)-r.pos) {
		r.fail()
		return nil
	}
	s := r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return s
}

func (r *reader) string() string { return r.texts.Text(r.take(r.uint())) }

// bytes reads a string as bytes; nil for an empty one.
func (r *reader) bytes() []byte { return append([]byte(nil), r.take(r.uint())...) }

// count reads a number of elements, each of at least least bytes in the record,
// and takes from the room what each needs in memory.
func (r *reader) count(least int, size int64) int {
	n := r.uint()
	if n > uint64((len(r.data)-r.pos)/least) {
		r.fail()
		return 0
	}
	if !r.spend(n, size) {
		return 0
	}
	return int(n)
}

func (r *reader) digest() digest.Digest {
	form := r.take(1)
	if len(form) == 0 {
		return ""
	}
	switch form[0] {
	case digestNone:
		return ""
	case digestSHA256:
		raw := r.take(32)
		if len(raw) == 0 || !r.spend(1, sizeOfDigest) {
			return ""
		}
		return (*Sum)(raw).Digest()
	case digestOther:
		d := digest.Digest(r.string())
		if d.Validate() != nil {
			r.fail()
			return ""
		}
		return d
	}
	r.fail()
	return ""
}

// typeCodes are the entry types in the order of their codes in a record. Append
// only: the place of a type is part of the format.
func typeCodes() []Type {
	return []Type{Regular, Directory, Symlink, Hardlink, Char, Block, Fifo}
}

// write writes the table of contents with entries in the place of its own.
func (t *TOC) write(w *writer, entries EntryList) {
	w.digest(t.Blob)
	w.int(t.Size)
	w.digest(t.DiffID)
	w.string(t.Encoding)
	w.entries(entries)
	w.uint(uint64(len(t.Chunks)))
	for _, c := range t.Chunks {
		w.digest(c.Digest)
		w.int(c.Size)
		w.int(c.Offset)
		w.int(c.Length)
		w.digest(c.Seal)
		w.string(string(c.State))
		if !w.flush(recordBuffer) {
			return
		}
	}
}

func (w *writer) entries(entries EntryList) {
	codes := map[Type]int{}
	for code, typ := range typeCodes() {
		codes[typ] = code
	}
	w.uint(uint64(entries.Count))
	n := 0
	for e, sum := range entries.All {
		code, ok := codes[e.Type]
		if !ok {
			w.err = fmt.Errorf("the entry %q has the unknown type %q", e.Path, e.Type)
		}
		e.write(w, code, sum)
		if n++; !w.flush(recordBuffer) {
			return
		}
	}
	if n != entries.Count {
		w.err = errCount(entries.Count, n)
	}
}

// The parts of an entry that most entries do not have.
const (
	hasLink = 1 << iota
	hasXattrs
	hasDevice
	hasOffset
)

// write writes an entry. sum, if not nil, is its digest.
func (e *Entry) write(w *writer, code int, sum *Sum) {
	flags := 0
	if e.Linkname != "" {
		flags |= hasLink
	}
	if len(e.Xattrs) > 0 {
		flags |= hasXattrs
	}
	if e.Devmajor != 0 || e.Devminor != 0 {
		flags |= hasDevice
	}
	if e.Offset != 0 {
		flags |= hasOffset
	}
	w.buf = append(w.buf, byte(code), byte(flags))
	w.string(e.Path)
	w.uint(uint64(e.Mode))
	w.int(int64(e.UID))
	w.int(int64(e.GID))
	w.int(e.Mtime)
	w.int(e.Size)
	if sum != nil {
		w.sum(sum)
	} else {
		w.digest(e.Digest)
	}
	if flags&hasLink != 0 {
		w.string(e.Linkname)
	}
	if flags&hasXattrs != 0 {
		w.uint(uint64(len(e.Xattrs)))
		for _, name := range slices.Sorted(maps.Keys(e.Xattrs)) {
			w.string(name)
			w.string(e.Xattrs[name])
		}
	}
	if flags&hasDevice != 0 {
		w.int(e.Devmajor)
		w.int(e.Devminor)
	}
	if flags&hasOffset != 0 {
		w.int(e.Offset)
	}
}

// read takes one entry from a record.
func (e *Entry) read(r *reader, types []Type) {
	head := r.take(2)
	if len(head) == 0 {
		return
	}
	if int(head[0]) >= len(types) || head[1] >= 1<<4 {
		r.fail()
		return
	}
	e.Type = types[head[0]]
	e.Path = r.string()
	e.Mode = uint32(r.uint())
	e.UID = int(r.int())
	e.GID = int(r.int())
	e.Mtime = r.int()
	e.Size = r.int()
	e.Digest = r.digest()
	if head[1]&hasLink != 0 {
		e.Linkname = r.string()
	}
	if head[1]&hasXattrs != 0 {
		e.Xattrs = r.xattrs()
	}
	if head[1]&hasDevice != 0 {
		e.Devmajor = r.int()
		e.Devminor = r.int()
	}
	if head[1]&hasOffset != 0 {
		e.Offset = r.int()
	}
}

// xattrs takes the xattrs of an entry from a record: at least one, in the order
// of their names.
func (r *reader) xattrs() map[string]string {
	n := r.count(2, sizeOfXattr)
	if n == 0 || !r.spend(1, sizeOfXattrs) {
		r.fail()
		return nil
	}
	all, last := make(map[string]string, n), ""
	for i := range n {
		name := r.string()
		if i > 0 && name <= last {
			r.fail()
			return nil
		}
		all[name], last = r.string(), name
	}
	return all
}

// readHead decodes the part of a record in front of the entries.
func (t *TOC) readHead(r *reader) {
	t.Version = TOCVersion
	t.Blob = r.digest()
	t.Size = r.int()
	t.DiffID = r.digest()
	t.Encoding = r.string()
}

// readChunk takes one chunk from a record.
func readChunk(r *reader) Chunk {
	return Chunk{Digest: r.digest(), Size: r.int(), Offset: r.int(), Length: r.int(), Seal: r.digest(), State: r.bytes()}
}

// read takes a table of contents from a record, all of it.
func (t *TOC) read(r *reader) {
	t.readHead(r)
	types := typeCodes()
	t.Entries = make([]Entry, r.count(leastEntry, sizeOfEntry))
	for i := range t.Entries {
		t.Entries[i].read(r, types)
		if r.err != nil {
			return
		}
	}
	if n := r.count(leastChunk, sizeOfChunk); n > 0 {
		t.Chunks = make([]Chunk, n)
	}
	for i := range t.Chunks {
		t.Chunks[i] = readChunk(r)
	}
	if r.pos != len(r.data) {
		r.fail()
	}
}
