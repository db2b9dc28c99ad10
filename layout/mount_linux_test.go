package layout_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/validate"
)

// tmpfs mounts a small file system, or skips the test where that is not allowed.
func tmpfs(t *testing.T, kib int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=755", kib))
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
	return dir
}

// fill leaves free KiB in the file system of dir, and gives the file that fills it.
func fill(t *testing.T, dir string, free int) string {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := io.Copy(f, zeros{})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the file system has no end: %d bytes, %v", n, err)
	}
	if err := f.Truncate(max(0, n-int64(free)<<10)); err != nil {
		t.Fatal(err)
	}
	return name
}

// A disk that is full at any of ten points gives an error that says so and a
// valid layout, and success once there is space.
func TestFullDisk(t *testing.T) {
	mount := tmpfs(t, 2048)
	seed := strings.Repeat("a long layer ", 3000) // in a layer and a config
	apply := func(t *testing.T, dir string) error {
		t.Helper()
		s, err := layout.Open(dir, layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return applyOnce(t.Context(), s, seed, digestsOf("old"))
	}
	var want map[string]string
	failed := 0
	for point := range 11 {
		dir := filepath.Join(mount, fmt.Sprint(point))
		s, err := layout.Open(dir, layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		putImage(t, s, "foreign", "foreign")
		if err := applyOnce(t.Context(), s, "old", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := indexDigest(t, dir)
		// The first has all the space that it needs, and tells how much that is.
		ballast := fill(t, mount, map[bool]int{true: 1024, false: 12 * (point - 1)}[point == 0])
		err = apply(t, dir)
		switch {
		case point == 0 && err != nil:
			t.Fatal(err)
		case err != nil:
			failed++
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left") {
				t.Errorf("point %d: got %v", point, err)
			}
			if is := indexDigest(t, dir); is != before {
				t.Errorf("point %d: the index is not that of before", point)
			}
		}
		if found := findings(t, inspect(t, dir), validate.Options{}); len(found) > 0 {
			t.Errorf("point %d: %+v", point, found)
		}
		remove(t, ballast)
		if err := apply(t, dir); err != nil {
			t.Errorf("point %d: with space again: %v", point, err)
		}
		got := snapshot(t, dir)
		if point == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("point %d: with space again: %s", point, diff)
		}
		remove(t, dir)
	}
	if failed < 8 {
		t.Errorf("only %d of 10 points were too full", failed)
	}
}

// A layout on a read-only file system is read as ever, and what would write says
// why it cannot, whoever it is.
func TestReadOnlyFileSystem(t *testing.T) {
	mount := tmpfs(t, 1024)
	dir := filepath.Join(mount, "layout")
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img := putImage(t, s, "a", "latest")
	junk := put(t, s, "x", []byte("junk"))
	writeFile(t, filepath.Join(dir, ".layform/ingest/left"), "x")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", mount, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("it cannot be made read-only: %v", err)
	}
	s = open(t, dir, layout.Options{})
	if got := resolve(t, s, "latest"); got.Digest != img.manifest.Digest {
		t.Errorf("got %s", got.Digest)
	}
	if found := findings(t, s, validate.Options{}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	dry, err := s.GC(t.Context(), layout.GCOptions{MinAge: -1, DryRun: true})
	if err != nil || len(dry.Blobs) != 1 || dry.Blobs[0].Digest != junk.Digest {
		t.Errorf("%+v, %v", dry, err)
	}
	lines, err := repair.Layout(t.Context(), s, repair.Options{DryRun: true})
	if err != nil || len(lines) != 1 || lines[0].Object != ".layform/ingest/left" {
		t.Errorf("%+v, %v", lines, err)
	}
	_, lockErr := s.Lock(t.Context(), layout.Holder{Operation: "apply"}, 0)
	_, _, putErr := s.PutBytes(t.Context(), "x", []byte("new"), nil)
	_, gcErr := s.GC(t.Context(), layout.GCOptions{MinAge: -1})
	_, repairErr := repairLocked(t, s, repair.Options{})
	for name, err := range map[string]error{
		"lock": lockErr, "blob": putErr, "gc": gcErr, "repair": repairErr, "tag": s.Tag(t.Context(), img.manifest, "new"),
		"stage": s.SaveState("stage/x.json", nil), "init": func() error {
			_, _, err := open(t, filepath.Join(mount, "other"), layout.Options{}).PutBytes(t.Context(), "x", nil, nil)
			return err
		}(),
	} {
		if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "cannot be written to") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
