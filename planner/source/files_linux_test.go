package source_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
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
	info, err := files.Read("a/b/f", buf, 3, 10, nil)
	if err != nil || string(buf) != "3456" || info.Size() != 10 {
		t.Errorf("read %q, %v, %v", buf, info, err)
	}
	if _, err := files.Read("a/b/f", nil, 0, 10, nil); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"a/b/link", "a/b/fifo", "a/b", "out/secret", "../secret", "missing", "missing/f"} {
		for _, known := range []func(fs.FileInfo) bool{nil, func(fs.FileInfo) bool { return true }} {
			if _, err := files.Read(name, buf, 0, 10, known); err == nil {
				t.Errorf("%s was read", name)
			}
		}
	}
	var changed *source.ChangedError
	for _, known := range []bool{true, false} {
		asked := 0
		answer := func(fs.FileInfo) bool { asked++; return known }
		if _, err := files.Read("a/b/f", buf, 0, 11, answer); !errors.As(err, &changed) {
			t.Errorf("another size: %v", err)
		}
		info, err := files.Read("a/b/f", buf, 6, 10, answer)
		if err != nil || string(buf) != "6789" || info.Size() != 10 || asked != 1 {
			t.Errorf("known %v: read %q, %v, %v, asked %d times", known, buf, info, err, asked)
		}
	}
}

// TestDamagedNames: names that a cache gives and no directory can hold lead
// nowhere, least of all out of the tree.
func TestDamagedNames(t *testing.T) {
	for _, names := range []string{"\x04../", "\x04./", "\x08../", "\x04/", "\x04a"} {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, "in"), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o644))
		root, err := os.OpenRoot(filepath.Join(dir, "in"))
		must(t, err)
		defer root.Close()
		store, err := layout.Open(filepath.Join(dir, "out"), layout.Options{NoSync: true})
		must(t, err)
		defer store.Close()
		time.Sleep(80 * time.Millisecond) // for the cache to believe what it sees
		cache := stage.OpenCache(store)
		var sys unix.Statfs_t
		must(t, unix.Statfs(dir, &sys))
		if sys.Type != unix.EXT4_SUPER_MAGIC && sys.Type != unix.TMPFS_MAGIC && sys.Type != unix.XFS_SUPER_MAGIC {
			t.Skip("names are not remembered on this file system")
		}
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(dir, "in"), &st))
		cache.Folder("").SetNames(stage.Stat{
			Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Inode: st.Ino, Device: uint64(st.Dev),
		}, names)
		l := &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpCopy, From: ".", To: "x", Exclude: []string{"../in", "../out"}}}}
		o, diags := source.Observe(t.Context(), root, l, source.Options{Hash: true, Digests: cache})
		if !strings.Contains(diags.Error(), "damaged") {
			t.Errorf("%q: the walk went on: %v, %+v", names, diags, o)
		}
	}
}
