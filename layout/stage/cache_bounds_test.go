//go:build unix

package stage_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
)

// forge makes a stat cache with a valid checksum.
func forge(content ...[]byte) []byte {
	all := slices.Concat(append([][]byte{[]byte("layform stat 2\n"), make([]byte, 4)}, content...)...)
	sum := crc32.Checksum(all[19:], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(all[15:], sum)
	return all
}

// forgeFolders makes a stat cache of n folders of which little is known, and
// whose names fill nameBytes; the last one also has records, which fill the file
// up to size.
func forgeFolders(n, nameBytes, size int) []byte {
	const record, held = 5*8 + 32 + 1 + 4, 5*8 + 1
	name := make([]byte, nameBytes/n)
	count := max(0, size-64-n*(held+len(name)+5)) / record
	list := binary.AppendUvarint(make([]byte, 0, n*(len(name)+12)), uint64(n))
	for i := range n {
		binary.BigEndian.PutUint32(name, uint32(i))
		list = append(binary.AppendUvarint(list, uint64(len(name))), name...)
		if i < n-1 {
			list = append(list, 0, 0, held)
		} else {
			list = append(binary.AppendUvarint(list, uint64(count)), 0, held)
		}
	}
	return forge(list, make([]byte, n*held+count*record))
}

// A forged cache costs little memory, and is empty where it makes no sense.
func TestForgedCache(t *testing.T) {
	number := func(v uint64) []byte { return binary.AppendUvarint(nil, v) }
	one := func(count, names, held uint64) []byte {
		return forge([]byte{1, 1, 'x'}, number(count), number(names), number(held), make([]byte, 200))
	}
	folder := []byte{1, 'x', 0, 0, 41}
	for name, tc := range map[string]struct {
		data []byte
		read bool
	}{
		"a folder":                    {forge([]byte{1}, folder, make([]byte, 41)), true},
		"all that there may be":       {forgeFolders(stage.FolderLimit, stage.NameLimit, stage.CacheLimit), true},
		"too many folders":            {forgeFolders(stage.FolderLimit+1, stage.FolderLimit*5, 0), false},
		"names that are too long":     {forgeFolders(2, stage.NameLimit+2, 0), false},
		"folders of four bytes":       {forge(number(2<<20), make([]byte, 8<<20)), false},
		"a number of folders":         {forge(number(1 << 40)), false},
		"one folder twice":            {forge([]byte{2}, folder, folder, make([]byte, 82)), false},
		"folders in a wrong order":    {forge([]byte{2, 1, 'y', 0, 0, 41}, folder, make([]byte, 82)), false},
		"a folder that holds nothing": {one(0, 200, 0), false},
		"a number of records":         {one(1<<60, 0, 0), false},
		"a length of names":           {one(1, 1<<60, 0), false},
		"a length of a listing":       {one(1, 0, 1<<63), false},
		"a file that is too long":     {nil, false},
	} {
		s := openB(t)
		if err := s.SaveState("stat.cache", tc.data); err != nil {
			t.Fatal(err)
		}
		if tc.data == nil {
			if err := os.Truncate(filepath.Join(s.Dir(), ".layform/stat.cache"), stage.CacheLimit+1); err != nil {
				t.Fatal(err)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		stage.OpenCache(s)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 128e6 {
			t.Errorf("%s: %d bytes became %d", name, len(tc.data), got)
		}
		if err := stage.CheckCache(s); tc.read != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is too much for the file is left out of it, and the rest can be read.
func TestCacheSavesWhatFits(t *testing.T) {
	for name, tc := range map[string]struct{ folders, names, want int }{
		"bytes":   {2, stage.CacheLimit / 2, 1},
		"folders": {stage.FolderLimit + 2, 0, stage.FolderLimit},
	} {
		s := openB(t)
		c := stage.OpenCache(s)
		st := stage.Stat{Mtime: 1, Ctime: 2}
		for i := range tc.folders {
			c.Folder(fmt.Sprint(i)).SetNames(st, strings.Repeat("n", tc.names))
		}
		if err := c.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		c = stage.OpenCache(s)
		known := 0
		for i := range tc.folders {
			if _, ok := c.Folder(fmt.Sprint(i)).Names(st); ok {
				known++
			}
		}
		if known != tc.want {
			t.Errorf("%s: %d of %d folders are known, not %d", name, known, tc.folders, tc.want)
		}
	}
}

// Many files that were learnt of take little more memory than their records, and
// saving them makes no copy of all.
func TestCacheInLittleMemory(t *testing.T) {
	s := openB(t)
	info := oldFile(t, filepath.Join(t.TempDir(), "f"), "content")
	c := stage.OpenCache(s)
	sum := digest.FromString("content")
	const folders, files = 1000, 100
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	for i := range folders {
		for k := range files {
			c.Store(fmt.Sprintf("folder%04d/file%04d", i, (k*37)%files), info, sum)
		}
	}
	if got := (live() - before) / (folders * files); got > 100 {
		t.Errorf("%d bytes for each file", got)
	}
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	if err := c.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&end)
	// What was learnt last of each folder becomes records: all of it, once.
	if got := (end.TotalAlloc - start.TotalAlloc) / (folders * files); got > 150 {
		t.Errorf("saving takes %d bytes for each file", got)
	}
	c = stage.OpenCache(s)
	for i := range folders {
		for k := range files {
			if got, ok := c.Lookup(fmt.Sprintf("folder%04d/file%04d", i, k), info); !ok || got != sum {
				t.Fatalf("folder %d, file %d: %s, %v", i, k, got, ok)
			}
		}
	}
}
