package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"
)

// read takes a header back with archive/tar.
func read(t testing.TB, e Entry) (*tar.Header, []byte) {
	t.Helper()
	b, err := AppendHeader(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	n, err := HeaderLength(&e)
	if err != nil || n != int64(len(b)) || n%BlockSize != 0 {
		t.Errorf("%.40q: Length is %d, %v; the header has %d bytes", e.Path, n, err, len(b))
	}
	h, err := tar.NewReader(bytes.NewReader(append(bytes.Clone(b), make([]byte, TrailerSize)...))).Next()
	if err != nil {
		t.Fatalf("%.40q: %v", e.Path, err)
	}
	return h, b
}

func TestAppend(t *testing.T) {
	long := func(n int) string { return strings.Repeat("n", n) }
	split := strings.Repeat("p", 155) + "/" + long(100)
	for _, c := range []struct {
		name string
		e    Entry
		// format is what the header must be: USTAR unless it cannot.
		format tar.Format
	}{
		{"file", Entry{Path: "a/b", Type: Regular, Mode: 0o644, Size: 77, Mtime: 1700000000}, tar.FormatUSTAR},
		{"modes", Entry{Path: "a", Type: Regular, Mode: 0o7777}, tar.FormatUSTAR},
		{"root", Entry{Path: ".", Type: Directory, Mode: 0o755}, tar.FormatUSTAR},
		{"100 bytes", Entry{Path: long(100), Type: Regular}, tar.FormatUSTAR},
		{"101 bytes", Entry{Path: long(101), Type: Regular}, tar.FormatPAX},
		{"99 byte directory", Entry{Path: long(99), Type: Directory}, tar.FormatUSTAR},
		{"100 byte directory", Entry{Path: long(100), Type: Directory}, tar.FormatPAX},
		{"longest split", Entry{Path: split, Type: Regular}, tar.FormatUSTAR},
		{"beyond the split", Entry{Path: split + "n", Type: Regular}, tar.FormatPAX},
		{"prefix too long", Entry{Path: strings.Repeat("p", 156) + "/n", Type: Regular}, tar.FormatPAX},
		{"split directory", Entry{Path: strings.Repeat("p/", 70) + long(60), Type: Directory}, tar.FormatUSTAR},
		{"4096 bytes", Entry{Path: strings.Repeat("q/", 2000) + long(96), Type: Regular}, tar.FormatPAX},
		{"not ASCII", Entry{Path: "ünï", Type: Regular}, tar.FormatPAX},
		{"control characters", Entry{Path: "a\n\x1bb=c", Type: Regular}, tar.FormatUSTAR},
		{"largest octal ids", Entry{Path: "a", Type: Regular, UID: 0o7777777, GID: 0o7777777}, tar.FormatUSTAR},
		{"large ids", Entry{Path: "a", Type: Regular, UID: 0o7777777 + 1, GID: 1<<32 - 2}, tar.FormatPAX},
		{"largest octal size", Entry{Path: "a", Type: Regular, Size: 8<<30 - 1}, tar.FormatUSTAR},
		{"large size", Entry{Path: "a", Type: Regular, Size: 8 << 30}, tar.FormatPAX},
		{"before 1970", Entry{Path: "a", Type: Regular, Mtime: -5}, tar.FormatPAX},
		{"far away", Entry{Path: "a", Type: Regular, Mtime: 1 << 34}, tar.FormatPAX},
		{"symlink", Entry{Path: "a", Type: Symlink, Mode: 0o777, Linkname: "../" + long(97)}, tar.FormatUSTAR},
		{"long symlink", Entry{Path: "a", Type: Symlink, Mode: 0o777, Linkname: "../" + long(98)}, tar.FormatPAX},
		{"foreign symlink", Entry{Path: "a", Type: Symlink, Mode: 0o777, Linkname: "é"}, tar.FormatPAX},
		{"hard link", Entry{Path: "a", Type: Hardlink, Linkname: "b/c"}, tar.FormatUSTAR},
		{"devices", Entry{Path: "a", Type: Char, Devmajor: 1, Devminor: 0o7777777}, tar.FormatUSTAR},
		{"block device", Entry{Path: "a", Type: Block, Devmajor: 8, Devminor: 1}, tar.FormatUSTAR},
		{"fifo", Entry{Path: "a", Type: Fifo, Mode: 0o600}, tar.FormatUSTAR},
		{"xattrs", Entry{Path: "a", Type: Regular, Xattrs: map[string]string{
			"user.a": "", "user.b": "x=y\n", "security.capability": "\x01\x00\x00\x02\x00", "user.long": long(9000),
		}}, tar.FormatPAX},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, b := read(t, c.e)
			name := c.e.Path
			if c.e.Type == Directory {
				name += "/"
			}
			xattrs := map[string]string{}
			for k, v := range h.PAXRecords {
				if k, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
					xattrs[k] = v
				}
			}
			flag := map[Type]byte{
				Regular: tar.TypeReg, Directory: tar.TypeDir, Symlink: tar.TypeSymlink, Hardlink: tar.TypeLink,
				Char: tar.TypeChar, Block: tar.TypeBlock, Fifo: tar.TypeFifo,
			}[c.e.Type]
			switch {
			case h.Format != c.format:
				t.Errorf("format %v", h.Format)
			case h.Name != name || h.Linkname != c.e.Linkname || h.Typeflag != flag:
				t.Errorf("%q %q %c", h.Name, h.Linkname, h.Typeflag)
			case h.Mode != int64(c.e.Mode) || h.Uid != c.e.UID || h.Gid != c.e.GID || h.Size != c.e.Size:
				t.Errorf("mode %o, owner %d:%d, size %d", h.Mode, h.Uid, h.Gid, h.Size)
			case !h.ModTime.Equal(time.Unix(c.e.Mtime, 0)):
				t.Errorf("mtime %v", h.ModTime)
			case h.Devmajor != c.e.Devmajor || h.Devminor != c.e.Devminor:
				t.Errorf("device %d:%d", h.Devmajor, h.Devminor)
			case !maps.Equal(xattrs, c.e.Xattrs):
				t.Errorf("xattrs %q", xattrs)
			case h.Uname != "" || h.Gname != "":
				t.Errorf("names %q, %q", h.Uname, h.Gname)
			case c.format == tar.FormatUSTAR && len(b) != BlockSize:
				t.Errorf("%d bytes", len(b))
			}
		})
	}
}

