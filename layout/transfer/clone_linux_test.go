package transfer_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/transfer"
	"github.com/layform/layform/testdata/reflinks"
)

// Between directories of a file system that can, blobs share their blocks: a copy writes
// next to nothing. Elsewhere it copies.
func TestCopyClones(t *testing.T) {
	mount := reflinks.Mount(t)
	content := bytes.Repeat([]byte("some bytes of a layer\n"), 400_000)
	src := layouttest.Open(t, filepath.Join(mount, "src"))
	image := putImage(t, src, "amd64", layouttest.Put(t, src, ocispec.MediaTypeImageLayer, content))
	if err := src.Tag(t.Context(), image, "v1"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dir   string
		limit int64
	}{{filepath.Join(mount, "dst"), 64 << 10}, {filepath.Join(t.TempDir(), "dst"), int64(len(content)) + 64<<10}} {
		dst := transfer.NewDirectory(layouttest.Open(t, test.dir))
		dst.From(src.Reader)
		_, start := reflinks.Transferred(t)
		if _, _, err := run(t.Context(), transfer.NewDirectory(src), dst, rootsOf(image, "v1"), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		_, end := reflinks.Transferred(t)
		if end-start > test.limit || end-start < test.limit-64<<10 {
			t.Errorf("%s: %d bytes were written", test.dir, end-start)
		}
		whole(t, test.dir)
		sameBlobs(t, src.Dir(), test.dir)
	}
	// A blob that is torn at the source is not taken, and nothing is left of it.
	blob := filepath.Join(src.Dir(), "blobs/sha256", image.Digest.Encoded())
	data, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := filepath.Glob(filepath.Join(src.Dir(), "blobs/sha256/*"))
	if err != nil || len(data) == 0 {
		t.Fatal(err)
	}
	for _, name := range layers {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != int64(len(content)) {
			continue
		}
		content[5] ^= 1
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(mount, "torn")
	dst := transfer.NewDirectory(layouttest.Open(t, dir))
	dst.From(src.Reader)
	if _, _, err := run(t.Context(), transfer.NewDirectory(src), dst, rootsOf(image, "v1"), transfer.Options{}); err == nil {
		t.Error("a torn blob was copied")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".layform/ingest/*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%q is left: %v", left, err)
	}
}
