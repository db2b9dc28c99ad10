package encode

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestImportIntoIngest: an ingest, which hashes what it is given and clones if it can,
// gets the blob that every other writer gets. A clone that fails ends the import.
func TestImportIntoIngest(t *testing.T) {
	_, root := folder(t, map[string]string{"d/a": text(1, 700<<10), "d/b": noise(2, 300<<10), "d/c": ""})
	for _, c := range append(benchCompressions(), imagespec.Compression{Algorithm: imagespec.Uncompressed}) {
		blob, _ := build(t, root, copyOf(c), Options{})
		_, at := folder(t, map[string]string{"layer": string(blob)})
		for _, l := range []*spec.Layer{{Archive: "layer", Compression: c}, {Blob: "layer"}} {
			seen := observe(t, at, l, source.Options{}).File
			var plain bytes.Buffer
			want, err := importAll(t.Context(), &plain, at, seen, l, Options{Compression: l.Compression})
			if err != nil {
				t.Fatal(err)
			}
			for name, fault := range map[string]error{"able": nil, "refusing": errors.ErrUnsupported, "broken": io.ErrNoProgress} {
				in := ingestInto(t, t.TempDir(), atClone(func() error { return fault }))
				got, err := importAll(t.Context(), in, at, seen, l, Options{Compression: l.Compression})
				if name == "broken" {
					if !errors.Is(err, fault) || in.Size() > 0 {
						t.Errorf("%s: a clone that fails: %v after %d bytes", c.Algorithm, err, in.Size())
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" || in.Size() != int64(plain.Len()) || in.Digest() != digest.FromBytes(blob) {
					t.Errorf("%s, %s: %d bytes; the result differs: %s", c.Algorithm, name, in.Size(), diff)
				}
			}
		}
	}
}

// atClone is a fault of a layout that calls do when a file is to be cloned, and fails
// with its error.
func atClone(do func() error) func(layouttest.Step) error {
	return func(step layouttest.Step) error {
		if step.Op != layouttest.OpClone {
			return nil
		}
		return do()
	}
}

// ingestInto begins a blob in a new layout in dir, with a fault that may be nil.
func ingestInto(t *testing.T, dir string, fault func(layouttest.Step) error) *layout.Ingest {
	t.Helper()
	store, err := layout.Open(dir, layout.Options{Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	in, err := store.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Abort(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return in
}
