package encode

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// xattrPrefix begins the PAX keys of xattrs.
const xattrPrefix = "SCHILY.xattr."

// The entries of a tar may take listFree bytes of memory, and listRatio bytes
// more for each byte of the blob that they come from: a small blob whose
// entries are many, or have long names, is made to fill the memory. Entries of
// honest layers take dozens of bytes in the blob, and the headers of many empty
// files with names in a row still two or three.
const (
	listFree  = 32 << 20
	listRatio = 256
	// entryCost is what an entry takes beside its names.
	entryCost = 300
)

// maxTrailer bounds the zeros that end a tar; GNU tar writes up to 10 KiB.
const maxTrailer = 1 << 20

// scanner reads a tar once and lists what is in it.
type scanner struct {
	// in is the tar; it counts what is read.
	in *counter
	// strict refuses tars that are no good layers: paths that leave the tree or
	// lie below a link, two entries for one path, sparse files, a missing end.
	// Otherwise they are listed as well as can be.
	strict bool
	// before, if not nil, is called when the headers of an entry have been read:
	// they begin at start and take head bytes.
	before func(e *layer.Entry, start, head int64) error
	// after, if not nil, is called when the content of a regular file has been
	// read, with its SHA-256.
	after func(e *layer.Entry, sum []byte)
	// step, if above 0, is the number of content bytes after which stepped is
	// called while more follow.
	step    int64
	stepped func() error

	// blob, if not nil, is the size of the compressed blob that the tar comes
	// from, or how much of it was read.
	blob func() int64

	entries []layer.Entry
	// listed is about the memory that entries take.
	listed int64
	types  layer.Paths[layer.Type]
	buf    []byte
	sum    hash.Hash
}

// counter counts the bytes that are read through it, and keeps the error that
// the reader below ended with, unless that is io.EOF.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// scan reads the whole stream, what follows the end of the tar included.
func (s *scanner) scan() error {
	s.types = layer.NewPaths[layer.Type]()
	s.buf = make([]byte, 64<<10)
	s.sum = sha256.New()
	in := layer.NewUstarReader(s.in)
	tr := tar.NewReader(in)
	start := int64(0)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return s.end(start)
		}
		if err != nil {
			return s.broken(err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue // its bytes count as headers of the next entry
		}
		e, err := s.entry(h)
		if err != nil {
			return err
		}
		if size, ok := in.Disagrees(h); ok && s.strict {
			return wrong("%.64q: its PAX header says %d bytes, but its ustar header %d: not all readers unpack the same", h.Name, h.Size, size)
		}
		if e.Type == layer.Regular {
			e.Offset = s.in.n
		}
		if s.before != nil {
			if err := s.before(&e, start, s.in.n-start); err != nil {
				return err
			}
		}
		if err := s.content(tr, &e, sparse(h)); err != nil {
			return err
		}
		if e.Type != "" {
			if err := s.list(e); err != nil {
				return err
			}
		}
		start = layer.Span(s.in.n)
	}
}

// list keeps an entry.
func (s *scanner) list(e layer.Entry) error {
	s.listed += entryCost + int64(len(e.Path)+len(e.Linkname))
	for name, value := range e.Xattrs {
		s.listed += entryCost + int64(len(name)+len(value))
	}
	if s.blob != nil && s.listed > listFree && (s.listed-listFree)/listRatio > s.blob() {
		return wrong("the list of its entries would take more memory than a layer of its size is given; it looks made to fill the memory")
	}
	s.entries = append(s.entries, e)
	return nil
}

// content hashes the content of an entry.
func (s *scanner) content(tr *tar.Reader, e *layer.Entry, sparse bool) error {
	if sparse {
		return nil // its holes may be longer than anybody can wait for
	}
	s.sum.Reset()
	done, next := int64(0), s.step
	for {
		buf := s.buf
		if s.step > 0 && int64(len(buf)) > next-done {
			buf = buf[:next-done]
		}
		n, err := tr.Read(buf)
		s.sum.Write(buf[:n])
		done += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return s.broken(err)
		}
		if s.step > 0 && done == next && done < e.Size {
			next += s.step
			if err := s.stepped(); err != nil {
				return err
			}
		} else if s.step > 0 && done == next {
			next += s.step
		}
	}
	if e.Type == layer.Regular {
		sum := s.sum.Sum(nil)
		e.Digest = digest.NewDigestFromBytes(digest.SHA256, sum)
		if s.after != nil {
			s.after(e, sum)
		}
	}
	return nil
}

