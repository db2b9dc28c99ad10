package layer

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
)

// xattrPrefix begins the PAX keys of xattrs.
const xattrPrefix = "SCHILY.xattr."

// maxTrailer bounds the zeros that end a tar; GNU tar writes up to 10 KiB.
const maxTrailer = 1 << 20

// Visitor is called by Scan as it reads a tar. All functions may be nil. An error
// that one of them returns ends the scan.
type Visitor struct {
	// Breach is called for each rule that the tar breaks; see RefuseArchive and
	// RefuseForeign. The scan goes on after a breach for which it returns nil.
	Breach func(*Breach) error
	// Alone has each entry checked by itself, not against those before it, for which
	// some bytes are kept of each.
	Alone bool
	// Header is called when the headers of an entry have been read. They begin at
	// the place start of the tar and take head bytes.
	Header func(e *Entry, start, head int64) error
	// Entry is called when an entry has been read to its end. sum is the SHA-256
	// of a regular file's content, nil for all else and without Digests. Entries
	// of types that layers do not have, and global headers, are left out.
	Entry func(e *Entry, sum []byte) error
	// Digests has the content of regular files hashed, and sets Entry.Digest.
	Digests bool
	// Step, if above 0, is the number of content bytes after which Stepped is
	// called, with the place in the tar, while more of the file follows.
	Step    int64
	Stepped func(at int64) error
	// Global is called for each global PAX header that holds comments alone.
	Global func() error
	// Skip, if not nil, reports whether an entry is left out of the tar. What is
	// left out breaks no rules, and is passed to neither Header nor Entry.
	Skip func(e *Entry) bool
	// Omit, if not nil, takes bytes out of the tar: the back bytes that were read
	// last, and ahead bytes that will be read next. Places in the tar are those
	// after this. It is called for what Skip reports, and for global headers of
	// comments.
	Omit func(back, ahead int64)
}

// scanner is one run of Scan.
type scanner struct {
	Visitor
	in    *position
	tr    *tar.Reader
	check *checker
	// start is where the headers of the next entry begin.
	start int64
	buf   []byte
	sum   hash.Hash
}

// Scan reads an uncompressed tar once, to its very end, and calls v for what is
// in it. A stream that is no tar, or is cut off, is a *Breach of RuleUnreadable;
// errors of r are given back as they are.
func Scan(r io.Reader, v Visitor) error {
	s := &scanner{Visitor: v, in: &position{r: r}, check: newChecker(v.Breach, v.Alone), buf: make([]byte, 64<<10), sum: sha256.New()}
	s.tr = tar.NewReader(s.in)
	for {
		s.in.keep(s.start)
		h, err := s.tr.Next()
		if err == io.EOF {
			return s.end()
		}
		if err != nil {
			return s.broken(err)
		}
		headers, rest, ok := rawHeaders(s.in.headers)
		if !ok {
			return unreadable("the tar has headers before byte %d that do not make sense", s.in.n)
		}
		data := s.start + dataStart(headers, rest)
		if h.Typeflag == tar.TypeXGlobalHeader {
			err = s.global(h, headers)
		} else {
			err = s.entry(h, headers, data)
		}
		if err != nil {
			return err
		}
	}
}

// global takes a global header, of which package tar has not read the padding yet.
func (s *scanner) global(h *tar.Header, headers []rawHeader) error {
	problem := globalProblem(h)
	if problem == "" {
		problem = doubleHeaders(headers)
	}
	start := s.start
	s.start = Span(s.in.n)
	if problem != "" {
		return s.check.report(RuleHeader, h.Name, "%s", problem)
	}
	if s.Omit != nil {
		s.omit(s.in.n-start, s.start-s.in.n)
		s.start = start
	}
	if s.Global != nil {
		return s.Global()
	}
	return nil
}

func (s *scanner) omit(back, ahead int64) {
	s.in.omit(back, ahead)
	s.Omit(back, ahead)
}

// entry reads one entry.
func (s *scanner) entry(h *tar.Header, headers []rawHeader, data int64) error {
	e := entryOf(h)
	start, head := s.start, s.in.n-s.start
	size := dataSize(h, headers)
	if size < 0 || size > math.MaxInt64-data-BlockSize {
		return unreadable("%q has a size that no tar can have", h.Name)
	}
	if s.Skip != nil && e.Type != "" && s.Skip(&e) {
		ahead := Span(data+size) - s.in.n
		s.omit(head, ahead)
		s.start = s.in.n
		return s.drain()
	}
	if err := s.check.entry(h, headers, &e); err != nil {
		return err
	}
	if e.Type == Regular {
		e.Offset = s.in.n
	}
	if s.Header != nil {
		if err := s.Header(&e, start, head); err != nil {
			return err
		}
	}
	s.start = Span(data + size)
	var sum []byte
	if !isSparse(h) { // holes may be longer than anybody can wait for
		var err error
		if sum, err = s.content(&e); err != nil {
			return err
		}
	}
	if e.Type == "" || s.Entry == nil {
		return nil
	}
	return s.Entry(&e, sum)
}

