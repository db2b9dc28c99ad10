// Package layouttest helps tests with layouts: it opens and fills them, and gives
// their fault seam: an error, or a kill, in the place of any single operation on files,
// with the names that a function in layout.Options.Fault needs.
package layouttest

import (
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
)

// Step is one file system operation that a layout.Store is about to do.
type Step = disk.Step

// TornWrite is an error for a fault to return from an OpWrite: half of the bytes are
// written before the write fails.
type TornWrite = disk.TornWrite

// The operations of which tests in other packages than layout's own make faults.
const (
	OpOpen   = disk.OpOpen
	OpWrite  = disk.OpWrite
	OpClone  = disk.OpClone
	OpSync   = disk.OpSync
	OpRename = disk.OpRename
)

// Open opens the layout in a directory until the test ends, without syncing files.
func Open(t testing.TB, dir string) *layout.Store {
	t.Helper()
	store, err := layout.Open(dir, layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// Put puts a blob into a layout: bytes as they are, anything else as JSON.
func Put(t testing.TB, s *layout.Store, mediaType string, v any) ocispec.Descriptor {
	t.Helper()
	data, ok := v.([]byte)
	if !ok {
		var err error
		if data, err = jsondoc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	desc, _, err := s.PutBytes(t.Context(), mediaType, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}