// end reads what follows the last entry: two zero blocks, and zeros that fill
// the last record.
func (s *scanner) end(start int64) error {
	if s.strict && s.in.n-start < layer.TrailerSize {
		return wrong("the tar ends without its two zero blocks: it is cut off at byte %d", s.in.n)
	}
	for {
		if s.strict && s.in.n-start > maxTrailer {
			return wrong("more than %d bytes of padding follow the end of the tar at byte %d", maxTrailer, start)
		}
		n, err := s.in.Read(s.buf)
		for i, b := range s.buf[:n] {
			if b != 0 && s.strict {
				return wrong("data follows the end of the tar at byte %d: a layer is one tar and nothing else", s.in.n-int64(n-i))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return s.broken(err)
		}
	}
}

// broken says what is wrong with the tar, unless what it is read from failed.
func (s *scanner) broken(err error) error {
	switch {
	case s.in.err != nil:
		return s.in.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return wrong("the tar is cut off at byte %d", s.in.n)
	case errors.Is(err, tar.ErrHeader):
		return wrong("the tar has a broken header before byte %d", s.in.n)
	}
	return wrong("the tar cannot be read at byte %d: %w", s.in.n, err)
}

// sparse reports whether an entry is a GNU sparse file, in any of its forms.
func sparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// entry makes the entry of a header, and checks it where the scan is strict.
func (s *scanner) entry(h *tar.Header) (layer.Entry, error) {
	e := layer.Entry{
		Path:  cleanName(h.Name),
		Type:  typeOf(h.Typeflag),
		Mode:  uint32(h.Mode & 0o7777),
		UID:   h.Uid,
		GID:   h.Gid,
		Mtime: h.ModTime.Unix(),
	}
	switch e.Type {
	case layer.Regular:
		e.Size = h.Size
	case layer.Symlink:
		e.Linkname = h.Linkname
	case layer.Hardlink:
		e.Linkname = cleanName(h.Linkname)
	case layer.Char, layer.Block:
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
	if !s.strict {
		return e, nil
	}
	return e, s.check(h, &e)
}

// check refuses entries that no good layer holds.
func (s *scanner) check(h *tar.Header, e *layer.Entry) error {
	switch {
	case e.Type == "":
		return wrong("%.64q: the tar entry has the type %q, which layers do not have", h.Name, h.Typeflag)
	case sparse(h):
		return wrong("%q is a sparse file in GNU's format, which not every runtime reads: make the tar without --sparse", h.Name)
	case !utf8.ValidString(h.Name) || strings.IndexByte(h.Name, 0) >= 0:
		return wrong("%q: the name is not valid UTF-8", h.Name)
	case imagespec.TooLong(e.Path) || len(e.Linkname) > imagespec.MaxPath:
		return wrong("%.64q… is longer than Linux allows, or a link to what is: %d bytes for a name, %d for a path", h.Name, imagespec.MaxName, imagespec.MaxPath)
	case layer.Outside(h.Name) || e.Type == layer.Hardlink && layer.Outside(h.Linkname):
		return wrong("%q leads out of the layer: paths in a layer are relative and have no %q", h.Name, "..")
	}
	if !s.types.Add(e.Path, e.Type) {
		return wrong("%q stands in the tar twice; a layer holds one entry for a path", h.Name)
	}
	if imagespec.IsWhiteout(path.Base(e.Path)) && (e.Type != layer.Regular || e.Size != 0) {
		return wrong("%q is a whiteout, but no empty regular file", h.Name)
	}
	if e.Type == layer.Hardlink {
		if err := s.below(e.Linkname); err != nil {
			return err
		}
		if e.Linkname == e.Path || !s.types.Has(e.Linkname) {
			return wrong("%q is a hard link to %q, which does not come before it in the tar", h.Name, h.Linkname)
		}
	}
	return s.below(e.Path)
}

// below refuses a path that lies below something else than a directory.
func (s *scanner) below(p string) error {
	if dir, t, ok := s.types.Above(p, func(t layer.Type) bool { return t != layer.Directory }); ok {
		return wrong("%q lies below %q, which is a %s in the same tar", p, dir, t)
	}
	return nil
}

// cleanName is a tar name as entries spell it.
func cleanName(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/") + dotIfEmpty(name)
}

func dotIfEmpty(name string) string {
	if path.Clean("/"+name) == "/" {
		return "."
	}
	return ""
}

// typeOf is the entry type of a type flag, "" for one that layers do not have.
func typeOf(flag byte) layer.Type {
	switch flag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return layer.Regular
	case tar.TypeLink:
		return layer.Hardlink
	case tar.TypeSymlink:
		return layer.Symlink
	case tar.TypeChar:
		return layer.Char
	case tar.TypeBlock:
		return layer.Block
	case tar.TypeDir:
		return layer.Directory
	case tar.TypeFifo:
		return layer.Fifo
	}
	return ""
}
