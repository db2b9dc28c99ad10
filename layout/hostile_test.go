//go:build unix

package layout_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// zstdLayer is a fault of a layer that says that it is zstd.
func zstdLayer(pack func(*testing.T, []byte) []byte, rules ...validate.Rule) fault {
	return fault{rules: rules, change: func(_ *testing.T, _ *layout.Store, g *sample) {
		g.layer["mediaType"] = ocispec.MediaTypeImageLayerZstd
		g.pack = pack
	}}
}

// giantWindow makes a zstd frame whose window is 2 GiB.
func giantWindow(t *testing.T, b []byte) []byte {
	t.Helper()
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3} // no single segment, 2^31
	for len(b) > 0 {
		n := min(len(b), 64<<10)
		header := uint32(n) << 3 // a raw block
		if n == len(b) {
			header |= 1 // the last
		}
		frame = append(frame, byte(header), byte(header>>8), byte(header>>16))
		frame = append(frame, b[:n]...)
		b = b[n:]
	}
	return frame
}

// paxSized makes a tar with a file whose PAX header says one size and whose
// ustar header another.
func paxSized(t *testing.T, name string, ustar, pax int64) []byte {
	t.Helper()
	return slices.Concat(extended(tar.TypeXHeader, "size", strconv.FormatInt(pax, 10)), ustarHeader(name, tar.TypeReg, ustar), make([]byte, pax), make([]byte, 1024))
}

// extended is a PAX header with one record.
func extended(typ byte, key, value string) []byte {
	rest := " " + key + "=" + value + "\n"
	n := len(rest)
	for n != len(rest)+len(strconv.Itoa(n)) {
		n = len(rest) + len(strconv.Itoa(n))
	}
	record := []byte(strconv.Itoa(n) + rest)
	return slices.Concat(ustarHeader("PaxHeaders/x", typ, int64(n)), record, make([]byte, -n&511))
}

// extendedTar is a tar of one empty file with an extended header before it.
func extendedTar(typ byte, key, value string) []byte {
	return slices.Concat(extended(typ, key, value), ustarHeader("f", tar.TypeReg, 0), make([]byte, 1024))
}

