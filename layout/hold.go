package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
)

// holdsDir has one file for each hold, locked by its holder while it lasts.
const holdsDir = PrivateDir + "/holds"

// Hold keeps Sweep and GC, of any process, from deleting what roots lead to, until
// release is called or the process ends. Readers that take long need it: an apply
// may meanwhile take away what they read. It does not wait, and needs no lock; a
// blob that a sweep was about to delete at that moment may be gone. The error is
// fs.ErrPermission, or that of a read-only file system, where the layout cannot be
// written to. release may be called more than once.
func (s *Store) Hold(ctx context.Context, roots []ocispec.Descriptor) (release func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	held := make([]ocispec.Descriptor, 0, len(roots))
	for _, desc := range roots {
		held = append(held, ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size})
	}
	data, err := jsondoc.Encode(held)
	if err != nil {
		return nil, err
	}
	d, err := s.create()
	if err != nil {
		return nil, err
	}
	if _, err := d.Mkdir(holdsDir); err != nil {
		return nil, s.unwritable(err)
	}
	t, err := d.WriteTemp(holdsDir, "hold", data)
	if err != nil {
		return nil, s.unwritable(err)
	}
	// Others who sweep have to read it.
	if err := t.Complete(fileMode); err != nil {
		return nil, errors.Join(s.unwritable(err), t.Abort())
	}
	return t.Abort, nil
}

// holds is the content that the live holds of a layout protect.
type holds struct {
	names map[string]bool
	roots []ocispec.Descriptor
}

// holds reads the holds. Those of dead holders are removed, unless look is set.
func (s *Store) holds(ctx context.Context, d *disk.Dir, look bool) (holds, error) {
	h := holds{names: map[string]bool{}}
	entries, err := d.List(holdsDir)
	if err != nil {
		return h, ignoreMissing(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		name := path.Join(holdsDir, e.Name())
		dead, err := d.SweepTemp(name, look)
		if err != nil {
			return h, fmt.Errorf("%s/%s: %w", s.dir, name, err)
		}
		if dead {
			continue
		}
		roots, err := s.readHold(ctx, d, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was released
		}
		if err != nil {
			return h, err
		}
		h.names[e.Name()] = true
		h.roots = append(h.roots, roots...)
	}
	return h, nil
}

// readHold reads one hold. One that is being written is read again.
func (s *Store) readHold(ctx context.Context, d *disk.Dir, name string) ([]ocispec.Descriptor, error) {
	for try := 1; ; try++ {
		data, err := d.Read(name, s.limits.Index)
		if err == nil {
			var roots []ocispec.Descriptor
			if err = jsondoc.Decode(data, s.limits.IndexJSON(), &roots); err == nil {
				return roots, nil
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if try == 100 {
			return nil, fmt.Errorf("%s/%s, which says what a push or copy is reading, cannot be read; let it end, or remove the file: %w", s.dir, name, err)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// fresh reports whether a hold was taken since h was read.
func (h holds) fresh(d *disk.Dir) (bool, error) {
	entries, err := d.List(holdsDir)
	if err != nil {
		return false, ignoreMissing(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !h.names[e.Name()] {
			return true, nil
		}
	}
	return false, nil
}
