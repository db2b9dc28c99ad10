//go:build unix

package stage_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
)

func sampleTOC() *layer.TOC {
	return &layer.TOC{
		Version: layer.TOCVersion, Blob: digest.FromString("blob"), Size: 100, DiffID: digest.FromString("tar"), Encoding: "layform/1",
		Entries: []layer.Entry{
			{Path: ".", Type: layer.Directory, Mode: 0o1777},
			{Path: "a b", Type: layer.Regular, Mode: 0o4755, UID: 70000, GID: -1, Mtime: -5, Size: 1 << 40, Digest: digest.FromString("a"), Xattrs: map[string]string{"user.x": "\x00\xff", "user.a": ""}},
			{Path: "dev", Type: layer.Char, Devmajor: 5, Devminor: 1},
			{Path: "l", Type: layer.Symlink, Linkname: "../x"},
			{Path: "h", Type: layer.Hardlink, Linkname: "a b"},
			{Path: "s", Type: layer.Regular, Digest: digest.SHA512.FromString("s")},
		},
		Chunks: []layer.Chunk{
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
		if err := stage.SaveTOC(t.Context(), s, want, layer.ListOf(want.Entries)); err != nil {
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
	if err := stage.SaveTOC(t.Context(), s, toc, layer.ListOf(toc.Entries)); err != nil {
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
	if err := stage.SaveTOC(t.Context(), s, other, layer.ListOf(other.Entries)); err != nil {
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
	for name, edit := range map[string]func(*layer.TOC){
		"a chunk behind the end":    func(t *layer.TOC) { t.Chunks[1].Length++ },
		"chunks that overlap":       func(t *layer.TOC) { t.Chunks[1].Offset-- },
		"a chunk of negative size":  func(t *layer.TOC) { t.Chunks[0].Size = -1 },
		"an overflow":               func(t *layer.TOC) { t.Chunks[1].Length = 1<<63 - 1 },
		"an entry of negative size": func(t *layer.TOC) { t.Entries[1].Size = -1 },
	} {
		bad := sampleTOC()
		edit(bad)
		if err := stage.SaveTOC(t.Context(), s, bad, layer.ListOf(bad.Entries)); err != nil {
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

func bigTOC(n int) *layer.TOC {
	toc := &layer.TOC{Blob: digest.FromString("big"), Size: 1 << 30, DiffID: digest.FromString("tar")}
	for i := range n {
		path := fmt.Sprintf("usr/lib/some/deep/directory/%03d/file-%d.txt", i/100, i)
		toc.Entries = append(toc.Entries, layer.Entry{Path: path, Type: layer.Regular, Mode: 0o644, Size: int64(i), Digest: digest.FromString(path)})
	}
	return toc
}

func BenchmarkLoadTOC(b *testing.B) {
	s := openB(b)
	toc := bigTOC(100_000)
	if err := stage.SaveTOC(b.Context(), s, toc, layer.ListOf(toc.Entries)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stage.LoadTOC(b.Context(), s, toc.Blob); err != nil {
			b.Fatal(err)
		}
	}
}
