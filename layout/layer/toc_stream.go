package layer

import (
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
)

// ReadTOC is DecodeTOC for a stored table of contents that is not held in memory. It
// passes the entries to visit, one after the other, and returns all else. An entry is
// valid until visit returns, whose error ends the reading and is returned as it is. A
// table that is not of blob is an error before visit is called.
func ReadTOC(in io.Reader, blob digest.Digest, visit func(*Entry) error) (*TOC, error) {
	toc := &TOC{}
	if err := toc.stream(&window{in: in, texts: Texts{Block: TextBlock}}, blob, visit); err != nil {
		return nil, err
	}
	return toc, toc.check()
}

// stream takes a table of contents from a record, and passes its entries to visit.
func (t *TOC) stream(w *window, blob digest.Digest, visit func(*Entry) error) error {
	var entries, chunks uint64
	if err := w.next(func(r *reader) {
		t.readHead(r)
		entries = r.uint()
	}); err != nil {
		return err
	}
	if t.Blob != blob {
		return fmt.Errorf("it belongs to %s", t.Blob)
	}
	types := typeCodes()
	for range entries {
		var e Entry
		if err := w.next(func(r *reader) { e = Entry{}; e.read(r, types) }); err != nil {
			return err
		}
		if e.Size < 0 {
			return errors.New("an entry has a negative size")
		}
		if err := visit(&e); err != nil {
			return err
		}
	}
	if err := w.next(func(r *reader) { chunks = r.uint() }); err != nil {
		return err
	}
	room := int64(roomAtLeast)
	for range chunks {
		var c Chunk
		if err := w.next(func(r *reader) { c = readChunk(r) }); err != nil {
			return err
		}
		if room -= sizeOfChunk + 2*sizeOfDigest + int64(len(c.State)); room < 0 {
			return errShort
		}
		t.Chunks = append(t.Chunks, c)
	}
	return w.end()
}

// window reads a record piece by piece.
type window struct {
	in    io.Reader
	data  []byte
	pos   int
	over  bool
	texts Texts
}

// A window is as long as a piece needs, which are at most the headers of an entry.
const (
	windowLength = 64 << 10
	maxWindow    = 2 * maxHeaders
)

// next reads one piece of the record. read is called again where it comes upon the end
// of the window.
func (w *window) next(read func(*reader)) error {
	for {
		r := newReader(w.data, &w.texts)
		r.pos = w.pos
		read(r)
		switch {
		case r.err == nil:
			w.pos = r.pos
			return nil
		case w.over || len(w.data)-w.pos > maxWindow:
			return r.err
		}
		if err := w.fill(); err != nil {
			return err
		}
	}
}

// fill doubles what is left of the window, at least.
func (w *window) fill() error {
	rest := len(w.data) - w.pos
	data := w.data[:0]
	if length := rest + max(windowLength, rest); cap(data) < length {
		data = make([]byte, 0, length)
	}
	data = append(data, w.data[w.pos:]...)
	n, err := io.ReadFull(w.in, data[rest:cap(data)])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	w.over = err != nil
	w.data, w.pos = data[:rest+n], 0
	return nil
}

// end checks that nothing follows.
func (w *window) end() error {
	if w.pos == len(w.data) && !w.over {
		if err := w.fill(); err != nil {
			return err
		}
	}
	if w.pos < len(w.data) {
		return errShort
	}
	return nil
}
