//go:build unix

package layout_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/internal/disk"
)

// Where nothing can be cloned or shared, nothing has changed and the bytes can be
// written; a clone that fails otherwise ends the ingest.
func TestCloneRefused(t *testing.T) {
	t.Run("Clone", func(t *testing.T) {
		cloneRefused(t, func(in *layout.Ingest, f *os.File) error { _, err := in.Clone(f); return err })
	})
	t.Run("Share", func(t *testing.T) {
		cloneRefused(t, func(in *layout.Ingest, f *os.File) error {
			shared, err := in.Share(f, 1<<20)
			if err == nil && shared.Size() == 0 {
				err = errors.ErrUnsupported
			}
			return err
		})
	})
}

func cloneRefused(t *testing.T, clone func(*layout.Ingest, *os.File) error) {
	plain := filepath.Join(t.TempDir(), "plain")
	writeFile(t, plain, "a file")
	for name, c := range map[string]struct {
		from, begun string
		fault       error
		want        error
	}{
		"a device":     {from: "/dev/null", want: errors.ErrUnsupported},
		"a directory":  {from: filepath.Dir(plain), want: errors.ErrUnsupported},
		"begun":        {from: plain, begun: "some ", want: errors.ErrUnsupported},
		"no such call": {from: plain, fault: syscall.EOPNOTSUPP, want: errors.ErrUnsupported},
		"damaged disk": {from: plain, fault: syscall.EIO, want: syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), layout.Options{Fault: func(step disk.Step) error {
				if step.Op == disk.OpClone {
					return c.fault
				}
				return nil
			}})
			f := openFile(t, c.from, os.O_RDONLY)
			in := begin(t, s)
			if _, err := io.WriteString(in, c.begun); err != nil {
				t.Fatal(err)
			}
			if err := clone(in, f); !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
			_, writeErr := io.WriteString(in, "bytes")
			dgst, _, _, commitErr := in.Commit(t.Context())
			got := snapshot(t, filepath.Join(s.Dir(), ".layform/ingest"))
			if diff := cmp.Diff(map[string]string{".": "drwxr-xr-x "}, got); diff != "" {
				t.Errorf("left behind: %s", diff)
			}
			if c.want != errors.ErrUnsupported {
				if !errors.Is(writeErr, c.want) || !errors.Is(commitErr, c.want) {
					t.Errorf("after it: %v, %v", writeErr, commitErr)
				}
				return
			}
			if writeErr != nil || commitErr != nil || dgst != digest.FromString(c.begun+"bytes") {
				t.Errorf("after it: %v, %v, %s", writeErr, commitErr, dgst)
			}
		})
	}
}

// openFile opens a file until the end of the test.
func openFile(t *testing.T, name string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
