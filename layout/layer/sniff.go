package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/layform/layform/layout/imagespec"
)

// HeadSize is how much of a file Sniff wants to see, in bytes.
const HeadSize = 2 * BlockSize

// Sniff finds by its first KiB what a tar is compressed with: Uncompressed for
// a plain tar. Anything but gzip, zstd and a plain tar is an error that names
// what the file is where that can be told.
func Sniff(head []byte) (imagespec.Algorithm, error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return imagespec.Gzip, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), skippable(head):
		return imagespec.Zstd, nil
	case tarHead(head):
		return imagespec.Uncompressed, nil
	case bytes.HasPrefix(head, []byte("BZh")):
		return "", errors.New("it is compressed with bzip2, which OCI layers do not have; compress it with gzip or zstd")
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return "", errors.New("it is compressed with xz, which OCI layers do not have; compress it with gzip or zstd")
	case len(head) == 0:
		return "", errors.New("it is empty; a tar without entries is two zero blocks")
	}
	return "", errors.New("it is not a tar, plain or compressed with gzip or zstd")
}

// skippable reports whether head begins with a zstd skippable frame.
func skippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// tarHead reports whether head begins a tar: a block with the right checksum,
// or the two zero blocks of a tar without entries.
func tarHead(head []byte) bool {
	if len(head) < BlockSize {
		return false
	}
	first := head[:BlockSize]
	if bytes.Count(first, []byte{0}) == BlockSize {
		return len(head) >= HeadSize && bytes.Count(head[:HeadSize], []byte{0}) == HeadSize
	}
	want, err := strconv.ParseInt(strings.Trim(string(first[148:156]), " \x00"), 8, 64)
	if err != nil {
		return false
	}
	unsigned, signed := int64(0), int64(0)
	for i, c := range first {
		if i >= 148 && i < 156 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return want == unsigned || want == signed
}

// Detect finds the compression of a stream by its first bytes, which stay in the
// reader that it gives back.
func Detect(r io.Reader) (*bufio.Reader, imagespec.Algorithm, error) {
	br := bufio.NewReaderSize(r, 4096)
	head, err := br.Peek(HeadSize)
	if err != nil && err != io.EOF {
		return br, "", err
	}
	algorithm, err := Sniff(head)
	return br, algorithm, err
}

// BeginsGlobal reports whether the first header of an archive, which is compressed
// with the algorithm, is a global PAX header. It reads no more than it needs.
func BeginsGlobal(r io.Reader, algorithm imagespec.Algorithm) bool {
	d, err := Decompress(r, algorithm, 0)
	if err != nil {
		return false
	}
	defer func() { _ = d.Close() }()
	var first [BlockSize]byte
	if _, err := io.ReadFull(d, first[:]); err != nil {
		return false
	}
	return first[156] == tar.TypeXGlobalHeader
}
