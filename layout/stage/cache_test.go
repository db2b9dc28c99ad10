//go:build unix

package stage_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

func openB(tb testing.TB) *layout.Store {
	tb.Helper()
	s, err := layout.Open(tb.TempDir(), layout.Options{NoSync: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	if err := s.Init(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// oldFile writes a file and gives what the file system says of it once it is
// old enough to be remembered.
func oldFile(t *testing.T, name, content string) fs.FileInfo {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	return stat(t, name)
}

func stat(t *testing.T, name string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestCacheRemembers(t *testing.T) {
	s := openB(t)
	file := filepath.Join(t.TempDir(), "f")
	info := oldFile(t, file, "content")
	want := digest.FromString("content")
	c := stage.OpenCache(s)
	if _, ok := c.Lookup(file, info); ok {
		t.Error("an empty cache knows a file")
	}
	c.Store(file, info, want)
	c.Store("sha512", info, digest.SHA512.FromString("content"))
	c.Store("malformed", info, "sha256:x")
	if err := c.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = stage.OpenCache(s)
	if got, ok := c.Lookup(file, stat(t, file)); !ok || got != want {
		t.Errorf("got %q, %v", got, ok)
	}
	for _, path := range []string{"sha512", "malformed", "other"} {
		if _, ok := c.Lookup(path, info); ok {
			t.Errorf("%s is known", path)
		}
	}
}

// Whatever happens to a file after it was remembered, it is not mistaken for
// what it was: not even when size and time of modification are put back.
func TestCacheNoticesChanges(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, file string, info fs.FileInfo) error{
		"content": func(t *testing.T, file string, info fs.FileInfo) error {
			return os.WriteFile(file, []byte("CONTENT"), 0o644)
		},
		"content, time put back": func(t *testing.T, file string, info fs.FileInfo) error {
			return errors.Join(os.WriteFile(file, []byte("CONTENT"), 0o644), os.Chtimes(file, info.ModTime(), info.ModTime()))
		},
		"replaced, time put back": func(t *testing.T, file string, info fs.FileInfo) error {
			other := file + ".new"
			return errors.Join(os.WriteFile(other, []byte("CONTENT"), 0o644), os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, file))
		},
		"size": func(t *testing.T, file string, info fs.FileInfo) error {
			return errors.Join(os.Truncate(file, 3), os.Chtimes(file, info.ModTime(), info.ModTime()))
		},
		"a link": func(t *testing.T, file string, info fs.FileInfo) error {
			return errors.Join(os.Remove(file), os.Symlink("x", file))
		},
	} {
		s := openB(t)
		file := filepath.Join(t.TempDir(), "f")
		info := oldFile(t, file, "content")
		c := stage.OpenCache(s)
		c.Store(file, info, digest.FromString("content"))
		if _, ok := c.Lookup(file, info); !ok {
			t.Fatal("not remembered")
		}
		if err := change(t, file, info); err != nil {
			t.Fatal(err)
		}
		now, err := os.Lstat(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Lookup(file, now); ok {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// A file that is as young as the cache may change again within the same tick,
// so it is not remembered; nor is one from the future.
func TestCacheIsNotRacy(t *testing.T) {
	s := openB(t)
	file := filepath.Join(t.TempDir(), "f")
	c := stage.OpenCache(s)
	if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	info := stat(t, file)
	c.Store(file, info, digest.FromString("content"))
	if _, ok := c.Lookup(file, info); ok {
		t.Error("a file younger than the cache is remembered")
	}
	c.Trust(file, info, digest.FromString("content"))
	if got, ok := c.Lookup(file, info); !ok || got != digest.FromString("content") {
		t.Error("a file of our own is not remembered")
	}
	c.Store(file, info, digest.FromString("content"))
	if _, ok := c.Lookup(file, info); ok {
		t.Error("a young file that was read again is remembered")
	}
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(file, future, future); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	c = stage.OpenCache(s)
	info = stat(t, file)
	c.Store(file, info, digest.FromString("content"))
	if _, ok := c.Lookup(file, info); ok {
		t.Error("a file from the future is remembered")
	}
}

func TestCacheWritesNothingWithoutNeed(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	c := stage.OpenCache(open(t, absent))
	file := filepath.Join(t.TempDir(), "f")
	c.Trust(file, oldFile(t, file, "x"), digest.FromString("x"))
	if err := c.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(absent); !errors.Is(err, fs.ErrNotExist) {
		t.Error("saving made a layout")
	}
	s := openB(t)
	c = stage.OpenCache(s)
	if err := c.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadState("stat.cache", 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an unchanged cache was written", err)
	}
}

// A damaged cache is an empty one.
func TestDamagedCache(t *testing.T) {
	s := openB(t)
	file := filepath.Join(t.TempDir(), "f")
	info := oldFile(t, file, "content")
	c := stage.OpenCache(s)
	c.Store(file, info, digest.FromString("content"))
	if err := c.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	good, err := s.ReadState("stat.cache", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	load := func(data []byte) bool {
		t.Helper()
		if err := s.SaveState("stat.cache", data); err != nil {
			t.Fatal(err)
		}
		got, ok := stage.OpenCache(s).Lookup(file, info)
		if ok && got != digest.FromString("content") {
			t.Errorf("a wrong digest %s", got)
		}
		return ok
	}
	if !load(good) {
		t.Error("the good cache is not read")
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if load(bad) {
			t.Errorf("byte %d flipped: still believed", i)
		}
		if load(good[:i]) {
			t.Errorf("cut at %d: still believed", i)
		}
	}
}

// What is not asked for any more goes away after a while.
func TestCacheForgetsWhatIsNotUsed(t *testing.T) {
	s := openB(t)
	dir := t.TempDir()
	kept, idle := filepath.Join(dir, "kept"), filepath.Join(dir, "idle")
	if err := os.WriteFile(idle, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	keptInfo := oldFile(t, kept, "")
	idleInfo := stat(t, idle)
	c := stage.OpenCache(s)
	c.Store(kept, keptInfo, digest.FromString("kept"))
	c.Store(idle, idleInfo, digest.FromString("idle"))
	for i := range 25 {
		c.Trust("busy", keptInfo, digest.FromString(fmt.Sprint(i)))
		if err := c.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		c = stage.OpenCache(s)
		if _, ok := c.Lookup(kept, keptInfo); !ok {
			t.Fatalf("round %d: a file that is asked for was forgotten", i)
		}
	}
	if _, ok := c.Lookup(idle, idleInfo); ok {
		t.Error("a file that nobody asks for is still known")
	}
}

func TestCacheIsSafeForGoroutines(t *testing.T) {
	s := openB(t)
	file := filepath.Join(t.TempDir(), "f")
	info := oldFile(t, file, "x")
	c := stage.OpenCache(s)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				path := fmt.Sprint(g, i)
				c.Store(path, info, digest.FromString(path))
				if got, ok := c.Lookup(path, info); !ok || got != digest.FromString(path) {
					t.Errorf("%s: got %q, %v", path, got, ok)
				}
				if i%50 == 0 {
					if err := c.Save(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestStoreAsksTheCache(t *testing.T) {
	s := openB(t)
	c := stage.OpenCache(s)
	s.Remember(c)
	d, created, err := s.PutBytes(t.Context(), "x", []byte("content"), nil)
	if err != nil || !created {
		t.Fatal(err)
	}
	file := filepath.Join(s.Dir(), "blobs/sha256", d.Digest.Encoded())
	if got, ok := c.Lookup("layout:blobs/sha256/"+d.Digest.Encoded(), stat(t, file)); !ok || got != d.Digest {
		t.Errorf("got %q, %v", got, ok)
	}
	info := stat(t, file)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("CONTENT"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if state, err := s.Check(t.Context(), d); state != layout.Torn || err != nil {
		t.Errorf("a blob that was changed is %s, %v", state, err)
	}
}

func BenchmarkOpenCache(b *testing.B) {
	s := openB(b)
	file := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	c := stage.OpenCache(s)
	for i := range 100_000 {
		path := fmt.Sprintf("/home/somebody/src/project/directory/%03d/file-%d.go", i/100, i)
		c.Trust(path, info, digest.FromString(path))
	}
	if err := c.Save(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		stage.OpenCache(s)
	}
}