// drain reads the content of an entry that is left out.
func (s *scanner) drain() error {
	s.in.pass()
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{s.tr}, s.buf); err != nil {
		return s.broken(err)
	}
	return nil
}

// content reads the content of an entry, and hashes it where that is wanted.
func (s *scanner) content(e *Entry) ([]byte, error) {
	s.in.pass()
	hashed := s.Digests && e.Type == Regular
	if hashed {
		s.sum.Reset()
	}
	done, next := int64(0), s.Step
	for {
		buf := s.buf
		if s.Step > 0 && int64(len(buf)) > next-done {
			buf = buf[:next-done]
		}
		n, err := s.tr.Read(buf)
		if hashed {
			s.sum.Write(buf[:n])
		}
		done += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, s.broken(err)
		}
		if s.Step > 0 && done == next {
			next += s.Step
			if done < e.Size && s.Stepped != nil {
				if err := s.Stepped(s.in.n); err != nil {
					return nil, err
				}
			}
		}
	}
	if !hashed {
		return nil, nil
	}
	sum := s.sum.Sum(nil)
	e.Digest = digest.NewDigestFromBytes(digest.SHA256, sum)
	return sum, nil
}

// end reads the trailer after the last entry: two zero blocks, and zeros that fill the
// last record.
func (s *scanner) end() error {
	if blocks := s.in.headers; len(blocks) >= BlockSize && blocks[156] != 0 {
		if err := s.check.report(RuleHeader, "", "the tar ends with an extended header that belongs to no entry"); err != nil {
			return err
		}
	} else if s.in.n-s.start < TrailerSize {
		if err := s.check.report(RuleEnd, "", "the tar ends without its two zero blocks: it is cut off at byte %d", s.in.n); err != nil {
			return err
		}
	}
	s.in.pass()
	trailing := false
	for {
		n, err := s.in.Read(s.buf)
		if at := firstByte(s.buf[:n]); at >= 0 && !trailing {
			trailing = true
			if err := s.check.report(RuleTrailing, "", "data follows the end of the tar at byte %d: a layer is one tar and nothing else", s.in.n-int64(n-at)); err != nil {
				return err
			}
		}
		if !trailing && s.in.n-s.start > maxTrailer {
			trailing = true
			if err := s.check.report(RuleTrailing, "", "more than %d bytes of padding follow the end of the tar at byte %d", maxTrailer, s.start); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return s.after(err)
		}
	}
}

// after takes an error of the stream after the end of the tar: data behind a
// compressed stream leaves the tar whole.
func (s *scanner) after(err error) error {
	var b *Breach
	if errors.As(err, &b) && b.Rule == RuleTrailing {
		return s.check.found(b)
	}
	return s.broken(err)
}

// firstByte is the place of the first byte that is not zero; -1 where all are.
func firstByte(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return i
		}
	}
	return -1
}

// broken is the error about a damaged tar, or that of the reader below it.
func (s *scanner) broken(err error) error {
	var b *Breach
	switch {
	case s.in.err != nil:
		return s.in.err
	case errors.As(err, &b):
		return b
	case errors.Is(err, io.ErrUnexpectedEOF):
		return unreadable("the tar is cut off at byte %d", s.in.n)
	case errors.Is(err, tar.ErrHeader):
		return unreadable("the tar has a broken header before byte %d", s.in.n)
	}
	return unreadable("the tar cannot be read at byte %d: %w", s.in.n, err)
}

// entryOf makes the entry of a header.
func entryOf(h *tar.Header) Entry {
	e := Entry{
		Path:  cleanName(h.Name),
		Type:  typeOf(h.Typeflag),
		Mode:  uint32(h.Mode & 0o7777),
		UID:   h.Uid,
		GID:   h.Gid,
		Mtime: h.ModTime.Unix(),
	}
	switch e.Type {
	case Regular:
		e.Size = h.Size
	case Symlink:
		e.Linkname = h.Linkname
	case Hardlink:
		e.Linkname = cleanName(h.Linkname)
	case Char, Block:
		e.Devmajor, e.Devminor = h.Devmajor, h.Devminor
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok {
			if e.Xattrs == nil {
				e.Xattrs = map[string]string{}
			}
			e.Xattrs[name] = value
		}
	}
	return e
}

// cleanName is a tar name as entries spell it.
func cleanName(name string) string {
	if clean := path.Clean("/" + name)[1:]; clean != "" {
		return clean
	}
	return "."
}

// typeOf is the entry type of a type flag, "" for one that layers do not have.
func typeOf(flag byte) Type {
	switch flag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return Regular
	case tar.TypeLink:
		return Hardlink
	case tar.TypeSymlink:
		return Symlink
	case tar.TypeChar:
		return Char
	case tar.TypeBlock:
		return Block
	case tar.TypeDir:
		return Directory
	case tar.TypeFifo:
		return Fifo
	}
	return ""
}
