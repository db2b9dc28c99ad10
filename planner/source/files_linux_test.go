package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layform/layform/planner/source"
)

// TestRead: files are read as they are, and nothing else is: no link is
// followed, not even on the way, and a FIFO does not block.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "in/a/b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "in/a/b/f"), []byte("0123456789"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("0123456789"), 0o644))
	must(t, os.Symlink("f", filepath.Join(dir, "in/a/b/link")))
	must(t, os.Symlink("a", filepath.Join(dir, "in/dirlink")))
	must(t, os.Symlink("..", filepath.Join(dir, "in/out")))
	must(t, unix.Mkfifo(filepath.Join(dir, "in/a/b/fifo"), 0o644))
	root, err := os.OpenRoot(filepath.Join(dir, "in"))
	must(t, err)
	defer root.Close()
	files := source.NewFiles(root)
	defer files.Close()
	buf := make([]byte, 4)
	info, steady, err := files.Read("a/b/f", buf, 3, 10)
	if err != nil || string(buf) != "3456" || info.Size() != 10 || !steady {
		t.Errorf("read %q, %v, %v, %v", buf, info, steady, err)
	}
	if _, _, err := files.Read("a/b/f", nil, 0, 10); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"a/b/link", "a/b/fifo", "a/b", "out/secret", "../secret", "missing", "missing/f"} {
		if _, _, err := files.Read(name, buf, 0, 10); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	var changed *source.ChangedError
	if _, _, err := files.Read("a/b/f", buf, 0, 11); !errors.As(err, &changed) {
		t.Errorf("another size: %v", err)
	}
}
