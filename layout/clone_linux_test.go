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
		f := openFile(t, name, os.O_RDWR)
		in := begin(t, s)
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
	f := openFile(t, name, os.O_RDONLY)
	for _, end := range []func(*layout.Ingest) error{
		func(in *layout.Ingest) error { _, _, _, err := in.Commit(t.Context()); return err },
		func(in *layout.Ingest) error { return errors.Join(in.Abort(), errors.New("aborted")) },
	} {
		in := begin(t, s)
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
	other := openFile(t, elsewhere, os.O_RDONLY)
	in := begin(t, s)
	if _, err := in.Clone(other); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("cloned from another file system: %v", err)
	}
}

// What an ingest shares with a file is not written, and the file, whatever it
// holds, decides no byte of the blob.
func TestShare(t *testing.T) {
	dir := reflinks.Mount(t)
	s := open(t, filepath.Join(dir, "layout"), layout.Options{})
	name := filepath.Join(dir, "source")
	rest := strings.Repeat("what the file holds besides\n", 10_000)
	front := strings.Repeat("a front that is long enough to be shared\n", 50_000)
	for what, c := range map[string]struct {
		content string
		n       int
		shared  int64
		written int
	}{
		"the front":          {front + "another end", len(front), 31 << 16, len(front) - 31<<16 + len("another end")},
		"all of it":          {front + rest, len(front + rest), 35 << 16, len(front+rest) - 35<<16},
		"a change within":    {front[:1<<20] + "\x00" + front[1<<20+1:], len(front), 31 << 16, len(front) - 31<<16 + 1<<18},
		"a change in length": {"x" + front, len(front), 31 << 16, 1 + len(front)},
		"a shorter one":      {front[:1<<20+5], len(front), 31 << 16, 0},
		"nothing":            {"", len(front), 31 << 16, 0},
		"no block":           {front, 1<<16 - 1, 0, len(front)},
		"less than nothing":  {front, -1, 0, len(front)},
		"more than there is": {front, 1 << 40, 0, len(front)},
	} {
		t.Run(what, func(t *testing.T) {
			writeFile(t, name, front+rest)
			f := openFile(t, name, os.O_RDWR)
			in := begin(t, s)
			shared, err := in.Share(f, int64(c.n))
			if err != nil || shared.Size() != c.shared || in.Size() != 0 {
				t.Fatalf("%d bytes are shared and %d written: %v", shared.Size(), in.Size(), err)
			}
			if c.shared > 0 {
				if _, err := in.Clone(f); !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("cloned over what is shared: %v", err)
				}
			}
			if _, err := f.WriteAt([]byte("A FRONT"), 0); err != nil {
				t.Fatal(err)
			}
			if n := shareWrite(t, s, in, shared, c.content); n < c.written || n > c.written+32<<10 {
				t.Errorf("%d bytes were written, not about %d", n, c.written)
			}
		})
	}
}

// shareWrite makes content a blob by way of an ingest that shares something, and
// gives the number of bytes that are written for it.
func shareWrite(t *testing.T, s *layout.Store, in *layout.Ingest, shared *io.SectionReader, content string) int {
	t.Helper()
	_, start := reflinks.Transferred(t)
	for rest := content; rest != ""; {
		n := min(len(rest), 1<<18)
		if m, err := io.WriteString(in, rest[:n]); err != nil || m != n {
			t.Fatal(m, err)
		}
		rest = rest[n:]
	}
	_, end := reflinks.Transferred(t)
	got := make([]byte, min(len(content), int(shared.Size())))
	if _, err := shared.ReadAt(got, 0); err != nil && err != io.EOF || string(got) != content[:len(got)] {
		t.Errorf("what is shared reads as something else: %v", err)
	}
	dgst, size, created, err := in.Commit(t.Context())
	if err != nil || !created || dgst != digest.FromString(content) || size != int64(len(content)) {
		t.Fatalf("committed %s of %d bytes: %t, %v", dgst, size, created, err)
	}
	if blob, err := os.ReadFile(blobFile(s, dgst)); err != nil || string(blob) != content {
		t.Errorf("the blob of %d bytes is another one: %v", len(blob), err)
	}
	remove(t, blobFile(s, dgst))
	return int(end - start)
}
