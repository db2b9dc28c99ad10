package archive

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// The modes of what is in an archive: those of what layform writes into a layout.
const (
	dirMode  = 0o755
	fileMode = 0o644
	blobMode = 0o444
)

// maxBlob bounds a blob, so that no sum of sizes overflows.
const maxBlob = 1 << 44

// copyBuffer is how much of a blob is written at once.
const copyBuffer = 256 << 10

// Writer writes a layout as a tar: first the blobs, each in the place that the sorted
// list of all gives it, so that they may come in any order and several at a time; then
// the files beside them. Names are sorted, owners and times are 0, and headers are those
// of package layer: the bytes depend on the content alone.
type Writer struct {
	out   io.WriterAt
	slots []slot
	place map[digest.Digest]int
	// end is where what follows the blobs begins.
	end int64
}

// slot is the place of a blob in the tar.
type slot struct {
	desc ocispec.Descriptor
	// folders are those whose headers come right before that of the blob.
	folders []string
	// offset is where the first of these headers begins, and content where the blob does.
	offset, content int64
}

// NewWriter prepares a tar with these blobs, each once; of two descriptors with one
// digest the first counts. It writes nothing yet.
func NewWriter(out io.WriterAt, blobs []ocispec.Descriptor) (*Writer, error) {
	w := &Writer{out: out, place: map[digest.Digest]int{}}
	for _, desc := range blobs {
		if err := imagespec.CheckDigest(desc.Digest); err != nil {
			return nil, fmt.Errorf("the digest %q: %w", desc.Digest, err)
		}
		if desc.Size < 0 || desc.Size > maxBlob {
			return nil, fmt.Errorf("blob %s has %d bytes by its descriptor; the limit is %d", desc.Digest, desc.Size, int64(maxBlob))
		}
		if _, twice := w.place[desc.Digest]; !twice {
			w.place[desc.Digest] = 0
			w.slots = append(w.slots, slot{desc: desc})
		}
	}
	slices.SortFunc(w.slots, func(a, b slot) int {
		return cmp.Compare(imagespec.BlobPath(a.desc.Digest), imagespec.BlobPath(b.desc.Digest))
	})
	folder := ""
	for i := range w.slots {
		s := &w.slots[i]
		w.place[s.desc.Digest] = i
		if of := path.Dir(imagespec.BlobPath(s.desc.Digest)); of != folder {
			folder = of
			s.folders = append(s.folders, of)
		}
		if i == 0 {
			s.folders = slices.Insert(s.folders, 0, ocispec.ImageBlobsDir)
		}
		head, err := s.head()
		if err != nil {
			return nil, err
		}
		s.offset, s.content = w.end, w.end+int64(len(head))
		w.end = s.content + layer.Span(s.desc.Size)
	}
	return w, nil
}

// head gives the headers of the slot.
func (s *slot) head() ([]byte, error) {
	head, err := folderHeaders(s.folders...)
	if err != nil {
		return nil, err
	}
	return layer.AppendHeader(head, &layer.Entry{Path: imagespec.BlobPath(s.desc.Digest), Type: layer.Regular, Mode: blobMode, Size: s.desc.Size})
}

func folderHeaders(names ...string) (head []byte, err error) {
	for _, name := range names {
		if head, err = layer.AppendHeader(head, &layer.Entry{Path: name, Type: layer.Directory, Mode: dirMode}); err != nil {
			return nil, err
		}
	}
	return head, nil
}

// Blob writes one of the blobs that were given to NewWriter, whole: r reads its
// content, and fails instead of io.EOF where the digest does not match. After an error
// the same blob may be written again.
func (w *Writer) Blob(ctx context.Context, dgst digest.Digest, r io.Reader) error {
	i, ok := w.place[dgst]
	if !ok {
		return fmt.Errorf("the archive has no place for the blob %s", dgst)
	}
	s := &w.slots[i]
	head, err := s.head()
	if err != nil {
		return err
	}
	if _, err := w.out.WriteAt(head, s.offset); err != nil {
		return err
	}
	out := &bounded{w: io.NewOffsetWriter(w.out, s.content), left: s.desc.Size}
	// One byte more than the blob has is enough to know that there is too much.
	limited := io.LimitReader(layer.ContextReader(ctx, r), s.desc.Size+1)
	n, err := io.CopyBuffer(out, limited, make([]byte, min(copyBuffer, s.desc.Size+1)))
	if err != nil {
		return err
	}
	if n != s.desc.Size {
		return fmt.Errorf("blob %s does not have the %d bytes that its descriptor says", dgst, s.desc.Size)
	}
	return w.pad(s.content+s.desc.Size, s.desc.Size)
}

// bounded writes up to a number of bytes, and drops the rest.
type bounded struct {
	w    io.Writer
	left int64
}

// Write takes all of p.
func (b *bounded) Write(p []byte) (int, error) {
	n, err := b.w.Write(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil {
		return n, err
	}
	return len(p), nil
}

// pad fills the block behind content of the given size.
func (w *Writer) pad(at, size int64) error {
	if layer.Padding(size) == 0 {
		return nil
	}
	_, err := w.out.WriteAt(make([]byte, layer.Padding(size)), at)
	return err
}

// Finish writes the files beside the blobs, all of which must have been written, and
// gives the size of the tar. A manifest.json that is nil is left out.
func (w *Writer) Finish(index, manifest []byte) (int64, error) {
	var tail []byte
	var err error
	if len(w.slots) == 0 {
		if tail, err = folderHeaders(ocispec.ImageBlobsDir, ocispec.ImageBlobsDir+"/"+string(digest.Canonical)); err != nil {
			return 0, err
		}
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{ocispec.ImageIndexFile, index}, {dockerFile, manifest}, {ocispec.ImageLayoutFile, layout.Marker()}} {
		if f.data == nil {
			continue
		}
		if tail, err = layer.AppendHeader(tail, &layer.Entry{Path: f.name, Type: layer.Regular, Mode: fileMode, Size: int64(len(f.data))}); err != nil {
			return 0, err
		}
		tail = append(tail, f.data...)
		tail = append(tail, make([]byte, layer.Padding(int64(len(f.data))))...)
	}
	tail = append(tail, make([]byte, layer.TrailerSize)...)
	if _, err := w.out.WriteAt(tail, w.end); err != nil {
		return 0, err
	}
	return w.end + int64(len(tail)), nil
}
