package source

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// tamper is a Digester that does something when it is asked for a file: after
// the file was seen and before it is read.
type tamper func(path string)

// Folder gives nothing: files are known by their paths alone.
func (tamper) Folder(string) *stage.Folder { return nil }

func (f tamper) Lookup(path string, _ fs.FileInfo) (digest.Digest, bool) { f(path); return "", false }

func (tamper) Store(string, fs.FileInfo, digest.Digest) {}

// TestMovingSources: what vanishes, grows or becomes something else between the
// walk and the reading is reported, and nothing waits for it or follows it.
func TestMovingSources(t *testing.T) {
	layers := map[string]func() *spec.Layer{
		"copy":    func() *spec.Layer { return at(spec.FileOp{Kind: spec.OpCopy, From: "d"}) },
		"file":    func() *spec.Layer { return at(spec.FileOp{Kind: spec.OpFile, To: "f", Source: "d/z"}) },
		"archive": func() *spec.Layer { return &spec.Layer{Archive: "d/z"} },
		"blob":    func() *spec.Layer { return &spec.Layer{Blob: "d/z"} },
	}
	for name, test := range map[string]struct {
		move func(file string) error
		want string
	}{
		"vanishes": {os.Remove, "no such file or directory"},
		"shrinks":  {func(file string) error { return os.Truncate(file, 1) }, "it changed while it was read: size 1, was 1024"},
		"grows":    {func(file string) error { return os.Truncate(file, 1<<36) }, "it changed while it was read: size 68719476736, was 1024"},
		"becomes a FIFO": {func(file string) error {
			return replaceBy(file, func() error { return unix.Mkfifo(file, 0o644) })
		}, "it is a FIFO, not a regular file"},
		"becomes a link": {func(file string) error {
			return replaceBy(file, func() error { return os.Symlink("/etc/passwd", file) })
		}, "it is a symlink, not a regular file"},
	} {
		for kind, layer := range layers {
			t.Run(name+" "+kind, func(t *testing.T) {
				dir, root := folder(t, map[string]string{"d/z": strings.Repeat("\x00", 1024)})
				moved := false
				opts := Options{Hash: true, Digests: tamper(func(path string) {
					if path == "d/z" && !moved {
						moved = true
						if err := test.move(filepath.Join(dir, path)); err != nil {
							t.Error(err)
						}
					}
				})}
				if diags := observed(t, root, layer(), opts); !moved || !strings.Contains(diags.Error(), test.want) {
					t.Errorf("the diagnostics are %v, want %q", diags, test.want)
				}
			})
		}
	}
}

func replaceBy(file string, create func() error) error {
	if err := os.Remove(file); err != nil {
		return err
	}
	return create()
}

// observed gives the diagnostics of an observation.
func observed(t *testing.T, root *os.Root, l *spec.Layer, opts Options) hcl.Diagnostics {
	t.Helper()
	_, diags := Observe(t.Context(), root, l, opts)
	return diags
}

// TestMovingDirectory: a directory that becomes a FIFO before it is read does
// not block the walk.
func TestMovingDirectory(t *testing.T) {
	dir, root := folder(t, map[string]string{"d/a/": "", "d/z": "z"})
	sub := filepath.Join(dir, "d/a")
	opts := Options{Hash: true, Digests: tamper(func(string) {
		if err := replaceBy(sub, func() error { return unix.Mkfifo(sub, 0o644) }); err != nil {
			t.Error(err)
		}
	})}
	if diags := observed(t, root, at(spec.FileOp{Kind: spec.OpCopy, From: "d"}), opts); !strings.Contains(diags.Error(), `"d/a" cannot be copied: not a directory`) {
		t.Errorf("the diagnostics are %v", diags)
	}
}

// TestGrowing: a file that grows while it is read is not read to its end, which
// may never come.
func TestGrowing(t *testing.T) {
	dir, root := folder(t, map[string]string{"f": "four"})
	files := NewFiles(root)
	defer func() { must(t, files.Close()) }()
	file, info, err := files.Open("f")
	must(t, err)
	defer func() { must(t, file.Close()) }()
	must(t, os.Truncate(filepath.Join(dir, "f"), 1<<36))
	o := observer{ctx: t.Context()}
	if _, err := o.digestOpen(file, info, info.Size(), make([]byte, 4096)); err == nil || !strings.Contains(err.Error(), "size 68719476736, was 4") {
		t.Errorf("the error is %v", err)
	}
}

// TestInHole: only what lies in one hole, and in the file, is taken for zeros.
func TestInHole(t *testing.T) {
	_, root := folder(t, map[string]string{"f": ""})
	f, err := root.OpenFile("f", os.O_RDWR, 0)
	must(t, err)
	defer func() { must(t, f.Close()) }()
	const size = 1 << 20
	must(t, f.Truncate(size))
	_, err = f.WriteAt([]byte("x"), size/2)
	must(t, err)
	info, err := f.Stat()
	must(t, err)
	if fd := int(f.Fd()); !hasHoles(info) || !inHole(fd, 0, 4096) {
		t.Skip("this file system has no holes, or is not asked for them")
	}
	for _, c := range []struct {
		at, n int64
		want  bool
	}{
		{0, size / 4, true}, {size / 2, 1, false}, {size/2 - 1, 2, false}, {size/4 + 1, size / 2, false},
		{3 * size / 4, size / 4, true}, {3 * size / 4, size/4 + 1, false}, {size - 1, 1, true}, {size, 1, false},
	} {
		if got := inHole(int(f.Fd()), c.at, c.n); got != c.want {
			t.Errorf("%d bytes at %d lie in a hole: %v", c.n, c.at, got)
		}
	}
}
