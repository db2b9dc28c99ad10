package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
)

// tocMagic begins a stored table of contents; the number in it is layer.TOCVersion.
const tocMagic = "layform toc 2\n"

// tocLimit is the longest table of contents that is read, in bytes.
const tocLimit = 256 << 20

// tocFile is the state file of a layer's table of contents.
func tocFile(blob digest.Digest) (string, error) {
	if err := blob.Validate(); err != nil {
		return "", fmt.Errorf("%q is no digest of a layer: %w", string(blob), err)
	}
	return "toc/" + string(blob.Algorithm()) + "-" + blob.Encoded(), nil
}

// LoadTOC reads the table of contents of a layer blob. The error is
// fs.ErrNotExist when there is none, and in the tree of ErrCorrupt when it is
// damaged, of another version, or of another blob: make it again from the blob.
func LoadTOC(ctx context.Context, store *layout.Store, blob digest.Digest) (*layer.TOC, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := tocFile(blob)
	if err != nil {
		return nil, err
	}
	data, err := store.ReadCache(file, tocMagic, tocBound(ctx, store, blob))
	if err != nil && !errors.Is(err, layout.ErrLimit) && !errors.Is(err, layout.ErrDamaged) {
		return nil, err
	}
	var toc *layer.TOC
	if err == nil {
		toc, err = layer.DecodeTOC(data)
	}
	if err == nil && toc.Blob != blob {
		err = fmt.Errorf("it belongs to %s", toc.Blob)
	}
	if err != nil {
		return nil, unusableTOC(store, file, err)
	}
	return toc, nil
}

// unusableTOC says what is wrong with a table of contents.
func unusableTOC(store *layout.Store, file string, err error) error {
	return &FileError{
		Path:    fullPath(store, file),
		Problem: "the table of contents cannot be used: " + err.Error(),
		Advice:  "it can be removed, and is made again from the layer",
		Err:     ErrCorrupt,
	}
}

// ReadTOC is LoadTOC for a table of contents that is not held in memory: it passes the
// entries to visit, and returns all else. An entry is valid until visit returns, whose
// error is returned as it is. When visit was not called, an error in the tree of
// ErrCorrupt or fs.ErrNotExist is that of LoadTOC.
func ReadTOC(ctx context.Context, store *layout.Store, blob digest.Digest, visit func(*layer.Entry) error) (*layer.TOC, error) {
	file, err := tocFile(blob)
	if err != nil {
		return nil, err
	}
	f, err := store.OpenCache(file, tocMagic, tocBound(ctx, store, blob))
	if errors.Is(err, layout.ErrLimit) || errors.Is(err, layout.ErrDamaged) {
		return nil, unusableTOC(store, file, err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var other error // that says nothing of the table
	toc, err := layer.ReadTOC(&failing{f, &other}, blob, func(e *layer.Entry) error {
		if other = ctx.Err(); other == nil {
			other = visit(e)
		}
		return other
	})
	if other != nil {
		return nil, other
	}
	if err != nil {
		return nil, unusableTOC(store, file, err)
	}
	return toc, nil
}

// failing notes the error of a reader.
type failing struct {
	io.Reader
	err *error
}

// Read reads, and notes the error unless it is io.EOF.
func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF {
		*f.err = err
	}
	return n, err
}

// tocBound is the longest table of contents that is read for a blob: no longer
// than one that is made of it could be.
func tocBound(ctx context.Context, store *layout.Store, blob digest.Digest) int64 {
	f, err := store.ReaderAt(ctx, blob)
	if err != nil {
		return tocLimit // the blob is gone, and the table tells what it held
	}
	size := f.Size()
	_ = f.Close()
	return min(tocLimit, layer.MaxList(size))
}

// SaveTOC writes the table of contents of head.Blob, atomically: what head says, with
// entries in the place of its own. A power cut may take it, which costs time alone.
func SaveTOC(ctx context.Context, store *layout.Store, head *layer.TOC, entries layer.EntryList) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := tocFile(head.Blob)
	if err != nil {
		return err
	}
	return store.SaveCache(file, tocMagic, func(w io.Writer) error { return layer.WriteTOC(w, head, entries) })
}

// RemoveTOC deletes the table of contents of a layer blob; it is no error when
// there is none.
func RemoveTOC(ctx context.Context, store *layout.Store, blob digest.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := tocFile(blob)
	if err != nil {
		return err
	}
	return store.RemoveState(file)
}

// DigestsOfTOCs lists the layer blobs that have a table of contents, sorted.
func DigestsOfTOCs(ctx context.Context, store *layout.Store) ([]digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := store.ListState("toc")
	if err != nil {
		return nil, err
	}
	var all []digest.Digest
	for _, name := range names {
		if dgst, ok := TOCDigest(name); ok {
			all = append(all, dgst)
		}
	}
	return all, nil
}

// TOCDigest parses the name of a file in the folder toc of state files: the digest of
// the layer blob that its table of contents belongs to.
func TOCDigest(name string) (digest.Digest, bool) {
	algorithm, encoded, ok := strings.Cut(name, "-")
	dgst := digest.Digest(algorithm + ":" + encoded)
	return dgst, ok && dgst.Validate() == nil
}

// PruneTOCs removes and lists the tables of contents of layers that are not among
// there, the blobs of the layout, as after a GC. The caller holds the lock of the
// layout.
func PruneTOCs(ctx context.Context, store *layout.Store, there map[digest.Digest]bool) (removed []digest.Digest, err error) {
	all, err := DigestsOfTOCs(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, dgst := range all {
		if there[dgst] {
			continue
		}
		if err := RemoveTOC(ctx, store, dgst); err != nil {
			return removed, err
		}
		removed = append(removed, dgst)
	}
	return removed, nil
}
