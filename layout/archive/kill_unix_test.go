//go:build unix

package archive_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/layouttest"
)

// The environment of the process that is killed: the layout, the folder of the tar, and
// the operation at which it dies.
const (
	killedLayout = "LAYFORM_TEST_KILLED_LAYOUT"
	killedFolder = "LAYFORM_TEST_KILLED_FOLDER"
	killedAt     = "LAYFORM_TEST_KILLED_AT"
)

// TestKilledExport: a writer of a tar that is killed at any operation, also in the middle
// of a write, leaves the tar that was there before or the new one, whole; the next one
// writes the new one and leaves nothing beside it.
func TestKilledExport(t *testing.T) {
	if dir := os.Getenv(killedLayout); dir != "" {
		killedExport(t, dir)
		return
	}
	s := newSample(t)
	_, want := export(t, s.store.Reader, archive.WriteOptions{})
	dir := t.TempDir()
	file := filepath.Join(dir, "x.tar")
	old := []byte("the tar before")
	isOld, isNew := 0, 0
	for n := 1; ; n++ {
		if err := os.WriteFile(file, old, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledExport$")
		cmd.Env = append(os.Environ(), killedLayout+"="+s.dir, killedFolder+"="+dir, killedAt+"="+strconv.Itoa(n))
		out, err := cmd.CombinedOutput()
		if err == nil {
			break // it has no such operation
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("operation %d: %v\n%s", n, err, out)
		}
		got, err := os.ReadFile(file)
		switch {
		case err == nil && bytes.Equal(got, old):
			isOld++
		case err == nil && bytes.Equal(got, want):
			isNew++
		default:
			t.Fatalf("killed at operation %d: the tar is neither the old one nor the new one: %d bytes, %v", n, len(got), err)
		}
		if _, err := archive.Export(t.Context(), s.store.Reader, root(t, dir), "x.tar", archive.WriteOptions{}); err != nil {
			t.Fatalf("after a kill at operation %d: %v", n, err)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("after a kill at operation %d: the tar is not the new one: %v", n, err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
			t.Fatalf("after a kill at operation %d: %q is left, %v", n, left, err)
		}
	}
	if isOld < 10 || isNew < 1 {
		t.Errorf("the tar was the old one %d times, and the new one %d times", isOld, isNew)
	}
}

// killedExport is the process that is killed.
func killedExport(t *testing.T, dir string) {
	at, err := strconv.Atoi(os.Getenv(killedAt))
	if err != nil {
		t.Fatal(err)
	}
	store, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	n := 0
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	opts := archive.WriteOptions{Fault: func(step layouttest.Step) error {
		if n++; n < at {
			return nil
		}
		if step.Op == layouttest.OpWrite && at%2 == 0 {
			return &layouttest.TornWrite{Err: errors.New("killed"), Then: die}
		}
		die()
		return nil
	}}
	if _, err := archive.Export(t.Context(), store.Reader, root(t, os.Getenv(killedFolder)), "x.tar", opts); err != nil {
		t.Fatal(err)
	}
}
