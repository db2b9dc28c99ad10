package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/repair"
)

// asUser does what do does without the rights of root, in a directory that it
// may write.
func asUser(t *testing.T, dir string, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	const nobody = 65534
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its rights
		err := syscall.Setfsuid(nobody)
		if err == nil {
			do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A blob that lacked nothing but its name when its writer was killed is
// read-only already. It goes all the same, while that of a live writer stays.
func TestReadOnlyLeftovers(t *testing.T) {
	for name, clean := range map[string]func(s *layout.Store) error{
		"repair": func(s *layout.Store) error {
			would, err := repair.Layout(t.Context(), s, repair.Options{DryRun: true})
			if err != nil {
				return err
			}
			got, err := repairLocked(t, s, repair.Options{})
			if err != nil {
				return err
			}
			if diff := cmp.Diff(would, got); diff != "" || len(got) != 1 {
				t.Errorf("a dry run told something else, or nothing: %s", diff)
			}
			return nil
		},
		"gc": func(s *layout.Store) error {
			_, err := s.GC(t.Context(), layout.GCOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), layout.Options{NoSync: true})
			putImage(t, s, "a", "a")
			dead, live := filepath.Join(s.Dir(), ".layform/ingest/blob-1"), filepath.Join(s.Dir(), ".layform/ingest/blob-2")
			for _, file := range []string{dead, live} {
				writeFile(t, file, "whole")
				chmod(t, file, 0o444)
			}
			writer, err := os.Open(live)
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			if err := syscall.Flock(int(writer.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			asUser(t, s.Dir(), func() {
				if err := clean(s); err != nil {
					t.Error(err)
				}
			})
			left, err := filepath.Glob(filepath.Join(s.Dir(), ".layform/ingest/*"))
			if diff := cmp.Diff([]string{live}, left); diff != "" || err != nil {
				t.Errorf("%s%v", diff, err)
			}
		})
	}
}
