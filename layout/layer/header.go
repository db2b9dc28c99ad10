package layer

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// BlockSize is the size of a tar block: headers and content fill whole blocks.
const BlockSize = 512

// TrailerSize is the length of the two zero blocks that end a tar.
const TrailerSize = 2 * BlockSize

// maxExtended bounds the records of a PAX header; readers refuse more.
const maxExtended = 1 << 20

// paxName is the name of PAX headers. No reader uses it; a constant one costs
// the least and depends on nothing.
const paxName = "././@PaxHeader"

// Type flags of the headers that are written.
const (
	flagRegular   = '0'
	flagHardlink  = '1'
	flagSymlink   = '2'
	flagChar      = '3'
	flagBlock     = '4'
	flagDirectory = '5'
	flagFifo      = '6'
	flagExtended  = 'x'
)

// Padding is the number of zero bytes that follow size bytes of content.
func Padding(size int64) int64 { return -size & (BlockSize - 1) }

// Span is the length of content in the tar: size bytes, padded to whole blocks.
func Span(size int64) int64 { return size + Padding(size) }

// HeaderLength is the length of the header that AppendHeader writes for e, or an error for
// an entry that no tar header can describe.
func HeaderLength(e *Entry) (int64, error) {
	records, err := extended(e)
	if err != nil {
		return 0, err
	}
	if len(records) == 0 {
		return BlockSize, nil
	}
	return 2*BlockSize + Span(int64(len(records))), nil
}

// AppendHeader appends the header of e to dst, a whole number of blocks. Content and
// padding are not part of it.
func AppendHeader(dst []byte, e *Entry) ([]byte, error) {
	records, err := extended(e)
	if err != nil {
		return dst, err
	}
	if len(records) > 0 {
		x := block{}
		x.text(0, 100, paxName)
		x.octal(124, 12, int64(len(records)))
		dst = append(dst, x.finish(flagExtended)...)
		dst = append(dst, records...)
		dst = append(dst, make([]byte, Padding(int64(len(records))))...)
	}
	flag, _ := typeFlag(e.Type)
	name, prefix, fits := splitPath(tarName(e))
	if !fits {
		name, prefix = fallback(tarName(e)), ""
	}
	b := block{}
	b.text(0, 100, name)
	b.octal(100, 8, int64(e.Mode))
	b.octal(108, 8, int64(e.UID))
	b.octal(116, 8, int64(e.GID))
	b.octal(124, 12, contentSize(e))
	b.octal(136, 12, e.Mtime)
	b.text(157, 100, fallback(e.Linkname))
	b.octal(329, 8, e.Devmajor)
	b.octal(337, 8, e.Devminor)
	b.text(345, 155, prefix)
	return append(dst, b.finish(flag)...), nil
}

// tarName is the path as tar spells it: directories end with a slash.
func tarName(e *Entry) string {
	if e.Type == Directory {
		return e.Path + "/"
	}
	return e.Path
}

func contentSize(e *Entry) int64 {
	if e.Type == Regular {
		return e.Size
	}
	return 0
}

func typeFlag(t Type) (byte, bool) {
	switch t {
	case Regular:
		return flagRegular, true
	case Hardlink:
		return flagHardlink, true
	case Symlink:
		return flagSymlink, true
	case Char:
		return flagChar, true
	case Block:
		return flagBlock, true
	case Directory:
		return flagDirectory, true
	case Fifo:
		return flagFifo, true
	}
	return 0, false
}

// extended gives the PAX records that e needs, sorted by key, or nothing where
// the USTAR block holds all.
func extended(e *Entry) ([]byte, error) {
	if err := checkHeader(e); err != nil {
		return nil, err
	}
	if fitsUSTAR(e) {
		return nil, nil
	}
	records := make(map[string]string, 8+len(e.Xattrs))
	if _, _, fits := splitPath(tarName(e)); !fits {
		records["path"] = tarName(e)
	}
	if len(e.Linkname) > 100 || !ascii(e.Linkname) {
		records["linkpath"] = e.Linkname
	}
	for key, n := range map[string]struct {
		value int64
		width int
	}{
		"uid": {int64(e.UID), 8}, "gid": {int64(e.GID), 8},
		"size": {contentSize(e), 12}, "mtime": {e.Mtime, 12},
	} {
		if !fitsOctal(n.value, n.width) {
			records[key] = strconv.FormatInt(n.value, 10)
		}
	}
	for key, value := range e.Xattrs {
		records["SCHILY.xattr."+key] = value
	}
	return encodeRecords(e.Path, records)
}

// fitsUSTAR reports whether e certainly needs no PAX records; it is the fast path
// of nearly every entry.
func fitsUSTAR(e *Entry) bool {
	return len(e.Path) < 100 && ascii(e.Path) && len(e.Linkname) <= 100 && ascii(e.Linkname) &&
		fitsOctal(int64(e.UID), 8) && fitsOctal(int64(e.GID), 8) &&
		fitsOctal(e.Size, 12) && fitsOctal(e.Mtime, 12) && len(e.Xattrs) == 0
}

