//go:build unix

package layout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/internal/disk"
)

// Somebody who ignores the lock refers to junk while it is being deleted, or
// before: by a new index.json, or by one that is written over the old one and
// looks as before to stat.
func TestGCNoticesForeignWriters(t *testing.T) {
	for name, tc := range map[string]struct {
		// nth is the deletion before which the index is written; with 0 it is
		// written as soon as the marks are made.
		nth   int
		write func(t *testing.T, s *layout.Store, index map[string]any)
	}{
		"a new file": {5, func(t *testing.T, s *layout.Store, index map[string]any) {
			remove(t, filepath.Join(s.Dir(), "index.json"))
			writeIndex(t, s, index)
		}},
		"in place": {5, writeUnseen}, "in place, before the first": {0, writeUnseen},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, layout.Options{NoSync: true})
			var images []image
			for i := range 20 {
				images = append(images, putImage(t, s, fmt.Sprint(i+10), "x"))
			}
			old := putImage(t, s, "00", "x")
			writeIndex(t, s, indexOf(old.manifest))
			var saved image
			removed, written := 0, false
			collector := open(t, dir, layout.Options{NoSync: true, Fault: func(step disk.Step) error {
				victim := ""
				switch {
				case written:
					return nil
				case step.Op == disk.OpRemove && strings.HasPrefix(step.Name, "blobs/"):
					removed++
					victim = step.Name
				case tc.nth > 0 || step.Op != disk.OpOpen || step.Name != "blobs/sha256/"+old.manifest.Digest.Encoded():
					return nil
				}
				if removed == tc.nth {
					saved, written = whole(t, s, images, victim), true
					tc.write(t, s, indexOf(saved.manifest))
				}
				return nil
			}})
			opts := layout.GCOptions{MinAge: -1, KeepBlobs: old.digests()}
			if _, err := collector.GC(t.Context(), opts); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sorted(saved.digests(), old.digests()), blobsOf(t, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// whole is the first of the images of which nothing is gone, when the file
// victim goes next.
func whole(t *testing.T, s *layout.Store, images []image, victim string) image {
	t.Helper()
	there := blobsOf(t, s)
	i := slices.IndexFunc(images, func(img image) bool {
		return !slices.ContainsFunc(img.digests(), func(d digest.Digest) bool {
			return !slices.Contains(there, d) || victim == "blobs/sha256/"+d.Encoded()
		})
	})
	if i < 0 {
		t.Fatal("no image is left")
	}
	return images[i]
}

// writeUnseen writes index.json in place, so that inode, size and time of
// modification stay what they are.
func writeUnseen(t *testing.T, s *layout.Store, index map[string]any) {
	t.Helper()
	name := filepath.Join(s.Dir(), "index.json")
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	writeIndex(t, s, index)
	if err := os.Chtimes(name, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime()) {
		t.Fatal("stat tells the new index.json from the old one")
	}
}

// What became of a blob since it was listed counts: it is looked at once more
// before it is deleted.
func TestGCLooksAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		meanwhile func(t *testing.T, file string)
		// young says that the blob is told to be young, there that its name stays.
		young, there bool
	}{
		"nothing":  {func(*testing.T, string) {}, false, false},
		"touched":  {func(t *testing.T, file string) { chmod(t, file, 0o400) }, true, true},
		"replaced": {func(t *testing.T, file string) { replaceFile(t, file, "junk") }, true, true},
		"written": {func(t *testing.T, file string) {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			writeOver(t, file, "JUNK")
			if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}, true, true},
		"gone":      {remove, false, false},
		"a pipe":    {func(t *testing.T, file string) { remove(t, file); mkfifo(t, file) }, false, true},
		"a link":    {func(t *testing.T, file string) { remove(t, file); symlink(t, "x", file) }, false, true},
		"no folder": {func(t *testing.T, file string) { renameFile(t, filepath.Dir(file), filepath.Dir(file)+"x") }, false, false},
	} {
		for _, minAge := range []time.Duration{-1, time.Hour} {
			t.Run(fmt.Sprint(name, " ", minAge), func(t *testing.T) {
				s := open(t, t.TempDir(), layout.Options{NoSync: true})
				setTag(t, s, ocispec.Descriptor{MediaType: "x", Digest: digest.FromString("absent"), Size: 6}, "absent")
				junk := put(t, s, "x", []byte("junk"))
				file := blobFile(s, junk.Digest)
				time.Sleep(20 * time.Millisecond) // let the clock of the file system tick
				reads := 0
				collector := open(t, s.Dir(), layout.Options{NoSync: true, Fault: func(step disk.Step) error {
					if step.Op == disk.OpOpen && step.Name == "index.json" {
						if reads++; reads == 2 { // the first is for the marks
							tc.meanwhile(t, file)
						}
					}
					return nil
				}})
				got, err := collector.GC(t.Context(), layout.GCOptions{MinAge: minAge, Now: time.Now().Add(2 * time.Hour)})
				if err != nil {
					t.Fatal(err)
				}
				deleted := name == "nothing"
				if len(got.Young) == 1 != tc.young || len(got.Blobs) == 1 != deleted || reads < 2 {
					t.Errorf("after %d looks: %+v", reads, got)
				}
				if _, err := os.Lstat(file); (err == nil) != tc.there {
					t.Errorf("afterwards: %v", err)
				}
			})
		}
	}
}

func replaceFile(t *testing.T, file, content string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(t.TempDir(), "next")
	writeFile(t, next, content)
	if err := os.Chtimes(next, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	renameFile(t, next, file)
}

func renameFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
