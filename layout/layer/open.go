package layer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sort"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
)

// Open reads the content of one file of a layer, which e of its table of contents
// describes. Blob is the layer's blob of the given media type; of a blob with
// chunks only those that hold the file are read, of any other all that stands
// before the file. The last Read fails unless the content has the entry's
// digest. The caller closes what Open returns, and keeps blob open until then.
func Open(ctx context.Context, blob io.ReaderAt, toc *TOC, mediaType string, e *Entry) (io.ReadCloser, error) {
	switch {
	case e.Type != Regular:
		return nil, fmt.Errorf("%q is a %s and has no content", e.Path, e.Type)
	case e.Digest == "":
		return nil, fmt.Errorf("%q is a sparse file, which cannot be read from the layer", e.Path)
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
		var err error
		if _, algorithm, err = Detect(io.NewSectionReader(blob, 0, toc.Size)); err != nil {
			return nil, fmt.Errorf("a blob of type %q is no layer: %w", mediaType, err)
		}
	}
	if algorithm == imagespec.Uncompressed {
		section, skip = io.NewSectionReader(blob, e.Offset, e.Size), 0
	}
	d, err := Decompress(ContextReader(ctx, section), algorithm, 0)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, d, skip); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("%q: the layer ends before it: %w", e.Path, err)
	}
	return &content{d: d, e: e, sum: sha256.New()}, nil
}

// chunksOf gives the range of the chunks that hold the content of e, none where
// the chunks do not reach as far.
func chunksOf(chunks []Chunk, e *Entry) (from, to int) {
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
	d    *Decompressor
	e    *Entry
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
