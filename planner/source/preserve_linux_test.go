package source

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

func preserved(to string) spec.FileOp {
	return spec.FileOp{Kind: spec.OpCopy, From: "t", To: to, Metadata: spec.Preserve}
}

func TestPreserve(t *testing.T) {
	dir, root := folder(t, map[string]string{"t/b/file": "x", "t/link": "->b/file", "t/c/": ""})
	tree := filepath.Join(dir, "t")
	must(t, os.Link(filepath.Join(tree, "b/file"), filepath.Join(tree, "a")))
	must(t, os.Link(filepath.Join(tree, "b/file"), filepath.Join(tree, "z")))
	must(t, os.Link(filepath.Join(tree, "b/file"), filepath.Join(dir, "outside")))
	must(t, unix.Mkfifo(filepath.Join(tree, "fifo"), 0o600))
	must(t, unix.Chmod(filepath.Join(tree, "a"), 0o4711))
	must(t, unix.Chmod(filepath.Join(tree, "c"), 0o1777))
	must(t, os.Chtimes(filepath.Join(tree, "a"), time.Time{}, time.Unix(1234567890, 999999999)))
	for _, name := range []string{"fifo", "c", "b", "."} {
		must(t, os.Chtimes(filepath.Join(tree, name), time.Time{}, time.Unix(5, 0)))
	}
	checkKnown(t, root, at(preserved("")), false)
	entries := observeTree(t, root, at(preserved("")), Options{Hash: true})
	uid, gid := os.Getuid(), os.Getgid()
	for i := range entries {
		e := &entries[i]
		if e.UID != uid || e.GID != gid {
			t.Errorf("%s belongs to %d:%d", e.Path, e.UID, e.GID)
		}
		e.UID, e.GID = 0, 0
		if e.Type == layer.Symlink {
			e.Mtime = 0
		}
	}
	want := []string{
		". directory 755 @5", "a file 4711 @1234567890", "b directory 755 @5", "b/file hardlink 4711 @1234567890 -> a", "c directory 1777 @5",
		"fifo fifo 600 @5", "link symlink 777 -> b/file", "z hardlink 4711 @1234567890 -> a",
	}
	if diff := cmp.Diff(want, lines(entries)); diff != "" {
		t.Error(diff)
	}
	explicit := preserved("srv")
	explicit.UID, explicit.Mode, explicit.Mtime = ptr(42), ptr(uint32(0o640)), ptr(time.Unix(7, 0))
	for _, e := range observeTree(t, root, at(explicit), Options{}) {
		if e.UID != 42 || e.Mtime != 7 || e.Type == layer.Regular && e.Mode != 0o640 {
			t.Errorf("explicit attributes do not win: %v", lines([]Entry{e}))
		}
	}
	alone := preserved("")
	alone.Include = []string{"z", "link"}
	if diff := cmp.Diff([]string{".", "link", "z"}, paths(observeTree(t, root, at(alone), Options{}))); diff != "" {
		t.Errorf("a part of a group of hard links: %s", diff)
	}
}

func TestPreserveXattrs(t *testing.T) {
	dir, root := folder(t, map[string]string{"t/f": "x", "t/d/": ""})
	set := func(name, key, value string) {
		err := unix.Setxattr(filepath.Join(dir, name), key, []byte(value), 0)
		if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
			t.Skipf("the file system has no xattrs: %v", err)
		}
		must(t, err)
	}
	set("t/f", "user.note", "a\x00b")
	set("t/f", "user.empty", "")
	set("t/d", "user.dir", "1")
	set("t/f", "user.overlay.origin", "host")
	got := map[string]map[string]string{}
	for _, e := range observeTree(t, root, at(preserved("")), Options{}) {
		if e.Xattrs != nil {
			got[e.Path] = e.Xattrs
		}
	}
	want := map[string]map[string]string{"f": {"user.note": "a\x00b", "user.empty": ""}, "d": {"user.dir": "1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	normal := preserved("")
	normal.Metadata = spec.Normalize
	normal.Xattrs = map[string]string{"user.x": "y"}
	for _, e := range observeTree(t, root, at(normal), Options{}) {
		if e.Type == layer.Regular && !cmp.Equal(e.Xattrs, map[string]string{"user.x": "y"}) || e.Type == layer.Directory && e.Xattrs != nil {
			t.Errorf("%s has xattrs %q", e.Path, e.Xattrs)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	value, err := encodeCapabilities("net_bind_service=+ep")
	must(t, err)
	set("t/f", "trusted.note", "root alone sees it")
	for _, stored := range []string{value, "\x01\x00\x00\x03" + value[4:] + "\xa0\x86\x01\x00"} {
		set("t/f", walk.CapabilityXattr, stored)
		for _, e := range observeTree(t, root, at(preserved("")), Options{}) {
			if want := map[string]string{"user.note": "a\x00b", "user.empty": "", walk.CapabilityXattr: value}; e.Path == "f" && !cmp.Equal(e.Xattrs, want) {
				t.Errorf("the layer has the xattrs %q, want %q", e.Xattrs, want)
			}
		}
	}
	set("t/f", walk.CapabilityXattr, value)
	for _, e := range observeTree(t, root, at(preserved("")), Options{}) {
		if e.Path == "f" && e.Xattrs[walk.CapabilityXattr] != value {
			t.Errorf("the kernel keeps capabilities as %x, not as %x", e.Xattrs[walk.CapabilityXattr], value)
		}
	}
}

func TestPreserveDevices(t *testing.T) {
	dir, root := folder(t, map[string]string{"t/": ""})
	if err := unix.Mknod(filepath.Join(dir, "t/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Skipf("no device can be made: %v", err)
	}
	entries := observeTree(t, root, at(preserved("dev")), Options{})
	if e := entries[1]; e.Type != layer.Char || e.Devmajor != 1 || e.Devminor != 3 {
		t.Errorf("the device is %+v", e)
	}
}

// TestSpecial: what no layer can hold is named, and nothing blocks.
func TestSpecial(t *testing.T) {
	dir, root := folder(t, map[string]string{"t/x": "x"})
	must(t, unix.Mkfifo(filepath.Join(dir, "t/fifo"), 0o644))
	normal := preserved("")
	normal.Metadata = spec.Normalize
	fails := func(want string, l *spec.Layer) {
		t.Helper()
		if _, diags := Observe(context.Background(), root, l, Options{Hash: true}); !strings.Contains(diags.Error(), want) {
			t.Errorf("the diagnostics are %v, want %q", diags, want)
		}
	}
	fails(`"t/fifo" cannot be copied: it is a FIFO`, at(normal))
	fails("is a FIFO", at(spec.FileOp{Kind: spec.OpFile, To: "f", Source: "t/fifo"}))
	fails("is a FIFO", &spec.Layer{Archive: "t/fifo"})
	fails("is a FIFO", &spec.Layer{Blob: "t/fifo"})
	fails("is a directory", &spec.Layer{Blob: "t"})
	normal.Exclude = []string{"fifo"}
	observeTree(t, root, at(normal), Options{})
	t.Chdir(filepath.Join(dir, "t")) // socket paths are short
	l, err := net.Listen("unix", "sock")
	must(t, err)
	defer func() { must(t, l.Close()) }()
	fails(`"t/sock" cannot be copied: it is a socket`, at(preserved("")))
	fails(`"t/sock" cannot be copied: it is a socket`, at(normal))
}
