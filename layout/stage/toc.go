package stage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
)

// tocAdvice says what to do about a table of contents that cannot be used.
const tocAdvice = "; it can be removed, and is made again from the layer"

// TOCVersion is the version of tables of contents that is written and read.
const TOCVersion = 2

// tocMagic starts the file of a table of contents.
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
func LoadTOC(ctx context.Context, store *layout.Store, blob digest.Digest) (*TOC, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := tocFile(blob)
	if err != nil {
		return nil, err
	}
	data, err := store.ReadState(file, tocLimit)
	if err != nil {
		return nil, err
	}
	toc, err := decodeTOC(data)
	if err == nil && toc.Blob != blob {
		err = fmt.Errorf("it belongs to %s", toc.Blob)
	}
	if err != nil {
		return nil, &FileError{
			Path:    fullPath(store, file),
			Problem: "the table of contents cannot be used: " + err.Error() + tocAdvice,
			Err:     ErrCorrupt,
		}
	}
	return toc, nil
}

// SaveTOC writes the table of contents of toc.Blob, atomically. A power cut may
// take it, which costs time alone.
func SaveTOC(ctx context.Context, store *layout.Store, toc *TOC) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := tocFile(toc.Blob)
	if err != nil {
		return err
	}
	data, err := encodeTOC(toc)
	if err != nil {
		return err
	}
	return store.SaveCache(file, data)
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
		if dgst, ok := tocDigest(name); ok {
			all = append(all, dgst)
		}
	}
	return all, nil
}

// encodeTOC gives the bytes of the file: the magic, a checksum of what follows,
// and the records. They are not compressed: most of them is digests.
func encodeTOC(toc *TOC) ([]byte, error) {
	const perEntry, perChunk = 128, 256 // about; more only costs a copy
	w := &writer{buf: make([]byte, 0, len(tocMagic)+perEntry*(len(toc.Entries)+1)+perChunk*len(toc.Chunks))}
	w.buf = append(append(w.buf, tocMagic...), 0, 0, 0, 0)
	toc.write(w)
	content := w.buf[len(tocMagic)+4:]
	binary.LittleEndian.PutUint32(w.buf[len(tocMagic):], checksum(content))
	return w.buf, w.err
}

// decodeTOC reads the bytes of the file.
func decodeTOC(data []byte) (*TOC, error) {
	content, ok := bytes.CutPrefix(data, []byte(tocMagic))
	if !ok || len(content) < 4 || binary.LittleEndian.Uint32(content) != checksum(content[4:]) {
		return nil, errors.New("it is damaged, or of another kind or version")
	}
	r := newReader(string(content[4:]))
	toc := &TOC{}
	toc.read(r)
	if r.err != nil {
		return nil, r.err
	}
	return toc, toc.check()
}
