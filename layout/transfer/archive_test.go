package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/transfer"
)

// tarLayout is a layout in a tar, open for reading.
func tarLayout(t *testing.T, file string) (*layout.Reader, fs.FileInfo) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), f, info.Size(), archive.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	r, err := layout.NewReader(a, file, layout.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r, info
}

// into copies roots into a tar, over what is there.
func into(t *testing.T, src transfer.Source, file string, roots []transfer.Root, before func()) error {
	t.Helper()
	old, was := layout.Empty(file), fs.FileInfo(nil)
	if _, err := os.Stat(file); err == nil {
		old, was = tarLayout(t, file)
	}
	dst := transfer.NewArchive(old, was, file)
	p, err := transfer.Diff(t.Context(), src, dst, roots, transfer.Options{Referrers: true, Local: old})
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := dst.Begin(t.Context(), p, root, archive.WriteOptions{}); err != nil {
		return err
	}
	if before != nil {
		before()
	}
	_, err = transfer.Execute(t.Context(), src, dst, p, transfer.ExecuteOptions{})
	return errors.Join(err, dst.Close())
}

// alone fails the test unless file is all that is in its folder.
func alone(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside %s there is %v: %v", file, entries, err)
	}
}

// A tar is the same, whether it comes from a directory or from a registry, whose blobs
// arrive in any order.
func TestIntoArchive(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(t.TempDir(), "one.tar"), filepath.Join(t.TempDir(), "two.tar")
	if err := into(t, transfer.NewDirectory(s.store), one, s.roots("v1"), nil); err != nil {
		t.Fatal(err)
	}
	if err := into(t, transfer.NewRepository(repository(t, reg, "app")), two, s.roots("v1"), nil); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(two); err != nil || !bytes.Equal(a, b) {
		t.Errorf("the tars differ: %v", err)
	}
	alone(t, one)
	// Out of the tar again.
	r, _ := tarLayout(t, two)
	dir := filepath.Join(t.TempDir(), "back")
	if _, _, err := run(t.Context(), transfer.NewLayout(r, two), transfer.NewDirectory(layouttest.Open(t, dir)), s.roots("v1"), transfer.Options{Referrers: true}); err != nil {
		t.Fatal(err)
	}
	whole(t, dir)
	sameBlobs(t, s.dir, dir)
}

// An archive that somebody else writes meanwhile stays theirs.
func TestArchiveChangesMeanwhile(t *testing.T) {
	s := newSample(t)
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := into(t, transfer.NewDirectory(s.store), file, s.roots("v1"), nil); err != nil {
		t.Fatal(err)
	}
	err := into(t, transfer.NewDirectory(s.store), file, s.roots("v2"), func() {
		if err := os.WriteFile(file+".new", []byte("theirs"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "was changed while the copy went on") {
		t.Errorf("the error is %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "theirs" {
		t.Errorf("the file holds %q, %v", data, err)
	}
	alone(t, file)
}

// A layer that may not be given away and is not at the source leaves no gap.
func TestArchiveWithoutForeignLayer(t *testing.T) {
	s := newSample(t)
	foreign := ocispec.Descriptor{
		MediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Size: 100_000,
		Digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", URLs: []string{"https://example.com/layer"},
	}
	image := putImage(t, s.store, "amd64", foreign, s.layer)
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := into(t, transfer.NewDirectory(s.store), file, rootsOf(image, "windows"), nil); err != nil {
		t.Fatal(err)
	}
	r, info := tarLayout(t, file)
	if _, err := r.Document(t.Context(), image); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadBlob(t.Context(), s.layer, 0); err != nil {
		t.Error(err)
	}
	if info.Size() >= foreign.Size+60_000 {
		t.Errorf("the tar has %d bytes", info.Size())
	}
	alone(t, file)
	// The tar is what an export of the same would be.
	sum, err := archive.SumOf(t.Context(), r, archive.WriteOptions{})
	if err != nil || sum.Size != info.Size() {
		t.Errorf("an export has %d bytes, and the tar %d: %v", sum.Size, info.Size(), err)
	}
	if err := into(t, transfer.NewLayout(r, file), filepath.Join(t.TempDir(), "y.tar"), rootsOf(image, "windows"), nil); err != nil {
		t.Error(err)
	}
}

// A registry that gives wrong bytes leaves the tar as it was.
func TestArchiveOfBadBytes(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := into(t, transfer.NewDirectory(s.store), file, rootsOf(s.arm64, "v1"), nil); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []registrytest.Fault{
		{Method: "GET", Path: s.layer.Digest.Encoded(), Wrong: true},
		{Method: "GET", Path: s.layer.Digest.Encoded(), Status: 404},
	} {
		reg.Fault(fault)
		if err := into(t, transfer.NewRepository(repository(t, reg, "app")), file, s.roots("v1"), nil); err == nil {
			t.Errorf("%+v: no error", fault)
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
			t.Errorf("the tar is another one: %v", err)
		}
		alone(t, file)
	}
}

// A pull into a tar that fails at any request leaves the tar as it was and nothing beside
// it, and the next one makes the same tar as one that met no fault.
func TestFaultsOfArchive(t *testing.T) {
	s := newSample(t)
	first := filepath.Join(t.TempDir(), "first.tar")
	if err := into(t, transfer.NewDirectory(s.store), first, rootsOf(s.arm64, "old"), nil); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := into(t, transfer.NewDirectory(s.store), first, s.roots("v1"), nil); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	for name, fault := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "x.tar")
			attempt := func() ([]byte, error) {
				if err := os.WriteFile(file, old, 0o644); err != nil {
					t.Fatal(err)
				}
				err := into(t, transfer.NewRepository(repository(t, reg, "app")), file, s.roots("v1"), nil)
				alone(t, file)
				data, readErr := os.ReadFile(file)
				if readErr != nil {
					t.Fatal(readErr)
				}
				return data, err
			}
			reg.Forget()
			if data, err := attempt(); err != nil || !bytes.Equal(data, want) {
				t.Fatalf("without a fault the tar is another one: %v", err)
			}
			for at, total := 0, reg.Count("", ""); at < total; at += step() {
				for _, fault.Times = range []int{1, 0} {
					fault.After = at
					reg.Fault(fault)
					data, err := attempt()
					reg.NoFaults()
					place := fmt.Sprintf("at request %d, %d times: %v", at, fault.Times, err)
					switch {
					case err != nil && !bytes.Equal(data, old):
						t.Errorf("%s: the tar is not the old one", place)
					case err == nil && !bytes.Equal(data, want) && !fault.Wrong:
						// Nothing vouches for a list of referrers: a wrong byte may lose one.
						t.Errorf("%s: the tar is another one", place)
					}
				}
			}
			if data, err := attempt(); err != nil || !bytes.Equal(data, want) {
				t.Errorf("after all the tar is another one: %v", err)
			}
		})
	}
}
