package encode

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sort"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// Open reads the content of one file of a layer. Blob is the layer's blob of
// the given media type, which toc describes; of a blob with chunks only those
// that hold the file are read, of any other all that stands before the file.
// A hard link gives the content of its target. The last Read fails unless the
// content has the entry's digest. The caller closes what Open returns, and
// keeps blob open until then.
func Open(ctx context.Context, blob io.ReaderAt, toc *layer.TOC, mediaType, path string) (io.ReadCloser, error) {
	e, err := regular(toc, path)
	if err != nil {
		return nil, err
	}
	start, length, skip := int64(0), toc.Size, e.Offset
	if from, to := chunksOf(toc.Chunks, e); to > from {
		first, last := toc.Chunks[from], toc.Chunks[to-1]
		start, length = first.Offset, last.Offset+last.Length-first.Offset
		for _, c := range toc.Chunks[:from] {
			skip -= c.Size
		}
	}
	section := io.NewSectionReader(blob, start, length)
	algorithm, ok := imagespec.LayerCompression(mediaType)
	if !ok {
		if _, algorithm, err = sniff(io.NewSectionReader(blob, 0, toc.Size)); err != nil {
			return nil, fmt.Errorf("a blob of type %q is no layer: it %w", mediaType, err)
		}
	}
	if algorithm == imagespec.Uncompressed {
		section, skip = io.NewSectionReader(blob, e.Offset, e.Size), 0
	}
	d, err := decompress(&interruptible{ctx, section}, algorithm)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, d, skip); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("%q: the layer ends before it: %w", path, err)
	}
	return &content{d: d, e: e, sum: sha256.New()}, nil
}

// regular finds the regular file at a path, through a hard link if need be. Of
// several entries for a path the last one counts.
func regular(toc *layer.TOC, path string) (*layer.Entry, error) {
	for range 2 {
		var found *layer.Entry
		for i := range toc.Entries {
			if toc.Entries[i].Path == path {
				found = &toc.Entries[i]
			}
		}
		switch {
		case found == nil:
			return nil, fmt.Errorf("the layer has no entry %q", path)
		case found.Type == layer.Hardlink:
			path = found.Linkname
		case found.Type != layer.Regular:
			return nil, fmt.Errorf("%q is a %s and has no content", path, found.Type)
		case found.Digest == "":
			return nil, fmt.Errorf("%q is a sparse file, which cannot be read from the layer", path)
		default:
			return found, nil
		}
	}
	return nil, fmt.Errorf("%q is a hard link to a hard link", path)
}

// chunksOf gives the range of the chunks that hold the content of e, none where
// the chunks do not reach as far.
func chunksOf(chunks []layer.Chunk, e *layer.Entry) (from, to int) {
	ends := make([]int64, len(chunks)) // where each chunk ends in the tar
	total := int64(0)
	for i, c := range chunks {
		total += c.Size
		ends[i] = total
	}
	from = sort.Search(len(ends), func(i int) bool { return ends[i] > e.Offset })
	to = sort.Search(len(ends), func(i int) bool { return ends[i] >= e.Offset+e.Size })
	if to == len(ends) {
		return 0, 0
	}
	return from, to + 1
}

// content is the content of one file on its way out.
type content struct {
	d    *decompressor
	e    *layer.Entry
	done int64
	sum  hash.Hash
}

// Read gives the content, and an error instead of its end where it is not what
// the entry says.
func (c *content) Read(p []byte) (int, error) {
	left := c.e.Size - c.done
	if left == 0 {
		if got := digest.NewDigest(digest.SHA256, c.sum); got != c.e.Digest {
			return 0, fmt.Errorf("%q: its content has digest %s and not %s; the layer or its table of contents is damaged", c.e.Path, got, c.e.Digest)
		}
		return 0, io.EOF
	}
	n, err := c.d.Read(p[:min(int64(len(p)), left)])
	c.sum.Write(p[:n])
	c.done += int64(n)
	if err == io.EOF {
		if err = nil; c.done < c.e.Size {
			err = fmt.Errorf("%q: the layer ends after %d of %d bytes", c.e.Path, c.done, c.e.Size)
		}
	}
	return n, err
}

// Close frees what reading took.
func (c *content) Close() error { return c.d.Close() }
