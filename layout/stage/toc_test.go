//go:build unix

package stage_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
)

func sampleTOC() *stage.TOC {
	return &stage.TOC{
		Version: stage.TOCVersion, Blob: digest.FromString("blob"), Size: 100, DiffID: digest.FromString("tar"), Encoding: "layform/1",
		Entries: []stage.Entry{
			{Path: ".", Type: stage.Directory, Mode: 0o1777},
			{Path: "a b", Type: stage.Regular, Mode: 0o4755, UID: 70000, GID: -1, Mtime: -5, Size: 1 << 40, Digest: digest.FromString("a"), Xattrs: map[string]string{"user.x": "\x00\xff", "user.a": ""}},
			{Path: "dev", Type: stage.Char, Devmajor: 5, Devminor: 1},
			{Path: "l", Type: stage.Symlink, Linkname: "../x"},
			{Path: "h", Type: stage.Hardlink, Linkname: "a b"},
			{Path: "s", Type: stage.Regular, Digest: digest.SHA512.FromString("s")},
		},
		Chunks: []stage.Chunk{
			{Digest: digest.FromString("1"), Size: 1000, Offset: 0, Length: 60, Seal: digest.FromString("s"), State: []byte("state\x00")},
			{Digest: digest.FromString("2"), Size: 10, Offset: 60, Length: 40},
		},
	}
}

