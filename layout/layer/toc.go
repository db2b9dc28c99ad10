package layer

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// TOCVersion is the version of tables of contents that is written and read.
const TOCVersion = 2

// EntryList is a list of the entries of a table of contents, in order, as they are
// made: long lists need not be in memory.
type EntryList struct {
	Count int
	// All gives Count entries, each good until the next one, every time. Where the second
	// value is not nil it is the digest of the content, which the entry does not have then.
	All iter.Seq2[*Entry, *Sum]
}

// ListOf is the list of a slice.
func ListOf(entries []Entry) EntryList {
	return EntryList{Count: len(entries), All: func(yield func(*Entry, *Sum) bool) {
		for i := range entries {
			if !yield(&entries[i], nil) {
				return
			}
		}
	}}
}

// WriteTOC writes the records of a table of contents: what head says, with entries in
// the place of its own. They are not compressed: most of them is digests.
func WriteTOC(out io.Writer, head *TOC, entries EntryList) error {
	w := &writer{out: out, buf: make([]byte, 0, 2*recordBuffer)}
	head.write(w, entries)
	w.flush(0)
	return w.err
}

// DecodeTOC reads what WriteTOC wrote, and keeps nothing of data. The error says what
// is wrong with it.
func DecodeTOC(data []byte) (*TOC, error) {
	r := newReader(data, &Texts{Block: min(len(data), TextBlock)})
	toc := &TOC{}
	toc.read(r)
	if r.err != nil {
		return nil, r.err
	}
	return toc, toc.check()
}

// check checks what uses of a table of contents rely on.
func (t *TOC) check() error {
	if t.Size < 0 {
		return errors.New("it gives the layer a negative size")
	}
	next := int64(0)
	for i, c := range t.Chunks {
		if c.Digest == "" || c.Size < 0 || c.Length < 0 || c.Offset < next || c.Length > t.Size-c.Offset {
			return fmt.Errorf("chunk %d lies outside the layer", i)
		}
		next = c.Offset + c.Length
	}
	for i := range t.Entries {
		if t.Entries[i].Size < 0 {
			return fmt.Errorf("entry %d has a negative size", i)
		}
	}
	return nil
}

// errCount says that an EntryList is not as long as it says.
func errCount(count, n int) error {
	return fmt.Errorf("there are %d entries of %d; this is a bug in layform", n, count)
}
