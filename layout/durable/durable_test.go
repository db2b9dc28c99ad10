package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout/durable"
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
	if err := durable.WriteNewFile(root, "new", []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteNewFile(root, "new", []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteNewFile(root, "link", []byte("second"), 0o644); !errors.Is(err, fs.ErrExist) {
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

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.WriteFile(filepath.Join(dir, "victim"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("victim", filepath.Join(dir, "plan")); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"one", ""} {
		if err := durable.WriteFile(root, "plan", []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"victim": "-rw-r--r-- old", "plan": "-rw------- " + data}
		if diff := cmp.Diff(want, snapshot(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	for _, name := range []string{"d", "missing/plan", "../plan"} {
		if err := durable.WriteFile(root, name, []byte("x"), 0o600); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// snapshot gives mode and content of all that a directory holds, links followed by none.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		content := ""
		if e.Type().IsRegular() {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			content = string(data)
		}
		files[e.Name()] = info.Mode().String() + " " + content
	}
	return files
}

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := durable.ReplaceFile(root, "f", nil, []byte("x"), 0o600); !errors.Is(err, durable.ErrChanged) {
		t.Errorf("a file that is gone: %v", err)
	}
	for _, now := range []string{"", "befor", "before and more", "BEFORE"} {
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := durable.ReplaceFile(root, "f", []byte("before"), []byte("after"), 0o600); !errors.Is(err, durable.ErrChanged) {
			t.Errorf("%q: %v", now, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != now {
			t.Errorf("%q became %q, %v", now, got, err)
		}
	}
	if err := durable.ReplaceFile(root, "f", []byte("BEFORE"), []byte("after"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "f"))
	if got, readErr := os.ReadFile(filepath.Join(dir, "f")); readErr != nil || string(got) != "after" || err != nil || info.Mode() != 0o600 {
		t.Errorf("%q, %v, %v, %v", got, readErr, info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

// Writers that read, change and replace one file at once lose none of their changes.
func TestReplaceFileAtOnce(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := durable.WriteNewFile(root, "f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 4, 8
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for done := 0; done < rounds; {
				before, err := root.ReadFile("f")
				if err != nil {
					t.Error(err)
					return
				}
				switch err := durable.ReplaceFile(root, "f", before, append(bytes.Clone(before), 'x'), 0o600); {
				case err == nil:
					done++
				case !errors.Is(err, durable.ErrChanged):
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if got, err := root.ReadFile("f"); err != nil || len(got) != writers*rounds {
		t.Errorf("%d changes of %d are there, %v", len(got), writers*rounds, err)
	}
}