// encodeRecords gives PAX records in the order of their keys.
func encodeRecords(path string, records map[string]string) ([]byte, error) {
	keys := make([]string, 0, len(records))
	for key := range records {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	var out []byte
	for _, key := range keys {
		out = appendRecord(out, key, records[key])
		if len(out) > maxExtended {
			return nil, fmt.Errorf("%q: names and xattrs take more than %d bytes in the tar header; shorten them", path, maxExtended)
		}
	}
	return out, nil
}

// appendRecord appends "length key=value\n", where length counts itself.
func appendRecord(dst []byte, key, value string) []byte {
	rest := len(key) + len(value) + len(" =\n")
	total := rest + len(strconv.Itoa(rest))
	if n := rest + len(strconv.Itoa(total)); n != total {
		total = n
	}
	dst = strconv.AppendInt(dst, int64(total), 10)
	dst = append(dst, ' ')
	dst = append(dst, key...)
	dst = append(dst, '=')
	dst = append(dst, value...)
	return append(dst, '\n')
}

// checkHeader reports values that neither USTAR nor PAX can hold.
func checkHeader(e *Entry) error {
	if _, ok := typeFlag(e.Type); !ok {
		return fmt.Errorf("%q: a tar has no entries of type %q", e.Path, e.Type)
	}
	switch {
	case strings.IndexByte(e.Path, 0) >= 0 || strings.IndexByte(e.Linkname, 0) >= 0:
		return fmt.Errorf("%q: a name holds a NUL byte", e.Path)
	case e.Size < 0:
		return fmt.Errorf("%q: size %d is negative", e.Path, e.Size)
	case e.UID < 0 || e.GID < 0:
		return fmt.Errorf("%q: owner %d:%d is negative", e.Path, e.UID, e.GID)
	case e.Mode > 0o7777:
		return fmt.Errorf("%q: mode %o is more than permission bits", e.Path, e.Mode)
	case !fitsOctal(e.Devmajor, 8) || !fitsOctal(e.Devminor, 8):
		return fmt.Errorf("%q: device number %d:%d does not fit a tar header", e.Path, e.Devmajor, e.Devminor)
	}
	for key := range e.Xattrs {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return fmt.Errorf("%q: xattr name %q cannot stand in a tar header", e.Path, key)
		}
	}
	return nil
}

// splitPath splits a path into the name and prefix fields of USTAR, and
// reports whether it fits them.
func splitPath(path string) (name, prefix string, ok bool) {
	if !ascii(path) {
		return "", "", false
	}
	if len(path) <= 100 {
		return path, "", true
	}
	if len(path) > 100+155+1 {
		return "", "", false
	}
	// The slash between the fields: as late as the prefix allows, but before
	// the last byte, for the name must not be empty.
	end := min(len(path)-1, 156)
	i := strings.LastIndexByte(path[:end], '/')
	if i <= 0 || len(path)-i-1 > 100 {
		return "", "", false
	}
	return path[i+1:], path[:i], true
}

// fallback is the name in the USTAR block of an entry whose name is in a PAX record:
// its ASCII bytes, as many as fit, for readers that know no PAX.
func fallback(name string) string {
	if len(name) <= 100 && ascii(name) {
		return name
	}
	out := make([]byte, 0, 100)
	for i := 0; i < len(name) && len(out) < 100; i++ {
		if c := name[i]; c != 0 && c < 0x80 {
			out = append(out, c)
		}
	}
	return string(out)
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// fitsOctal reports whether n fits an octal field of width bytes, the last of
// which is NUL.
func fitsOctal(n int64, width int) bool {
	return n >= 0 && n < 1<<(3*(width-1))
}

// block is one header block under construction.
type block [BlockSize]byte

func (b *block) text(at, width int, s string) { copy(b[at:at+width], s) }

// octal writes n, or 0 where n does not fit and a PAX record says it.
func (b *block) octal(at, width int, n int64) {
	if !fitsOctal(n, width) {
		n = 0
	}
	for i := at + width - 2; i >= at; i-- {
		b[i] = '0' + byte(n&7)
		n >>= 3
	}
}

// finish sets what all headers share, and the checksum, which counts its own
// field as spaces.
func (b *block) finish(flag byte) []byte {
	if flag == flagExtended {
		b.octal(100, 8, 0)
		b.octal(108, 8, 0)
		b.octal(116, 8, 0)
		b.octal(136, 12, 0)
		b.octal(329, 8, 0)
		b.octal(337, 8, 0)
	}
	b[156] = flag
	b.text(257, 8, "ustar\x0000")
	copy(b[148:156], "        ")
	sum := int64(0)
	for _, c := range b {
		sum += int64(c)
	}
	b.octal(148, 7, sum)
	b[154], b[155] = 0, ' '
	return b[:]
}
