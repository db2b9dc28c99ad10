package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
)

// ambiguity finds where the headers of an entry mean different things to
// different readers (package tar, GNU tar, libarchive, Python's tarfile): one of
// them would unpack what another one does not see. It gives the rule that is
// broken and what is wrong, or "".
func ambiguity(h *tar.Header, headers []rawHeader) (Rule, string) {
	if problem := doubleHeaders(headers); problem != "" {
		return RuleHeader, problem
	}
	own := headers[len(headers)-1].block
	size, fitsUSTAR := sizeField(own)
	switch {
	case !fitsUSTAR:
		return RuleHeader, "the size in its header is not a number to all readers"
	case !knownMagic(own):
		return RuleHeader, "its header has a part of a name that not all readers take"
	case h.Typeflag != tar.TypeDir && strings.HasSuffix(h.Name, "/"):
		return RuleHeader, "its name ends with a slash, but it is no directory"
	case isBodiless(h.Typeflag) && (size != 0 || paxSize(h) != 0):
		return RuleEntrySize, fmt.Sprintf("its header says %d bytes, but a %s has no content: readers disagree where the next entry begins", max(size, paxSize(h)), typeOf(h.Typeflag))
	case h.PAXRecords["size"] != "" && h.Size <= maxOctal && !isSparse(h) && size != h.Size:
		return RuleEntrySize, fmt.Sprintf("its PAX header says %d bytes, but its ustar header %d: not all readers unpack the same", h.Size, size)
	}
	return "", ""
}

// maxOctal is the largest size that the field of a ustar header holds in octal.
// Where the true size does not fit, writers put there what they like.
const maxOctal = 1<<33 - 1

// isBodiless reports whether entries of the type have no content. Some readers
// skip the size that the header gives nevertheless.
func isBodiless(flag byte) bool {
	switch flag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return true
	}
	return false
}

// paxSize is the size that the PAX header of an entry without content gives.
func paxSize(h *tar.Header) int64 {
	if h.PAXRecords["size"] == "" {
		return 0
	}
	return h.Size
}

// knownMagic reports whether all readers agree about the second part of the name
// in a header: only POSIX headers have one, and GNU's have times there.
func knownMagic(block []byte) bool {
	if bytes.HasPrefix(block[257:], []byte("ustar\x00")) {
		return true
	}
	part := block[345:500]
	if bytes.HasPrefix(block[257:], []byte("ustar  \x00")) {
		part = bytes.Trim(block[345:369], "01234567 \x00")
	}
	return len(bytes.Trim(part, "\x00")) == 0 || block[156] == tar.TypeGNUSparse
}

// doubleHeaders finds extended headers that say one thing twice: readers differ in
// which one counts.
func doubleHeaders(headers []rawHeader) string {
	said := map[string]int{}
	count := map[byte]int{}
	for _, h := range headers[:len(headers)-1] {
		flag := h.flag()
		if count[flag]++; count[flag] > 1 {
			return fmt.Sprintf("it has two extended headers of the type %q", flag)
		}
		switch flag {
		case tar.TypeGNULongName:
			said["path"]++
		case tar.TypeGNULongLink:
			said["linkpath"]++
		case tar.TypeXGlobalHeader:
			return "a global header stands between its headers"
		case tar.TypeXHeader:
			for _, r := range paxRecords(h.payload) {
				switch r[0] {
				case "path", "linkpath", "size":
					if said[r[0]]++; r[1] == "" {
						return fmt.Sprintf("its PAX header has an empty %s", r[0])
					}
				}
			}
		}
	}
	if len(headers) > 1 && headers[len(headers)-1].flag() == tar.TypeXGlobalHeader {
		return "a global header stands between its headers"
	}
	for _, key := range []string{"path", "linkpath", "size"} {
		if said[key] > 1 {
			return fmt.Sprintf("its extended headers give the %s twice", key)
		}
	}
	return ""
}

// globalProblem says why a global PAX header is not harmless: readers differ in
// whether what it sets holds for the entries after it. Git's holds a comment alone.
func globalProblem(h *tar.Header) string {
	for key := range h.PAXRecords {
		if key != "comment" {
			return fmt.Sprintf("the tar has a global header that sets %q for all entries, which only some readers heed", shortened(key))
		}
	}
	return ""
}

// isSparse reports whether an entry is a sparse file, in any of its forms.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") || key == "SCHILY.realsize" {
			return true
		}
	}
	return false
}