// TestStandardLibrary: a plain header has the bytes that archive/tar writes.
func TestStandardLibrary(t *testing.T) {
	_, got := read(t, Entry{Path: "dir/file", Type: Regular, Mode: 0o755, UID: 7, GID: 8, Size: 9, Mtime: 1700000000})
	var want bytes.Buffer
	h := &tar.Header{Name: "dir/file", Mode: 0o755, Uid: 7, Gid: 8, Size: 9, ModTime: time.Unix(1700000000, 0), Format: tar.FormatUSTAR}
	if err := tar.NewWriter(&want).WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want.Bytes()); a != b {
		t.Errorf("got %s\nwant %s", a, b)
	}
}

func TestRefused(t *testing.T) {
	for want, e := range map[string]Entry{
		"type":       {Path: "a", Type: "socket"},
		"NUL":        {Path: "a\x00b", Type: Regular},
		"size -1":    {Path: "a", Type: Regular, Size: -1},
		"owner -1:0": {Path: "a", Type: Regular, UID: -1},
		"mode":       {Path: "a", Type: Regular, Mode: 0o100644},
		"device":     {Path: "a", Type: Char, Devminor: 1 << 21},
		"xattr name": {Path: "a", Type: Regular, Xattrs: map[string]string{"user.a=b": ""}},
		"shorten":    {Path: "a", Type: Regular, Xattrs: map[string]string{"user.a": strings.Repeat("x", 1<<20)}},
	} {
		_, err := AppendHeader(nil, &e)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gives %v, want %q", e.Path, err, want)
		}
		if _, lengthErr := HeaderLength(&e); lengthErr == nil {
			t.Errorf("Length takes what Append refuses: %q", want)
		}
	}
}

// TestRecordLength: the length of a record counts its own digits.
func TestRecordLength(t *testing.T) {
	for n := range 2000 {
		r := appendRecord(nil, "k", strings.Repeat("v", n))
		var length int
		if _, err := fmt.Sscanf(string(r), "%d ", &length); err != nil || length != len(r) {
			t.Fatalf("a record of %d bytes says %d, %v", len(r), length, err)
		}
	}
}

// FuzzAppend: what is written is read back.
func FuzzAppend(f *testing.F) {
	f.Add("a/b", "", uint32(0o644), 0, 0, int64(0), int64(0))
	f.Add(strings.Repeat("x/", 100)+"é", "t", uint32(0o7777), 1<<31, 5, int64(-1), int64(1)<<40)
	f.Fuzz(func(t *testing.T, path, target string, mode uint32, uid, gid int, mtime, size int64) {
		e := Entry{Path: path, Type: Regular, Mode: mode, UID: uid, GID: gid, Mtime: mtime, Size: size}
		if target != "" {
			e.Type, e.Linkname, e.Size = Symlink, target, 0
		}
		b, err := AppendHeader(nil, &e)
		if err != nil {
			return
		}
		h, err := tar.NewReader(io.MultiReader(bytes.NewReader(b), bytes.NewReader(make([]byte, TrailerSize)))).Next()
		if err != nil {
			if path == "" || strings.HasSuffix(path, "/") {
				return // no entry has such a path
			}
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "/") || path == "" {
			return
		}
		if h.Name != path || h.Linkname != target || h.Mode != int64(mode) || h.Uid != uid || h.Gid != gid || h.ModTime.Unix() != mtime || h.Size != e.Size {
			t.Fatalf("%+v came back as %+v", e, h)
		}
	})
}
