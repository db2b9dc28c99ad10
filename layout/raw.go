package layout

import (
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
)

// Raw is a layout as mere files, for package repair, which mends what a Store refuses
// to read. Whoever writes through it holds the lock.
type Raw struct {
	// Files is the directory of the layout.
	Files *disk.Dir
	// Limits bound what is read.
	Limits Limits

	s *Store
}

// Raw gives the files of the layout. The error is a *NotLayoutError when the directory
// does not even resemble a layout.
func (s *Store) Raw() (*Raw, error) {
	d, err := s.disk()
	if err != nil {
		return nil, err
	}
	if err := s.resembles(d); err != nil {
		return nil, err
	}
	return &Raw{Files: d, Limits: s.limits, s: s}, nil
}

// Leftovers lists the temporary files of dead writers: those that were removed when
// the lock was taken or, where nobody took it, those that taking it would remove.
func (r *Raw) Leftovers(lookOnly bool) ([]string, error) {
	if lookOnly {
		return r.Files.SweepTemps(IngestDir, true)
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.swept, nil
}

// ReadIndex reads the bytes of index.json; nil when there is none.
func (r *Raw) ReadIndex() ([]byte, error) { return r.s.readIndex() }

// ParseIndex parses the bytes of index.json; nil stands for an index without entries.
func (r *Raw) ParseIndex(raw []byte) (*Index, error) { return r.s.parseIndex(raw) }

// WriteIndex replaces index.json, atomically and durably.
func (r *Raw) WriteIndex(x *Index) error { return r.s.replace(r.Files, indexFile, x.Encode()) }

// WriteMarker replaces oci-layout, the file that makes a directory a layout,
// atomically and durably.
func (r *Raw) WriteMarker() error { return r.s.replace(r.Files, layoutFile, layoutDocument) }

// Explain says in which layout an error of Files was met, and what to do about it.
func (r *Raw) Explain(err error) error { return r.s.explainNotPlain(r.s.unwritable(err)) }

// resembles tells a damaged layout from a directory that is none: it has two of
// the three things that a layout is made of, or nothing but what a first run of
// ours leaves.
func (s *Store) resembles(d *disk.Dir) error {
	entries, err := d.List(".")
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, e := range entries {
		has[e.Name()] = true
	}
	parts, foreign := 0, false
	for name := range has {
		switch name {
		case layoutFile, indexFile, blobsDir:
			parts++
		case PrivateDir:
		default:
			foreign = true
		}
	}
	if parts < 2 && (foreign || !has[PrivateDir]) {
		return s.notLayout("it has not even two of oci-layout, index.json and blobs", nil)
	}
	if !has[layoutFile] {
		return nil
	}
	var doc ocispec.ImageLayout
	data, err := d.Read(layoutFile, s.limits.Manifest)
	if err == nil && jsondoc.Decode(data, s.limits.Document(), &doc) == nil && doc.Version != "" && doc.Version != ocispec.ImageLayoutVersion {
		return s.notLayout(fmt.Sprintf("its version is %q, and only %s is known", doc.Version, ocispec.ImageLayoutVersion), nil)
	}
	return nil
}
