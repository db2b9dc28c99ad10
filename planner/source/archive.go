package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// archive observes a tar that becomes a layer.
func (o *observer) archive(name string) *File {
	return o.wholeFile("archive", name, func(head []byte) (imagespec.Algorithm, error) { return Sniff(head) })
}

// blob observes a file that becomes a layer as it is.
func (o *observer) blob(name string) *File {
	return o.wholeFile("blob", name, func([]byte) (imagespec.Algorithm, error) { return imagespec.Uncompressed, nil })
}

func (o *observer) wholeFile(what, name string, sniff func([]byte) (imagespec.Algorithm, error)) *File {
	f, err := o.observeFile(name, sniff)
	if err != nil {
		o.report(-1, "Unusable "+what, "The %s %q cannot be used: %s.", what, name, err)
		return nil
	}
	return f
}

func (o *observer) observeFile(name string, sniff func([]byte) (imagespec.Algorithm, error)) (*File, error) {
	resolved, _, err := resolve(o.root, name)
	if err != nil {
		return nil, err
	}
	opener := NewFiles(o.root)
	defer func() { _ = opener.Close() }()
	file, info, err := opener.Open(resolved)
	if err != nil {
		return nil, err
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(file, head)
	if closeErr := file.Close(); closeErr != nil {
		err = closeErr
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, bare(err)
	}
	algorithm, err := sniff(head[:n])
	if err != nil {
		return nil, err
	}
	f := &File{Path: resolved, Size: info.Size(), Compression: algorithm}
	if !o.opts.Hash || o.ctx.Err() != nil {
		f.State = StateOf(info)
		return f, nil
	}
	if f.Digest = o.remembered(resolved, info); f.Digest == "" {
		f.Digest, err = o.digestFile(opener, resolved, info.Size(), make([]byte, hashBuffer))
	}
	return f, err
}

// headSize is how much of a file Sniff wants to see.
const headSize = 2 * layer.BlockSize

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
	if len(head) < layer.BlockSize {
		return false
	}
	first := head[:layer.BlockSize]
	if bytes.Count(first, []byte{0}) == layer.BlockSize {
		return len(head) >= headSize && bytes.Count(head[:headSize], []byte{0}) == headSize
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

// String says what the file is, for messages.
func (f *File) String() string { return fmt.Sprintf("%s (%d bytes)", f.Path, f.Size) }