func ustarHeader(name string, typ byte, size int64) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00", size, 0))
	copy(h[148:], "        ")
	h[156] = typ
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// Sizes that do not fit into ustar headers are nobody's fault.
func TestHonestPAXSizes(t *testing.T) {
	s := initialised(t)
	g := goodSample(t)
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	h := &tar.Header{Name: "a", Size: 3, Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "abc"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	g.tar = buf.Bytes()
	writeIndex(t, s, indexOf(g.build(t, s)))
	if found := findings(t, s, validate.Options{}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// A layer of nothing but zeros, 1000:1 and more, in many members; and a layer
// over the limit of bytes.
func TestBombs(t *testing.T) {
	body := func(w io.Writer, n int64) error {
		tw := tar.NewWriter(w)
		if err := tw.WriteHeader(&tar.Header{Name: "bomb", Size: 8 << 30, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err := io.CopyN(tw, zeros{}, n)
		return err
	}
	for name, tc := range map[string]struct {
		limit, bytes int64
		members      int
		want         string
	}{
		"ratio": {0, 32 << 20, 9, "1000 times"},
		"total": {1 << 20, 2 << 20, 1, "more bytes than the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && tc.members > 1 {
				t.Skip("decompresses 256 MiB")
			}
			dir := initialised(t).Dir()
			s := open(t, dir, layout.Options{NoSync: true, Limits: layout.Limits{Layer: tc.limit}})
			g := goodSample(t)
			g.pack = func(t *testing.T, _ []byte) []byte {
				var buf bytes.Buffer
				w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
				if err != nil {
					t.Fatal(err)
				}
				if err := body(w, tc.bytes); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				return bytes.Repeat(buf.Bytes(), tc.members)
			}
			writeIndex(t, s, indexOf(g.build(t, s)))
			found := findings(t, s, validate.Options{})
			if !slices.Equal(rulesOf(found), []string{"layer-ratio"}) || !strings.Contains(found[0].Problem, tc.want) {
				t.Errorf("%+v", found)
			}
		})
	}
}

// bigSample is a layout with an index, an image of two platforms and an artifact.
func bigSample(t *testing.T) *layout.Store {
	t.Helper()
	s := initialised(t)
	var entries []any
	for _, arch := range []string{"amd64", "arm64"} {
		g := goodSample(t)
		g.config["architecture"] = arch
		g.entry["platform"] = map[string]any{"os": "linux", "architecture": arch}
		delete(g.entry, "annotations")
		var noise [3000]byte
		rng := rand.New(rand.NewPCG(1, uint64(len(arch))))
		for i := 0; i < len(noise); i += 8 {
			binary.LittleEndian.PutUint64(noise[i:], rng.Uint64())
		}
		g.tar = tarOf(t, file{name: arch, body: string(noise[:])})
		entries = append(entries, g.build(t, s))
	}
	index := putJSON(t, s, ocispec.MediaTypeImageIndex, indexOf(entries...))
	setTag(t, s, index, "latest")
	setTag(t, s, putArtifact(t, s, index), "")
	if found := findings(t, s, validate.Options{}); len(found) > 0 {
		t.Fatalf("%+v", found)
	}
	return s
}

// Every bit of a layout that can be told to be wrong is. All but names in
// index.json: a bit flipped in a tag gives another tag, which only whoever set
// it can know; the plan shows that as drift.
func TestBitFlips(t *testing.T) {
	s := bigSample(t)
	var names []string
	var sizes []int
	total := 0
	for name, content := range snapshot(t, s.Dir()) {
		if info, err := os.Lstat(filepath.Join(s.Dir(), name)); err != nil || !info.Mode().IsRegular() || strings.HasPrefix(name, ".layform") {
			continue
		}
		names = append(names, name)
		_, data, _ := strings.Cut(content, " ")
		sizes = append(sizes, len(data))
		total += len(data)
	}
	before := entries(t, s)
	rng := rand.New(rand.NewPCG(4, 4))
	flips, inNames := 1000, 0
	if testing.Short() {
		flips = 200
	}
	for i := range flips {
		// Half of them anywhere, half of them in a file of equal chance.
		at, k := rng.IntN(total), rng.IntN(len(names))
		for j, size := range sizes {
			if i%2 == 0 && at >= 0 && at < size {
				k = j
			}
			at -= size
		}
		byteAt, bit := rng.IntN(sizes[k]), rng.IntN(8)
		where := fmt.Sprintf("%s, byte %d, bit %d", names[k], byteAt, bit)
		file := filepath.Join(s.Dir(), names[k])
		flip(t, file, byteAt, bit)
		if found := findings(t, s, validate.Options{}); len(found) == 0 {
			inNames++
			if names[k] != "index.json" {
				t.Errorf("%s: not found", where)
			} else if diff := cmp.Diff(before, entries(t, s), cmpopts.IgnoreFields(ocispec.Descriptor{}, "Annotations", "ArtifactType")); diff != "" {
				t.Errorf("%s: not found: %s", where, diff)
			}
		}
		flip(t, file, byteAt, bit)
	}
	t.Logf("%d bits flipped, %d of them in names of index.json", flips, inNames)
	if found := findings(t, s, validate.Options{}); len(found) > 0 {
		t.Errorf("not restored: %+v", found)
	}
}

func entries(t *testing.T, s *layout.Store) []ocispec.Descriptor {
	t.Helper()
	x, err := s.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return x.Descriptors()
}

func flip(t *testing.T, name string, at, bit int) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err = os.OpenFile(name, os.O_RDWR, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], int64(at)); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b[:], int64(at)); err != nil {
		t.Fatal(err)
	}
}

// Errors name files as a terminal can bear it.
func TestErrorsArePrintable(t *testing.T) {
	s := initialised(t)
	const name = "stage/x\x1b[2J\n"
	mkdir(t, filepath.Join(s.Dir(), ".layform", name))
	if _, err := s.ReadState(name, 10); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("got %q", err)
	}
}
