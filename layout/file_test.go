package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout"
)

func TestWriteNewFile(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	// What a killed writer left, and names that only look like it.
	dead := ".new-0123456789abcdef01234567"
	kept := []string{".new-0123", ".new-0123456789abcdef0123456x", ".newer-0123456789abcdef01234567", "new-0123456789abcdef01234567"}
	for _, name := range append([]string{dead}, kept...) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := layout.WriteNewFile(root, "new", []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := layout.WriteNewFile(root, "new", []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := layout.WriteNewFile(root, "link", []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a link: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "new")); err != nil || string(data) != "first" {
		t.Errorf("it holds %q, %v", data, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{".new-0123", ".new-0123456789abcdef0123456x", ".newer-0123456789abcdef01234567", "link", "new", "new-0123456789abcdef01234567"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}
