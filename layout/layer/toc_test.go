package layer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
)

func encodeTOC(toc *TOC) ([]byte, error) {
	var b bytes.Buffer
	err := WriteTOC(&b, toc, ListOf(toc.Entries))
	return b.Bytes(), err
}

func FuzzTOC(f *testing.F) {
	toc := &TOC{
		Blob: digest.FromString("blob"), Size: 100, DiffID: digest.FromString("tar"), Encoding: "layform/1",
		Entries: []Entry{
			{Path: ".", Type: Directory, Mode: 0o1777},
			{Path: "a b", Type: Regular, Mode: 0o4755, UID: 70000, GID: -1, Mtime: -5, Size: 1 << 40, Digest: digest.FromString("a"), Xattrs: map[string]string{"user.x": "\x00\xff", "user.a": ""}},
			{Path: "dev", Type: Char, Devmajor: 5, Devminor: 1},
			{Path: "h", Type: Hardlink, Linkname: "a b"},
			{Path: "s", Type: Regular, Digest: digest.SHA512.FromString("s")},
		},
		Chunks: []Chunk{{Digest: digest.FromString("1"), Size: 1000, Length: 60, Seal: digest.FromString("s"), State: []byte("state\x00")}},
	}
	good, err := encodeTOC(toc)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, records []byte) {
		toc, err := DecodeTOC(records)
		if err != nil {
			return
		}
		again, err := encodeTOC(toc)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		same, err := DecodeTOC(again)
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
		data := append(make([]byte, 4), record...) // a head that says nothing
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeTOC(data) // some make sense
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 10*uint64(len(data))+72<<20 {
			t.Errorf("%s: %d bytes became %d: %v", name, len(data), got, err)
		}
	}
	honest := &TOC{}
	for i := range 50_000 {
		honest.Entries = append(honest.Entries, Entry{Path: fmt.Sprintf("%x", i), Type: Directory, Mode: 0o755, Xattrs: map[string]string{"user.a": "1"}})
	}
	data, err := encodeTOC(honest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeTOC(data); err != nil || len(got.Entries) != len(honest.Entries) {
		t.Errorf("an honest table: %v", err)
	}
}

// TestReadTOC: a table that is read piece by piece is the one that is read whole, and
// one that is not is refused.
func TestReadTOC(t *testing.T) {
	toc := &TOC{Version: TOCVersion, Blob: digest.FromString("blob"), Size: 1 << 30, DiffID: digest.FromString("tar"), Encoding: "layform/1"}
	for i := range 3000 {
		toc.Entries = append(toc.Entries, Entry{Path: fmt.Sprintf("%d/%s", i, strings.Repeat("x", i)), Type: Regular, Mode: 0o644, Size: int64(i), Digest: digest.FromString(fmt.Sprint(i))})
		toc.Chunks = append(toc.Chunks, Chunk{Digest: digest.FromString("1"), Size: 1000, Offset: 60 * int64(i), Length: 60, Seal: digest.FromString("s"), State: []byte("state\x00")})
	}
	toc.Entries[7].Xattrs = map[string]string{"user.x": strings.Repeat("\xff", 1<<20)} // longer than the window
	good, err := encodeTOC(toc)
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) (*TOC, error) {
		var entries []Entry
		got, err := ReadTOC(bytes.NewReader(data), toc.Blob, func(e *Entry) error {
			entries = append(entries, *e)
			return nil
		})
		if err != nil {
			return &TOC{Entries: entries}, err
		}
		got.Entries = entries
		return got, nil
	}
	got, err := read(good)
	if diff := cmp.Diff(toc, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	other := *toc
	other.Blob = digest.FromString("other")
	foreign, err := encodeTOC(&other)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"empty": nil, "of another blob": foreign, "a head": good[:5]} {
		if got, err := read(data); err == nil || len(got.Entries) > 0 {
			t.Errorf("%s: %d entries, %v", name, len(got.Entries), err)
		}
	}
	// What a checksum does not tell is told when it is come upon.
	for name, data := range map[string][]byte{"cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0)} {
		if _, err := read(data); err == nil {
			t.Errorf("%s and sealed: it is taken", name)
		}
	}
	stop := errors.New("stop")
	if _, err := ReadTOC(bytes.NewReader(good), toc.Blob, func(*Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// What writes a table makes nothing in memory for each entry.
func TestWriteTOCInLittleMemory(t *testing.T) {
	toc := &TOC{Blob: digest.FromString("blob")}
	sum := Sum{1}
	const n = 100_000
	list := EntryList{Count: n, All: func(yield func(*Entry, *Sum) bool) {
		e := Entry{Path: "usr/share/doc/file", Type: Regular, Mode: 0o644}
		for range n {
			if !yield(&e, &sum) {
				return
			}
		}
	}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := WriteTOC(io.Discard, toc, list); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes for %d entries", got, n)
	}
	list.Count++
	if err := WriteTOC(io.Discard, toc, list); err == nil {
		t.Error("a list that is shorter than it says is written")
	}
}
