package encode

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/testdata/reflinks"
)

// TestImportClones: where files can share blocks, a file that is used as it is
// is read once, not written at all, and comes out as if it had been copied.
func TestImportClones(t *testing.T) {
	dir := reflinks.Mount(t)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, files := folder(t, map[string]string{"a": noise(1, 2<<20)})
	for name, l := range map[string]*spec.Layer{
		"gzip":  {Archive: "a", Compression: imagespec.Compression{Algorithm: imagespec.Gzip}},
		"zstd":  {Archive: "a", Compression: imagespec.Compression{Algorithm: imagespec.Zstd}},
		"plain": {Archive: "a", Compression: imagespec.Compression{Algorithm: imagespec.Uncompressed}},
		"blob":  {Blob: "a", Compression: imagespec.Compression{Algorithm: imagespec.Gzip}},
	} {
		t.Run(name, func(t *testing.T) {
			content, _ := build(t, files, copyOf(l.Compression), Options{})
			put(t, filepath.Join(dir, "a"), string(content))
			seen := observe(t, root, l, source.Options{Hash: true}).File
			want, err := importAll(t.Context(), io.Discard, root, seen, l, Options{Compression: l.Compression})
			if err != nil {
				t.Fatal(err)
			}
			store, err := layout.Open(filepath.Join(dir, name), layout.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			in, err := store.Ingest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			read, written := reflinks.Transferred(t)
			got, err := importAll(t.Context(), in, root, seen, l, Options{Compression: l.Compression})
			if err != nil {
				t.Fatal(err)
			}
			size := int64(len(content))
			dgst, _, created, err := in.Commit(t.Context())
			if err != nil || !created {
				t.Fatal(created, err)
			}
			nowRead, nowWritten := reflinks.Transferred(t)
			if r, w := nowRead-read, nowWritten-written; r < size || r > size+64<<10 || w > 64<<10 {
				t.Errorf("%d bytes were read and %d written for a file of %d", r, w, size)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("cloned and not copied, the result differs: %s", diff)
			}
			put(t, filepath.Join(dir, "a"), "the file is its owner's")
			blob, err := store.ReadBlob(t.Context(), ocispec.Descriptor{Digest: dgst, Size: size}, size)
			if err != nil || string(blob) != string(content) {
				t.Errorf("the blob is another one: %v", err)
			}
		})
	}
}

// TestImportTornClone: a file that changes around the time of its clone is
// refused, cloned or copied.
func TestImportTornClone(t *testing.T) {
	for name, where := range map[string]func(*testing.T) string{"cloned": reflinks.Mount, "maybe copied": func(t *testing.T) string { return t.TempDir() }} {
		t.Run(name, func(t *testing.T) {
			dir := where(t)
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			l := &spec.Layer{Blob: "a"}
			for _, hash := range []bool{false, true} {
				for _, torn := range []string{noise(2, 1<<20), "short", noise(1, 2<<20)} {
					put(t, filepath.Join(dir, "a"), noise(1, 1<<20))
					if err := os.Chtimes(filepath.Join(dir, "a"), time.Time{}, time.Unix(1e9, 0)); err != nil {
						t.Fatal(err)
					}
					seen := observe(t, root, l, source.Options{Hash: hash}).File
					in := ingestInto(t, filepath.Join(dir, "layout"), atClone(func() error {
						put(t, filepath.Join(dir, "a"), torn)
						return nil
					}))
					var changed *source.ChangedError
					if _, err := Import(t.Context(), in, root, seen, l, Options{}); !errors.As(err, &changed) {
						t.Errorf("changed to %d bytes: the error is %v", len(torn), err)
					}
				}
			}
		})
	}
}
