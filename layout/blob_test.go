//go:build unix

package layout_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout"
)

func blobFile(s *layout.Store, d digest.Digest) string {
	return filepath.Join(s.Dir(), "blobs", d.Algorithm().String(), d.Encoded())
}

// damage overwrites a blob, which is read-only.
func damage(t *testing.T, s *layout.Store, d digest.Digest, content string) {
	t.Helper()
	remove(t, blobFile(s, d))
	writeFile(t, blobFile(s, d), content)
}

func ingest(t *testing.T, s *layout.Store, content string) (digest.Digest, bool) {
	t.Helper()
	in := begin(t, s)
	for _, part := range strings.SplitAfter(content, " ") {
		if _, err := io.WriteString(in, part); err != nil {
			t.Fatal(err)
		}
	}
	dgst, size, created, err := in.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if size != int64(len(content)) || dgst != digest.FromString(content) {
		t.Errorf("committed %s of %d bytes for %q", dgst, size, content)
	}
	return dgst, created
}

func TestIngest(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "l"), layout.Options{})
	const content = "some bytes of content"
	dgst, created := ingest(t, s, content)
	if !created {
		t.Error("a new blob was not created")
	}
	first, err := os.Stat(blobFile(s, dgst))
	if err != nil {
		t.Fatal(err)
	}
	if _, created := ingest(t, s, content); created {
		t.Error("a blob that was there was created again")
	}
	if _, created, err := s.PutBytes(t.Context(), "x", []byte(content), nil); created || err != nil {
		t.Error("a blob that was there was created again", err)
	}
	second, err := os.Stat(blobFile(s, dgst))
	if err != nil || !os.SameFile(first, second) {
		t.Error("an intact blob was replaced", err)
	}
	for _, torn := range []string{"", content[:5], content + "x", strings.ToUpper(content)} {
		damage(t, s, dgst, torn)
		if _, created := ingest(t, s, content); !created {
			t.Errorf("a blob that holds %q was kept", torn)
		}
		if data, err := s.ReadBlob(t.Context(), ocispec.Descriptor{Digest: dgst, Size: int64(len(content))}, 0); err != nil || string(data) != content {
			t.Errorf("got %q, %v", data, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(s.Dir(), ".layform/ingest/*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestIngestEnds(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	in := begin(t, s)
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := in.Abort(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Write([]byte("x")); err == nil {
		t.Error("written after Abort")
	}
	if _, _, _, err := in.Commit(t.Context()); err == nil {
		t.Error("committed after Abort")
	}
	if got := snapshot(t, filepath.Join(s.Dir(), "blobs")); len(got) > 0 {
		t.Errorf("an aborted ingest left %v", got)
	}
}

func TestFetchVerifies(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	const content = "the true content"
	desc := put(t, s, "x", []byte(content))
	read := func(desc ocispec.Descriptor) (string, error) {
		r, err := s.Fetch(t.Context(), desc)
		if err != nil {
			return "", err
		}
		defer r.Close()
		data, err := io.ReadAll(r)
		return string(data), err
	}
	if got, err := read(desc); err != nil || got != content {
		t.Errorf("got %q, %v", got, err)
	}
	wrongSize := desc
	wrongSize.Size++
	flipped := []byte(content)
	flipped[3] ^= 1
	var be *layout.BlobError
	if _, err := read(wrongSize); !errors.As(err, &be) {
		t.Errorf("a wrong size: %v", err)
	}
	for name, torn := range map[string]string{"flipped": string(flipped), "cut": content[:4], "extended": content + "!", "empty": ""} {
		damage(t, s, desc.Digest, torn)
		if _, err := read(desc); !errors.As(err, &be) || be.Digest != desc.Digest {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := s.ReadBlob(t.Context(), desc, 0); !errors.As(err, &be) {
			t.Errorf("%s: ReadBlob: got %v", name, err)
		}
		if state, err := s.Check(t.Context(), desc); state != layout.Torn || err != nil {
			t.Errorf("%s: %s, %v", name, state, err)
		}
	}
	remove(t, blobFile(s, desc.Digest))
	if _, err := read(desc); !errors.Is(err, errdef.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing blob: %v", err)
	}
	if state, err := s.Check(t.Context(), desc); state != layout.Missing || err != nil {
		t.Errorf("%s, %v", state, err)
	}
	if _, err := s.ReadBlob(t.Context(), ocispec.Descriptor{Digest: desc.Digest, Size: 1 << 62}, 0); err == nil {
		t.Error("a huge size was read")
	}
}

// No digest leads anywhere but to a blob.
func TestHostileDigests(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	putImage(t, s, "a", "latest")
	for _, d := range []digest.Digest{
		"", "sha256:", "sha256:../../x", "../..:x", "sha256:" + digest.Digest(strings.Repeat("A", 64)), "sha256:abc",
		"sha256:" + digest.Digest(strings.Repeat("g", 64)), "md5:d41d8cd98f00b204e9800998ecf8427e", "sha384:" + digest.Digest(strings.Repeat("0", 96)),
		"sha256:\x00", digest.Digest("sha256:" + strings.Repeat("0", 63) + "/"), "blake3:" + digest.Digest(strings.Repeat("0", 64)),
	} {
		desc := ocispec.Descriptor{Digest: d, Size: 1}
		if _, err := s.Fetch(t.Context(), desc); err == nil {
			t.Errorf("%q was fetched", d)
		}
		if _, err := s.ReaderAt(t.Context(), d); err == nil {
			t.Errorf("%q was opened", d)
		}
		if _, err := s.Check(t.Context(), desc); err == nil {
			t.Errorf("%q was checked", d)
		}
		if err := s.Push(t.Context(), desc, strings.NewReader("x")); err == nil {
			t.Errorf("%q was pushed", d)
		}
		if _, err := s.Sweep(t.Context(), []digest.Digest{d}, nil); err == nil {
			t.Errorf("%q was swept", d)
		}
	}
}

// Whatever stands in the place of a blob, or of the directories above, is
// refused at once. So is a link, but for one to a file in the layout.
func TestBlobIsNoFile(t *testing.T) {
	for name, place := range map[string]func(t *testing.T, s *layout.Store, file string){
		"pipe":      func(t *testing.T, s *layout.Store, file string) { remove(t, file); mkfifo(t, file) },
		"directory": func(t *testing.T, s *layout.Store, file string) { remove(t, file); mkdir(t, file) },
		"link out": func(t *testing.T, s *layout.Store, file string) {
			outside := filepath.Join(t.TempDir(), "real")
			if err := os.Rename(file, outside); err != nil {
				t.Fatal(err)
			}
			symlink(t, outside, file)
		},
		"link up and back": func(t *testing.T, s *layout.Store, file string) {
			if err := os.Rename(file, filepath.Join(s.Dir(), "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "../../../"+filepath.Base(s.Dir())+"/real", file)
		},
		"dangling link": func(t *testing.T, _ *layout.Store, file string) { remove(t, file); symlink(t, "nowhere", file) },
		"link to itself": func(t *testing.T, _ *layout.Store, file string) {
			remove(t, file)
			symlink(t, filepath.Base(file), file)
		},
		"link to a directory": func(t *testing.T, _ *layout.Store, file string) { remove(t, file); symlink(t, "..", file) },
		"link to a pipe": func(t *testing.T, s *layout.Store, file string) {
			remove(t, file)
			mkfifo(t, filepath.Join(s.Dir(), "pipe"))
			symlink(t, "../../pipe", file)
		},
		"link for blobs": func(t *testing.T, s *layout.Store, file string) {
			if err := os.Rename(filepath.Join(s.Dir(), "blobs"), filepath.Join(s.Dir(), "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "real", filepath.Join(s.Dir(), "blobs"))
		},
		"link for sha256": func(t *testing.T, s *layout.Store, file string) {
			if err := os.Rename(filepath.Dir(file), filepath.Join(s.Dir(), "real")); err != nil {
				t.Fatal(err)
			}
			symlink(t, "../real", filepath.Dir(file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), layout.Options{})
			desc := put(t, s, "x", []byte("content"))
			place(t, s, blobFile(s, desc.Digest))
			if _, err := s.Fetch(t.Context(), desc); !errors.Is(err, layout.ErrNotPlain) {
				t.Errorf("Fetch: %v", err)
			}
			if ok, err := s.Exists(t.Context(), desc); ok || !errors.Is(err, layout.ErrNotPlain) {
				t.Errorf("Exists: %v, %v", ok, err)
			}
			if state, err := s.Check(t.Context(), desc); state != layout.Torn || err != nil {
				t.Errorf("Check: %s, %v", state, err)
			}
			before := snapshot(t, s.Dir())
			got, err := s.Sweep(t.Context(), []digest.Digest{desc.Digest}, nil)
			after := snapshot(t, s.Dir())
			switch {
			case strings.HasPrefix(name, "link for "): // the blob's own folder
				if !errors.Is(err, layout.ErrNotPlain) {
					t.Errorf("Sweep: %v", err)
				}
			case err != nil || got.Stopped || len(got.Blobs) > 1 || got.Bytes != 0:
				t.Errorf("Sweep: %+v, %v", got, err)
			case len(got.Blobs) == 1: // a link goes, and nothing that it leads to
				if !strings.Contains(name, "link") {
					t.Error("what is no blob was swept")
				}
				delete(before, "blobs/sha256/"+desc.Digest.Encoded())
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A link to the content of a blob gives way to it and is swept, while what it leads to
// stays.
func TestLinkIsReplacedAndSwept(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	desc := put(t, s, "x", []byte("content"))
	file, real := blobFile(s, desc.Digest), filepath.Join(s.Dir(), "real")
	link := func() {
		t.Helper()
		if err := os.Rename(file, real); err != nil {
			t.Fatal(err)
		}
		symlink(t, "../../real", file)
	}
	link()
	put(t, s, "x", []byte("content"))
	if state, err := s.Check(t.Context(), desc); state != layout.Intact || err != nil {
		t.Errorf("what replaced it is %s, %v", state, err)
	}
	link()
	got, err := s.Sweep(t.Context(), []digest.Digest{desc.Digest}, nil)
	if diff := cmp.Diff(layout.Swept{Blobs: []digest.Digest{desc.Digest}}, got); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link: %v", err)
	}
	if data, err := os.ReadFile(real); err != nil || string(data) != "content" {
		t.Errorf("what the link led to: %q, %v", data, err)
	}
}

func TestReaderAt(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	desc := put(t, s, "x", []byte("0123456789"))
	b, err := s.ReaderAt(t.Context(), desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(b, 3, 4))
	if err != nil || string(got) != "3456" || b.Size() != 10 {
		t.Errorf("got %q of %d, %v", got, b.Size(), err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestBlobsListsBlobsAlone(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	img := putImage(t, s, "a", "latest")
	writeFile(t, filepath.Join(s.Dir(), "blobs/sha256/README"), "x")
	mkdir(t, filepath.Join(s.Dir(), "blobs/sha256/"+strings.Repeat("0", 64)))
	mkdir(t, filepath.Join(s.Dir(), "blobs/uploads"))
	got := map[digest.Digest]int64{}
	for b, err := range s.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got[b.Digest] = b.Size
	}
	want := map[digest.Digest]int64{
		img.layer.Digest: img.layer.Size, img.config.Digest: img.config.Size, img.manifest.Digest: img.manifest.Size,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStateFiles(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "l"), layout.Options{})
	if _, err := s.ReadState("stage/x.json", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := s.RemoveState("stage/x.json"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"../x", "/x", "", ".", "a/../../x", "lock"} {
		if s.SaveState(name, nil) == nil {
			t.Errorf("%q was written", name)
		}
	}
	if err := s.SaveState("stage/x.json", []byte("data")); err != nil {
		t.Fatal(err)
	}
	w, err := s.AppendState("stage/x.journal")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("line\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadState("stage/x.json", 3); err == nil {
		t.Error("more than the limit was read")
	}
	if data, err := s.ReadState("stage/x.journal", 10); err != nil || !bytes.Equal(data, []byte("line\n")) {
		t.Errorf("got %q, %v", data, err)
	}
	mkfifo(t, filepath.Join(s.Dir(), ".layform/stage/pipe"))
	if _, err := s.ReadState("stage/pipe", 3); !errors.Is(err, layout.ErrNotPlain) {
		t.Errorf("got %v", err)
	}
	names, err := s.ListState("stage")
	if diff := cmp.Diff([]string{"x.journal", "x.json"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if err := s.RemoveState("stage/x.json"); err != nil {
		t.Error(err)
	}
}

// Readers follow a link in the place of a blob that stays in the layout, and
// verify what they find as ever. Writers put a file there.
func TestLinkedBlob(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	desc := put(t, s, "x", []byte("content"))
	file, real := blobFile(s, desc.Digest), filepath.Join(s.Dir(), "real")
	if err := os.Rename(file, real); err != nil {
		t.Fatal(err)
	}
	symlink(t, "../../real", file)
	if data, err := s.ReadBlob(t.Context(), desc, 0); err != nil || string(data) != "content" {
		t.Errorf("it reads %q, %v", data, err)
	}
	if ok, err := s.Exists(t.Context(), desc); !ok || err != nil {
		t.Errorf("it exists: %v, %v", ok, err)
	}
	if state, err := s.Check(t.Context(), desc); state != layout.Torn || err != nil {
		t.Errorf("it is %s, %v", state, err)
	}
	if err := os.Chmod(real, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(real, []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadBlob(t.Context(), desc, 0); err == nil {
		t.Error("other content is not noticed")
	}
	if state, err := s.Check(t.Context(), desc); state != layout.Torn || err != nil {
		t.Errorf("with other content it is %s, %v", state, err)
	}
	put(t, s, "x", []byte("content"))
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		t.Errorf("what was written is %v, %v", info, err)
	}
	if data, err := os.ReadFile(real); err != nil || string(data) != "another" {
		t.Errorf("the link's target became %q, %v", data, err)
	}
}
