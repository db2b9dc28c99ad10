//go:build unix

package layout_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// TestPutBlob: a blob is put once, under the digest that was asked for, or not at all.
func TestPutBlob(t *testing.T) {
	store := open(t, t.TempDir(), layout.Options{NoSync: true})
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		desc := ocispec.Descriptor{Digest: algorithm.FromString("content"), Size: 7}
		write := func(text string) func(*layout.Ingest) error {
			return func(in *layout.Ingest) error {
				_, err := in.Write([]byte(text))
				return err
			}
		}
		for _, wrong := range []string{"other !", "content and more", ""} {
			if created, err := store.PutBlob(t.Context(), desc, nil, write(wrong)); err == nil || created || !strings.Contains(err.Error(), string(desc.Digest)) {
				t.Errorf("%q was put: %v, %v", wrong, created, err)
			}
		}
		failed := errors.New("no content today")
		if _, err := store.PutBlob(t.Context(), desc, nil, func(*layout.Ingest) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("%v", err)
		}
		if there, err := store.Exists(t.Context(), desc); there || err != nil {
			t.Errorf("something is there: %v, %v", there, err)
		}
		if created, err := store.PutBlob(t.Context(), desc, nil, write("content")); err != nil || !created {
			t.Errorf("created %v, %v", created, err)
		}
		never := func(*layout.Ingest) error { t.Error("an intact blob was written again"); return nil }
		if created, err := store.PutBlob(t.Context(), desc, nil, never); err != nil || created {
			t.Errorf("created %v, %v", created, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(store.Dir(), ".layform", "ingest", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCopyBlob copies from another layout, and notices a blob that is torn.
func TestCopyBlob(t *testing.T) {
	from, to := open(t, t.TempDir(), layout.Options{NoSync: true}), open(t, t.TempDir(), layout.Options{NoSync: true})
	desc, _, err := from.PutBytes(t.Context(), "text/plain", []byte(strings.Repeat("content ", 100_000)), nil)
	if err != nil {
		t.Fatal(err)
	}
	fill := func(in *layout.Ingest) error { return in.CopyBlob(t.Context(), from.Reader, desc) }
	if created, err := to.PutBlob(t.Context(), desc, nil, fill); err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	data, err := to.ReadBlob(t.Context(), desc, 1<<20)
	if err != nil || digest.FromBytes(data) != desc.Digest {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	name := filepath.Join(from.Dir(), "blobs", "sha256", desc.Digest.Encoded())
	data[5]++
	if err := errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	var torn *layout.BlobError
	third := open(t, t.TempDir(), layout.Options{NoSync: true})
	if _, err := third.PutBlob(t.Context(), desc, nil, fill); !errors.As(err, &torn) {
		t.Errorf("a torn blob was copied: %v", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := third.PutBlob(t.Context(), desc, nil, fill); !errors.As(err, &torn) {
		t.Errorf("a missing blob was copied: %v", err)
	}
}

// TestCopyVerified: content that verifies itself becomes a blob only when its reader
// reached its end, and nothing can follow it.
func TestCopyVerified(t *testing.T) {
	store := open(t, t.TempDir(), layout.Options{NoSync: true})
	desc := ocispec.Descriptor{Digest: digest.FromString("content"), Size: 7}
	torn := errors.New("it is torn")
	copied := func(r io.Reader, more ...string) error {
		_, err := store.PutBlob(t.Context(), desc, nil, func(in *layout.Ingest) error {
			err := in.CopyVerified(t.Context(), desc, r)
			for _, text := range more {
				if _, writeErr := io.WriteString(in, text); writeErr == nil {
					t.Errorf("%q follows content that ended with %v", text, err)
				}
			}
			if err != nil && more == nil {
				return nil // as if it had not been looked at
			}
			return err
		})
		return err
	}
	for name, err := range map[string]error{
		"torn":     copied(io.MultiReader(strings.NewReader("content"), iotest.ErrReader(torn))),
		"short":    copied(strings.NewReader("cont")),
		"long":     copied(strings.NewReader("content and more")),
		"followed": copied(strings.NewReader("content"), "and more"),
		"again":    copied(iotest.ErrReader(torn), "content"),
	} {
		if err == nil {
			t.Errorf("%s: it was put", name)
		}
	}
	if there, err := store.Exists(t.Context(), desc); there || err != nil {
		t.Errorf("something is there: %v, %v", there, err)
	}
	if err := copied(strings.NewReader("content")); err != nil {
		t.Error(err)
	}
	if data, err := store.ReadBlob(t.Context(), desc, 0); err != nil || string(data) != "content" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestWatch: an Ingest tells how far it is, however its content comes.
func TestWatch(t *testing.T) {
	from := open(t, t.TempDir(), layout.Options{NoSync: true})
	content := strings.Repeat("content ", 100_000)
	desc, _, err := from.PutBytes(t.Context(), "text/plain", []byte(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, fill := range map[string]func(*layout.Ingest) error{
		"written": func(in *layout.Ingest) error { _, err := io.WriteString(in, content); return err },
		"copied":  func(in *layout.Ingest) error { return in.CopyBlob(t.Context(), from.Reader, desc) },
		"verified": func(in *layout.Ingest) error {
			return in.CopyVerified(t.Context(), desc, iotest.HalfReader(strings.NewReader(content)))
		},
	} {
		store := open(t, t.TempDir(), layout.Options{NoSync: true})
		var seen []int64
		_, err := store.PutBlob(t.Context(), desc, nil, func(in *layout.Ingest) error {
			in.Watch(func(n int64) { seen = append(seen, n) })
			return fill(in)
		})
		if err != nil || len(seen) == 0 || seen[len(seen)-1] != desc.Size || !slices.IsSorted(seen) {
			t.Errorf("%s: %v, %v", name, seen, err)
		}
	}
}
