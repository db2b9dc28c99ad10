package encode

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestImportRefused: archives that are no good layers are refused, and the
// message says why.
func TestImportRefused(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Size: 3} }
	good := tarOf(t, file("f"))
	symlink := tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
	}
	for _, c := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"parent", tarOf(t, file("../x")), "leads out of the layer"},
		{"inner parent", tarOf(t, file("a/../../x")), "leads out of the layer"},
		{"absolute", tarOf(t, file("/etc/x")), "begins with a slash"},
		{"escape codes", tarOf(t, file("../\x1b[2J\n")), `"../\x1b[2J\n": the path leads out`},
		{"link out", tarOf(t, link("x", "../y")), "leads out of the layer"},
		{"absolute link", tarOf(t, file("y"), link("x", "/y")), `"x": it is a hard link to "/y", which begins with a slash`},
		{"link to nothing", tarOf(t, link("x", "y")), "does not come before it"},
		{"link to itself", tarOf(t, link("x", "x")), "hard link to itself"},
		{"link too early", tarOf(t, link("x", "y"), file("y")), "does not come before it"},
		{"twice", tarOf(t, file("a/x"), file("./a/x")), "stands in the tar twice"},
		{"below a symlink", tarOf(t, symlink, file("l/passwd")), `lies below "l", which is a symlink`},
		{"link below a symlink", tarOf(t, symlink, link("x", "l/y")), `lies below "l"`},
		{"whiteout below a symlink", tarOf(t, symlink, tar.Header{Name: "l/.wh.passwd"}), `lies below "l"`},
		{"whiteout with content", tarOf(t, file(".wh.x")), "no empty regular file"},
		{"long name", tarOf(t, file(strings.Repeat("n", 300))), "longer than Linux allows"},
		{"name of 64 KiB", tarOf(t, file(strings.Repeat("n", 64<<10))), "longer than Linux allows"},
		{"far too deep", tarOf(t, file(strings.Repeat("d/", 300_000)+"f")), "longer than Linux allows"},
		{"long target", tarOf(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("../", 2000)}), "longer than Linux allows"},
		{"NUL in a name", paxTar(t, "path", "a\x00b", 0), "broken header"},
		{"PAX size above", paxTar(t, "size", "512", 0), "PAX header says 512 bytes, but its ustar header 0"},
		{"PAX size below", paxTar(t, "size", "0", 512), "PAX header says 0 bytes, but its ustar header 512"},
		{"PAX size huge", paxTar(t, "size", "9223372036854775807", 0), "a size that no tar can have"},
		{"volume label", paxTar(t, "comment", "x", 0, 'V'), "layers do not have"},
		{"long headers", paxTar(t, "comment", strings.Repeat("x", 2<<20), 0), "cannot be read"},
		{"invalid name", tarOf(t, tar.Header{Name: "a\xff", Size: 1, Format: tar.FormatGNU}), "not valid UTF-8"},
		{"cut content", tarOf(t, tar.Header{Name: "f", Size: 90000})[:60000], "cut off"},
		{"no end", good[:len(good)-1024], "two zero blocks"},
		{"half an end", good[:len(good)-512], "two zero blocks"},
		{"data behind the end", append(bytes.Clone(good), good...), "data follows the end"},
		{"endless end", append(bytes.Clone(good), make([]byte, 4<<20)...), "padding"},
		{"broken header", append(bytes.Clone(good[:1024]), bytes.Repeat([]byte("x"), 2048)...), "broken header"},
		{"sparse", sparseTar(t), "sparse"},
		{"gzip garbage", append(gzipped(t, good), "garbage that is longer"...), "follows the gzip stream"},
		{"gzip zeros", append(gzipped(t, good), make([]byte, 100)...), "follows the gzip stream"},
		{"gzip cut", gzipped(t, good)[:60], "cut off"},
		{"gzip flipped", flipped(gzipped(t, tarOf(t, tar.Header{Name: "f", Size: 90000})), 3000), "gzip stream"},
		{"gzip header alone", []byte{0x1f, 0x8b, 8}, "cut off"},
		{"zstd garbage", append(zstded(t, good), "garbage!"...), "zstd"},
		{"zstd cut", zstded(t, good)[:60], "cut off"},
		{"zstd flipped", flipped(zstded(t, tarOf(t, tar.Header{Name: "f", Size: 90000})), 3000), "zstd stream"},
		{"zstd skippable alone", skippableFrame("x"), "two zero blocks"},
		{"gzip member cut", append(gzipped(t, good[:700]), gzipped(t, good[700:])[:20]...), "cut off"},
		{"gzip second header cut", append(gzipped(t, good), 0x1f, 0x8b, 8), "cut off"},
		{"zstd window", []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00}, "window"},
		{"gzip of no tar", gzipped(t, []byte(strings.Repeat("not a tar ", 200))), "broken header"},
		{"bzip2", []byte("BZh91AY&SY"), "bzip2"},
		{"xz", []byte("\xfd7zXZ\x00\x00\x00"), "xz"},
		{"text", []byte(strings.Repeat("hello ", 300)), "not a tar"},
		{"empty", nil, "is empty"},
		{"one zero block", make([]byte, 512), "not a tar"},
	} {
		_, _, err := importFile(t, c.archive, imagespec.Compression{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want one with %q", c.name, err, c.want)
		}
		// Whoever sees it tells the user where in the spec the archive stands.
		var archive *ArchiveError
		var diags hcl.Diagnostics
		if !errors.As(err, &diags) && (!errors.As(err, &archive) || archive.Path != "a.tar") {
			t.Errorf("%s: the error %v is no *ArchiveError", c.name, err)
		}
	}
}

