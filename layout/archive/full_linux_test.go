package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/layouttest"
)

// On a disk that is full, an export says so, and leaves the old file and nothing else.
func TestExportToFullDisk(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=755", 1024))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENODEV) {
		t.Skipf("a tmpfs cannot be mounted here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := newSample(t)
	r := root(t, dir)
	want, err := archive.Export(t.Context(), s.store.Reader, r, "x.tar", archive.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	big := layouttest.Put(t, s.store, "application/octet-stream", bytes.Repeat([]byte("0123456789abcdef"), 1<<17))
	empty := layouttest.Put(t, s.store, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	s.tag(t, layouttest.Put(t, s.store, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "example/big", Config: empty, Layers: []ocispec.Descriptor{big},
	}), "big")
	if _, err := archive.Export(t.Context(), s.store.Reader, r, "x.tar", archive.WriteOptions{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the error is %v", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "x.tar"))
	if err != nil || digest.FromBytes(data) != want.Digest {
		t.Errorf("the old file is another one: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v is left: %v", entries, err)
	}
}
