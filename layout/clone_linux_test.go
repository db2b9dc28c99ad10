package layout_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/testdata/reflinks"
)

// A clone holds what the file held, whatever becomes of the file, and none of it
// is written. It counts once it was read.
func TestClone(t *testing.T) {
	dir := reflinks.Mount(t)
	s := open(t, filepath.Join(dir, "layout"), layout.Options{})
	name := filepath.Join(dir, "source")
	content := strings.Repeat("some bytes of content\n", 300_001)
	for _, before := range []string{content, "", "x"} {
		writeFile(t, name, before)
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		in, err := s.Ingest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, start := reflinks.Transferred(t)
		r, err := in.Clone(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("SOME"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, int64(len(before)/2)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, "x"); err == nil {
			t.Error("written into the middle of a clone")
		}
		if _, err := in.Clone(f); err == nil {
			t.Error("cloned twice")
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != before[len(before)/2:] || in.Size() != int64(len(before)) || in.Digest() != digest.FromString(before) {
			t.Errorf("read %d bytes, in all %d with digest %s: %v", len(got), in.Size(), in.Digest(), err)
		}
		if _, err := io.WriteString(in, " and more"); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Clone(f); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("cloned over what was written: %v", err)
		}
		dgst, size, created, err := in.Commit(t.Context())
		if err != nil || !created {
			t.Fatal(created, err)
		}
		if _, n := reflinks.Transferred(t); n > start+64<<10 {
			t.Errorf("%d bytes were written", n-start)
		}
		blob, err := s.ReadBlob(t.Context(), ocispec.Descriptor{Digest: dgst, Size: size}, size)
		if err != nil || string(blob) != before+" and more" {
			t.Errorf("the blob of %d bytes is another one: %v", size, err)
		}
		for name, want := range map[string]os.FileMode{name: 0o644, blobFile(s, dgst): 0o444} {
			if info, err := os.Stat(name); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read after Commit: %v", err)
		}
	}
}

// A clone that was not read is not known, and is no blob.
func TestCloneUnread(t *testing.T) {
	dir := reflinks.Mount(t)
	s := open(t, filepath.Join(dir, "layout"), layout.Options{})
	name, elsewhere := filepath.Join(dir, "source"), filepath.Join(t.TempDir(), "source")
	for _, name := range []string{name, elsewhere} {
		writeFile(t, name, "content")
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, end := range []func(*layout.Ingest) error{
		func(in *layout.Ingest) error { _, _, _, err := in.Commit(t.Context()); return err },
		func(in *layout.Ingest) error { return errors.Join(in.Abort(), errors.New("aborted")) },
	} {
		in, err := s.Ingest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := in.Clone(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, len("content"))); err != nil {
			t.Fatal(err)
		}
		if err := end(in); err == nil {
			t.Error("committed without its end being read")
		}
		if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read after the end of the ingest: %v", err)
		}
	}
	if got := snapshot(t, filepath.Join(s.Dir(), "blobs")); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	other, err := os.Open(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	in, err := s.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Abort()
	if _, err := in.Clone(other); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("cloned from another file system: %v", err)
	}
}