// TestImportOdd: what is unusual, and sound on Linux, is taken as it is.
func TestImportOdd(t *testing.T) {
	headers := []tar.Header{
		{Name: strings.Repeat("d/", 1000) + "f", Size: 1},
		{Name: "README", Size: 1}, {Name: "readme", Size: 2},
		{Name: "NUL"}, {Name: "con.txt"}, {Name: `..\x`},
		{Name: "c", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, {Name: "b", Typeflag: tar.TypeBlock}, {Name: "p", Typeflag: tar.TypeFifo},
		{Name: "su", Mode: 0o6755, PAXRecords: map[string]string{"SCHILY.xattr.user.x": "\x1b[2J"}},
	}
	_, r, err := importFile(t, gzipped(t, tarOf(t, headers...)), imagespec.Compression{})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range r.TOC.Entries {
		h := headers[i]
		if e.Path != h.Name || e.Size != h.Size || e.Mode != uint32(h.Mode) || e.Devminor != h.Devminor || len(e.Xattrs) != len(h.PAXRecords) {
			t.Errorf("%q became %+v", h.Name, e)
		}
	}
	if len(r.TOC.Entries) != len(headers) {
		t.Errorf("%d entries of %d", len(r.TOC.Entries), len(headers))
	}
}

// TestImportMany: a small blob whose entries would fill the memory is refused,
// by whoever reads it.
func TestImportMany(t *testing.T) {
	var headers []tar.Header
	for i := range 50 {
		headers = append(headers, tar.Header{Name: strconv.Itoa(i), PAXRecords: map[string]string{"SCHILY.xattr.user.x": strings.Repeat("x", 800_000)}})
	}
	blob := zstded(t, tarOf(t, headers...))
	for name, read := range map[string]func() error{
		"Import":    func() error { _, _, err := importFile(t, blob, imagespec.Compression{}); return err },
		"DeriveTOC": func() error { _, err := layer.DeriveTOC(context.Background(), bytes.NewReader(blob), ""); return err },
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), "more memory") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// TestImportManyEmpty: the headers of many empty files take next to nothing in
// an honest blob.
func TestImportManyEmpty(t *testing.T) {
	headers := make([]tar.Header, 150_000)
	for i := range headers {
		headers[i].Name = fmt.Sprintf("usr/share/empty/%06d", i)
	}
	if _, r, err := importFile(t, zstded(t, tarOf(t, headers...)), imagespec.Compression{}); err != nil || len(r.TOC.Entries) != len(headers) {
		t.Errorf("%d entries, %v", len(r.TOC.Entries), err)
	}
}

// TestImportIntoFull: what the writer says is not put down to the archive.
func TestImportIntoFull(t *testing.T) {
	plain := tarOf(t, tar.Header{Name: "f", Size: 300000})
	for name, content := range map[string][]byte{"gzip": gzipped(t, plain), "zstd": zstded(t, plain), "plain": plain} {
		_, root := folder(t, map[string]string{"a.tar": string(content)})
		l := &spec.Layer{Archive: "a.tar"}
		o := observe(t, root, l, source.Options{Hash: true})
		_, err := Import(context.Background(), &failing{}, root, o.File, l, Options{})
		var archive *ArchiveError
		if !errors.Is(err, errFull) || errors.As(err, &archive) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// paxTar is a tar of one entry with a PAX record, whose ustar header gives a
// size and perhaps a type.
func paxTar(t *testing.T, key, value string, size int64, typ ...byte) []byte {
	t.Helper()
	n := len(key) + len(value) + 3
	n += len(strconv.Itoa(n + len(strconv.Itoa(n))))
	record := fmt.Sprintf("%d %s=%s\n", n, key, value)
	block := func(name string, typ byte, size int64) []byte {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        %c", size, typ))
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, b := range h {
			sum += int(b)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		return h
	}
	pad := make([]byte, -len(record)&511)
	return slices.Concat(block("x", tar.TypeXHeader, int64(len(record))), []byte(record), pad,
		block("f", append(typ, tar.TypeReg)[0], size), make([]byte, 512), make([]byte, 1024))
}

func flipped(b []byte, at int) []byte {
	b[at] ^= 0x40
	return b
}

// sparseTar is a tar with a sparse file, as GNU tar writes it in the PAX format
// 1.0: a map of the data before the data. archive/tar writes none of its keys,
// so they are put in place of others of the same length.
func sparseTar(t *testing.T) []byte {
	t.Helper()
	b := tarOf(t, tar.Header{
		Name: "s", Size: 1024, Format: tar.FormatPAX,
		PAXRecords: map[string]string{"XXX.sparse.major": "1", "XXX.sparse.minor": "0", "XXX.sparse.realsize": "1099511627776", "XXX.sparse.name": "s"},
	})
	b = bytes.ReplaceAll(b, []byte("XXX.sparse"), []byte("GNU.sparse"))
	content := len(b) - 1024 - 1024
	clear(b[content : content+512])
	copy(b[content:], "1\n1099511627264\n512\n")
	return b
}

// TestImportBomb: a stream that grows without measure is stopped.
func TestImportBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("decompresses more than 256 MiB")
	}
	var buf bytes.Buffer
	z, err := zstd.NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(z)
	if err := tw.WriteHeader(&tar.Header{Name: "zeros", Size: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(tw, zeros{}, imagespec.RatioFree+1<<20); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err = importFile(t, buf.Bytes(), imagespec.Compression{})
	if err == nil || !strings.Contains(err.Error(), "times its size") {
		t.Errorf("the error is %v", err)
	}
	var archive *ArchiveError
	if !errors.As(err, &archive) {
		t.Errorf("%v is no *ArchiveError", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