func TestTOC(t *testing.T) {
	s := open(t, t.TempDir())
	want := sampleTOC()
	if _, err := stage.LoadTOC(t.Context(), s, want.Blob); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for range 2 {
		if err := stage.SaveTOC(t.Context(), s, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := stage.LoadTOC(t.Context(), s, want.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	all, err := stage.DigestsOfTOCs(t.Context(), s)
	if diff := cmp.Diff([]digest.Digest{want.Blob}, all); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for range 2 {
		if err := stage.RemoveTOC(t.Context(), s, want.Blob); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := stage.DigestsOfTOCs(t.Context(), s); len(all) != 0 || err != nil {
		t.Error(all, err)
	}
}

func tocPath(dir string, d digest.Digest) string {
	return filepath.Join(dir, ".layform/toc", "sha256-"+d.Encoded())
}

// Every byte of the file counts: no damage goes unnoticed.
func TestDamagedTOC(t *testing.T) {
	s := open(t, t.TempDir())
	toc := sampleTOC()
	if err := stage.SaveTOC(t.Context(), s, toc); err != nil {
		t.Fatal(err)
	}
	file := tocPath(s.Dir(), toc.Blob)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := stage.LoadTOC(t.Context(), s, toc.Blob)
		if err == nil {
			if cmp.Equal(toc, got, cmpopts.EquateEmpty()) {
				return // a bit that means nothing
			}
			t.Errorf("%s: another table was read", name)
		} else if !errors.Is(err, stage.ErrCorrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x10
		check(fmt.Sprintf("byte %d flipped", i), bad)
		check(fmt.Sprintf("cut at %d", i), good[:i])
	}
	other := sampleTOC()
	other.Blob = digest.FromString("other")
	if err := stage.SaveTOC(t.Context(), s, other); err != nil {
		t.Fatal(err)
	}
	swapped, err := os.ReadFile(tocPath(s.Dir(), other.Blob))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, swapped, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := stage.LoadTOC(t.Context(), s, toc.Blob); !errors.Is(err, stage.ErrCorrupt) {
		t.Errorf("another blob's table: %v", err)
	}
	for name, edit := range map[string]func(*stage.TOC){
		"a chunk behind the end":    func(t *stage.TOC) { t.Chunks[1].Length++ },
		"chunks that overlap":       func(t *stage.TOC) { t.Chunks[1].Offset-- },
		"a chunk of negative size":  func(t *stage.TOC) { t.Chunks[0].Size = -1 },
		"an overflow":               func(t *stage.TOC) { t.Chunks[1].Length = 1<<63 - 1 },
		"an entry of negative size": func(t *stage.TOC) { t.Entries[1].Size = -1 },
	} {
		bad := sampleTOC()
		edit(bad)
		if err := stage.SaveTOC(t.Context(), s, bad); err != nil {
			continue // refused when written is as good
		}
		if _, err := stage.LoadTOC(t.Context(), s, bad.Blob); !errors.Is(err, stage.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, d := range []digest.Digest{"", "sha256:../x", "x"} {
		if _, err := stage.LoadTOC(t.Context(), s, d); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", d, err)
		}
	}
}

func bigTOC(n int) *stage.TOC {
	toc := &stage.TOC{Blob: digest.FromString("big"), Size: 1 << 30, DiffID: digest.FromString("tar")}
	for i := range n {
		path := fmt.Sprintf("usr/lib/some/deep/directory/%03d/file-%d.txt", i/100, i)
		toc.Entries = append(toc.Entries, stage.Entry{Path: path, Type: stage.Regular, Mode: 0o644, Size: int64(i), Digest: digest.FromString(path)})
	}
	return toc
}

func BenchmarkLoadTOC(b *testing.B) {
	s := openB(b)
	toc := bigTOC(100_000)
	if err := stage.SaveTOC(b.Context(), s, toc); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stage.LoadTOC(b.Context(), s, toc.Blob); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzTOC(f *testing.F) {
	s := openB(f)
	toc := sampleTOC()
	if err := stage.SaveTOC(f.Context(), s, toc); err != nil {
		f.Fatal(err)
	}
	good, err := s.ReadState("toc/sha256-"+toc.Blob.Encoded(), 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[stage.TOCHead:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, records []byte) {
		toc, err := stage.DecodeTOC(stage.SealTOC(records))
		if err != nil {
			return
		}
		again, err := stage.EncodeTOC(toc)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		same, err := stage.DecodeTOC(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(toc, same, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

// What a forged table makes of the memory is in proportion to the file, but for
// some megabytes, without which honest ones with short records were not read.
func TestForgedTOC(t *testing.T) {
	const size = 8 << 20
	repeat := func(entry ...byte) []byte {
		n := size / len(entry)
		return append(binary.AppendUvarint(nil, uint64(n)), bytes.Repeat(entry, n)...)
	}
	var xattrs []byte
	for i := range 1 << 16 {
		xattrs = append(xattrs, 2, byte(i>>8), byte(i), 0)
	}
	none := []byte{0}
	for name, record := range map[string][]byte{
		"entries of nothing":    append(repeat(make([]byte, 9)...), 0),
		"entries with an xattr": append(repeat(0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 'x', 0), 0),
		"entries that are not":  append(binary.AppendUvarint(nil, size/9), bytes.Repeat([]byte{0xff}, size)...),
		"chunks of nothing":     slices.Concat(none, repeat(0, 0, 0, 0, 0, 0)),
		"chunks that are not":   slices.Concat(none, binary.AppendUvarint(nil, size/38), bytes.Repeat([]byte{0xff}, size)),
		"an entry with xattrs":  slices.Concat([]byte{1, 0, 2, 0, 0, 0, 0, 0, 0, 0}, binary.AppendUvarint(nil, size/4), bytes.Repeat(xattrs, size/len(xattrs)), none),
		"xattrs, but none":      {1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		data := stage.SealTOC(append(make([]byte, 4), record...)) // a head that says nothing
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := stage.DecodeTOC(data) // some make sense
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 10*uint64(len(data))+72<<20 {
			t.Errorf("%s: %d bytes became %d: %v", name, len(data), got, err)
		}
	}
	honest := &stage.TOC{}
	for i := range 50_000 {
		honest.Entries = append(honest.Entries, stage.Entry{Path: fmt.Sprintf("%x", i), Type: stage.Directory, Mode: 0o755, Xattrs: map[string]string{"user.a": "1"}})
	}
	data, err := stage.EncodeTOC(honest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := stage.DecodeTOC(data); err != nil || len(got.Entries) != len(honest.Entries) {
		t.Errorf("an honest table: %v", err)
	}
}
