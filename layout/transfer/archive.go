package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
)

// Archive is a layout in a tar as a Destination. The tar is written anew: what is in one
// that is there, and that index.json leads to still, comes along, and what is brought
// goes to its place in the new one at once, so that nothing is written twice. The name
// leads to the old tar until Commit, which renames.
type Archive struct {
	// Layout is the tar that is there; it may hold nothing.
	*Layout
	was  fs.FileInfo
	path string

	index *layout.Index
	root  *os.Root
	file  *archive.File
	// kept are the blobs that come from the old tar.
	kept []ocispec.Descriptor
}

// NewArchive makes a Destination of the file at path. old reads the layout that is in it,
// and was describes it; they are layout.Empty and nil where there is none, or where
// nothing of it is to stay. It serves one transfer. The caller closes it.
func NewArchive(old *layout.Reader, was fs.FileInfo, path string) *Archive {
	return &Archive{Layout: NewLayout(old, path), was: was, path: path}
}

// Begin prepares for a plan: Execute wants that before. root is the directory that the
// file is in, and stays open until Close.
func (a *Archive) Begin(ctx context.Context, p *Plan, root *os.Root, opts archive.WriteOptions) error {
	var err error
	if a.index, err = a.reader.Index(ctx); err != nil {
		return err
	}
	if err := setEntries(a.index, p.Roots, p.Referrers); err != nil {
		return err
	}
	if a.was != nil && !p.Changes() && a.index.Unchanged() {
		return nil // the tar that is there is the one that would be written
	}
	brought := map[digest.Digest]bool{}
	var blobs []ocispec.Descriptor
	for _, step := range p.Steps {
		if step.Action == There {
			a.kept = append(a.kept, step.Descriptor)
		}
		blobs = append(blobs, step.Descriptor)
		brought[step.Descriptor.Digest] = true
	}
	var others []ocispec.Descriptor
	for _, entry := range a.index.Descriptors() {
		if !brought[entry.Digest] {
			others = append(others, entry)
		}
	}
	old, err := archive.Contents(ctx, a.reader, others)
	if err != nil {
		return err
	}
	for _, desc := range old {
		if !brought[desc.Digest] {
			a.kept = append(a.kept, desc)
			blobs = append(blobs, desc)
		}
	}
	a.root = root
	a.file, err = archive.Create(root, filepath.Base(a.path), blobs, opts)
	return err
}

// Has hashes a blob of the tar that is there: one that is torn counts as absent.
func (a *Archive) Has(ctx context.Context, desc ocispec.Descriptor) (Presence, error) {
	rc, err := a.reader.Fetch(ctx, desc)
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
		err = errors.Join(err, rc.Close())
	}
	var damaged *layout.BlobError
	switch {
	case err == nil:
		return Present, nil
	case errors.As(err, &damaged):
		return Absent, nil
	}
	return Absent, err
}

// PutBlob writes a blob.
func (a *Archive) PutBlob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error), _ string) (bool, error) {
	rc, err := open()
	if err != nil {
		return false, err
	}
	return false, errors.Join(a.file.Blob(ctx, desc.Digest, rc), rc.Close())
}

// PutManifest writes a manifest.
func (a *Archive) PutManifest(ctx context.Context, desc ocispec.Descriptor, data []byte) error {
	return a.file.Blob(ctx, desc.Digest, bytes.NewReader(data))
}

// Flush does nothing: Commit makes all of the tar durable.
func (a *Archive) Flush(context.Context) error { return nil }

// Commit writes what comes from the old tar, and gives the new one its name.
func (a *Archive) Commit(ctx context.Context, c Commit) error {
	if a.file == nil {
		return nil
	}
	for _, desc := range a.kept {
		if err := a.file.Copy(ctx, a.reader, desc); err != nil {
			return err
		}
	}
	if err := a.inPlace(); err != nil {
		return err
	}
	return a.file.Commit(ctx, a.index)
}

// inPlace makes sure that the file is still the one that was read.
func (a *Archive) inPlace() error {
	if a.was == nil {
		return nil
	}
	is, err := a.root.Stat(filepath.Base(a.path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(a.was, is) || is.Size() != a.was.Size() || !is.ModTime().Equal(a.was.ModTime()) {
		return fmt.Errorf("%s was changed while the copy went on; it was left as it is. Run the command again", a.path)
	}
	return nil
}

// Close drops what was not committed.
func (a *Archive) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Abort()
}
