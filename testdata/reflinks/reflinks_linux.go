// Package reflinks lets tests see that files share blocks instead of being copied.
package reflinks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Mount mounts a file system whose files can share blocks until the test ends,
// and gives its directory. Where that cannot be done the test is skipped.
func Mount(t *testing.T) string {
	t.Helper()
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 512<<20); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", `{ mkfs.btrfs -q "$0" || mkfs.xfs -q "$0"; } && mount -o loop "$0" "$1"`, image, dir).CombinedOutput()
	if err != nil {
		t.Skipf("no file system with reflinks can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Transferred is how many bytes the process has read and written so far. Blocks
// that files come to share are neither.
func Transferred(t *testing.T) (read, written int64) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err == nil {
		_, err = fmt.Sscanf(string(data), "rchar: %d\nwchar: %d\n", &read, &written)
	}
	if err != nil {
		t.Fatal(err)
	}
	return read, written
}
