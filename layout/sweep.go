package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
)

// Swept is the result of Sweep.
type Swept struct {
	// Blobs are the deleted blobs, in the order of the candidates.
	Blobs []digest.Digest
	// Bytes is the sum of their sizes.
	Bytes int64
	// Stopped is set when a writer that ignores the lock wrote index.json meanwhile, or
	// took a Hold: the remaining candidates were not looked at, for that writer may be
	// about to refer to them. Sweep them another time.
	Stopped bool
}

// Sweep deletes those of the candidates that nothing in index.json, keep and the
// live holds can reach, and that no Lease keeps, and nothing else; see Hold. When a document that could lead to a candidate cannot
// be read, nothing is deleted and the error says which; one that is missing
// leads nowhere, and one that is ErrOdd to all that it could mean. The caller holds
// the lock. Others may ignore it: index.json is
// looked at once more right before each deletion, and when it changed Sweep stops.
// A symbolic link in the place of a candidate is deleted and not followed.
// When an error comes while blobs are being deleted, Swept tells which are gone.
func (s *Store) Sweep(ctx context.Context, candidates []digest.Digest, keep []ocispec.Descriptor) (Swept, error) {
	var swept Swept
	if len(candidates) == 0 {
		return swept, nil
	}
	d, err := s.disk()
	if err != nil {
		return swept, ignoreMissing(err)
	}
	index := &watch{s: s, d: d}
	live, err := index.mark(ctx, keep)
	if err != nil {
		return swept, fmt.Errorf("nothing was deleted, for not all that is in use can be told: %w", err)
	}
	for _, dgst := range candidates {
		if live[dgst] {
			continue
		}
		live[dgst] = true // a candidate that is listed twice is deleted once
		if swept.Stopped, err = index.moved(); err != nil || swept.Stopped {
			return swept, err
		}
		leased, err := leasedAt(d, dgst, time.Now())
		if err != nil {
			return swept, err
		}
		if leased {
			continue
		}
		size, ok, err := removeBlob(d, dgst)
		if err != nil {
			return swept, err
		}
		if ok {
			swept.Blobs = append(swept.Blobs, dgst)
			swept.Bytes += size
		}
	}
	return swept, nil
}

// watch notices when index.json is no longer what marks were made from.
type watch struct {
	s *Store
	d *disk.Dir
	// raw are the bytes of index.json, nil where there is none, and info is its stat
	// from before they were read.
	raw  []byte
	info fs.FileInfo
	// held is the content that live holds protect.
	held holds
}

// mark lists all that index.json and keep reach.
func (w *watch) mark(ctx context.Context, keep []ocispec.Descriptor) (map[digest.Digest]bool, error) {
	var err error
	if w.info, err = w.d.Lstat(indexFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if w.raw, err = w.s.readIndex(); err != nil {
		return nil, err
	}
	x, err := w.s.parseIndex(w.raw)
	if err != nil {
		return nil, err
	}
	roots, err := w.s.Entries(x)
	if err != nil {
		return nil, err
	}
	if w.held, err = w.s.holds(ctx, w.d, false); err != nil {
		return nil, err
	}
	live := map[digest.Digest]bool{}
	for desc, err := range w.s.Reachable(ctx, slices.Concat(roots, keep, w.held.roots)) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrOdd) {
			return nil, err
		}
		live[desc.Digest] = true
	}
	return live, nil
}

// moved reports whether index.json changed, or a hold was taken, since both were read.
// Within one tick of the file system's clock a write in place leaves the times as they
// were, so that the bytes of a young file are compared; those of an older one would
// only cost time.
func (w *watch) moved() (bool, error) {
	if fresh, err := w.held.fresh(w.d); fresh || err != nil {
		return fresh, err
	}
	now, err := w.d.Lstat(indexFile)
	if err := ignoreMissing(err); err != nil {
		return true, err
	}
	if sameStat(w.info, now, time.Now()) {
		return false, nil
	}
	if w.info == nil || now == nil {
		return true, nil
	}
	raw, err := w.s.readIndex()
	return !bytes.Equal(raw, w.raw), err
}

// removeBlob deletes the file of a blob, and gives its size. A link in its place goes,
// and nothing that it leads to; whatever else somebody put there stays, for it is no
// blob.
func removeBlob(d *disk.Dir, dgst digest.Digest) (int64, bool, error) {
	name, err := blobPath(dgst)
	if err != nil {
		return 0, false, err
	}
	if err := d.CheckParents(name); err != nil {
		return 0, false, ignoreMissing(err)
	}
	info, err := d.Root.Lstat(name)
	if err != nil {
		return 0, false, ignoreMissing(err)
	}
	isLink := info.Mode()&fs.ModeSymlink != 0
	if !isLink && !info.Mode().IsRegular() {
		return 0, false, nil
	}
	if err := d.Remove(name); err != nil {
		return 0, false, err
	}
	if isLink {
		return 0, true, nil
	}
	return info.Size(), true, nil
}
