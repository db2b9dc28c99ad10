package registry_test

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registry"
)

func write(t testing.TB, up *registry.Upload, data string) {
	t.Helper()
	if _, err := up.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
}

// resume goes on with an upload in a registry that was opened anew, as another process
// would.
func resume(t testing.TB, dir, repo, id string) *registry.Upload {
	t.Helper()
	up, err := repository(t, open(t, dir, registry.Options{}), repo).ResumeUpload(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return up
}

func closed(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// An upload goes on in other processes, and back in the first one; its blob is what came
// in all of them.
func TestUploadGoesOn(t *testing.T) {
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		dir := t.TempDir()
		repo := repository(t, open(t, dir, registry.Options{}), "app")
		up, err := repo.StartUpload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		id := up.ID()
		write(t, up, "one ")
		_, err = repo.ResumeUpload(t.Context(), id)
		wantCode(t, err, registry.CodeBlobUploadInvalid)
		closed(t, up)
		other := resume(t, dir, "app", id)
		if other.Size() != 4 || other.ID() != id {
			t.Errorf("upload %s has %d bytes", other.ID(), other.Size())
		}
		write(t, other, "two ")
		closed(t, other)
		if size, err := repo.UploadSize(t.Context(), id); size != 8 || err != nil {
			t.Errorf("%d bytes, %v", size, err)
		}
		if up, err = repo.ResumeUpload(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		write(t, up, "three")
		want := "one two three"
		desc, err := up.Commit(t.Context(), a.FromString(want))
		if err != nil || desc.Size != int64(len(want)) || desc.Digest != a.FromString(want) {
			t.Fatalf("%+v, %v", desc, err)
		}
		closed(t, up)
		if got := read(t, repo, desc); got != want {
			t.Errorf("read %q", got)
		}
		_, err = repo.ResumeUpload(t.Context(), id)
		wantCode(t, err, registry.CodeBlobUploadUnknown)
	}
}

// Uploads that cannot go on, and those of others.
func TestUploadErrors(t *testing.T) {
	dir := t.TempDir()
	reg := open(t, dir, registry.Options{})
	repo := repository(t, reg, "app")
	up, err := repo.StartUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, up, "content")
	closed(t, up)
	for _, id := range []string{"", "x", "../lock", strings.Repeat("0", 24), up.ID() + "/..", "..%2f" + up.ID()} {
		_, err := repo.ResumeUpload(t.Context(), id)
		if id == "" {
			if err == nil {
				t.Error("an upload without an id")
			}
			continue
		}
		wantCode(t, err, registry.CodeBlobUploadUnknown)
		_, err = repo.UploadSize(t.Context(), id)
		wantCode(t, err, registry.CodeBlobUploadUnknown)
	}
	_, err = repository(t, reg, "other").ResumeUpload(t.Context(), up.ID())
	wantCode(t, err, registry.CodeBlobUploadUnknown)
	if _, err := up.Write([]byte("x")); err == nil {
		t.Error("written after it was closed")
	}

	up = resume(t, dir, "app", up.ID())
	_, err = up.Commit(t.Context(), "sha256:x")
	wantCode(t, err, registry.CodeDigestInvalid)
	_, err = up.Commit(t.Context(), digest.FromString("other"))
	wantCode(t, err, registry.CodeDigestInvalid)
	_, err = repo.ResumeUpload(t.Context(), up.ID())
	wantCode(t, err, registry.CodeBlobUploadUnknown)
	_, err = repo.ResolveBlob(t.Context(), digest.FromString("other"))
	wantCode(t, err, registry.CodeBlobUnknown)

	if up, err = repo.StartUpload(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, up, "content")
	if err := up.Cancel(); err != nil {
		t.Error(err)
	}
	_, err = repo.ResumeUpload(t.Context(), up.ID())
	wantCode(t, err, registry.CodeBlobUploadUnknown)
	if left, err := os.ReadDir(filepath.Join(dir, ".layform/uploads")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// A blob that was pushed and not named yet is spared by GC and Sweep, also once the
// registry is closed, for a day; an upload likewise.
func TestLeases(t *testing.T) {
	dir := t.TempDir()
	reg, err := registry.Open(dir, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	repo := repository(t, reg, "app")
	i := newImage(t, "one", nil).mustPush(t, repo, "v1")
	data := "pushed, and not named yet"
	if err := repo.Push(t.Context(), blob(data), strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	up, err := repo.StartUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, up, "begun")
	closed(t, up)
	closed(t, reg)
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	unlock, err := s.Lock(t.Context(), layout.Holder{Operation: "test"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}()
	if swept, err := s.Sweep(t.Context(), []digest.Digest{blob(data).Digest, blob(i.layer).Digest}, nil); err != nil || len(swept.Blobs) > 0 || swept.Stopped {
		t.Errorf("swept %+v, %v", swept, err)
	}
	collect := func(after time.Duration, young, gone int) {
		t.Helper()
		got, err := s.GC(t.Context(), layout.GCOptions{MinAge: -1, Now: time.Now().Add(after)})
		if err != nil || len(got.Young) != young || len(got.Blobs) != gone || got.Live != 3 {
			t.Errorf("after %s: %+v, %v", after, got, err)
		}
	}
	collect(0, 1, 0)
	repo = repository(t, open(t, dir, registry.Options{}), "app")
	if got := read(t, repo, blob(data)); got != data {
		t.Errorf("read %q", got)
	}
	if size, err := repo.UploadSize(t.Context(), up.ID()); size != 5 || err != nil {
		t.Errorf("the upload has %d bytes, %v", size, err)
	}
	collect(25*time.Hour, 0, 1)
	_, err = repo.ResolveBlob(t.Context(), blob(data).Digest)
	wantCode(t, err, registry.CodeBlobUnknown)
	_, err = repo.UploadSize(t.Context(), up.ID())
	wantCode(t, err, registry.CodeBlobUploadUnknown)
}

// A blob that somebody changed on disk is an error and never given away, and is mended
// by the next push of the right one.
func TestTamperedBlob(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{}), "app")
	i := newImage(t, "one", nil).mustPush(t, repo, "v1")
	tamper := func(d digest.Digest) {
		t.Helper()
		name := filepath.Join(dir, "blobs/sha256", d.Encoded())
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[0] ^= 1
		if err := errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	var bad *layout.BlobError
	tamper(blob(i.layer).Digest)
	if _, err := repo.OpenBlob(t.Context(), blob(i.layer).Digest); !errors.As(err, &bad) {
		t.Errorf("the layer: %v", err)
	}
	tamper(i.desc.Digest)
	if _, data, err := repo.ReadManifest(t.Context(), "v1"); !errors.As(err, &bad) || data != nil {
		t.Errorf("the manifest: %q, %v", data, err)
	}
	up, err := repo.StartUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, up, i.layer)
	if _, err := up.Commit(t.Context(), blob(i.layer).Digest); err != nil {
		t.Fatal(err)
	}
	i.mustPush(t, repo, "v1")
	if got := read(t, repo, blob(i.layer)); got != i.layer {
		t.Errorf("read %q", got)
	}
	if _, _, err := repo.ReadManifest(t.Context(), "v1"); err != nil {
		t.Error(err)
	}
	wantValid(t, dir)
}

// With more repositories than are kept open at once, a blob is hashed once all the same,
// and no more directories stay open than that.
func TestManyLayouts(t *testing.T) {
	dir := t.TempDir()
	var opened atomic.Int32
	name := strings.TrimPrefix(string(blob("layer one").Digest), "sha256:")
	count := func(step layouttest.Step) error {
		if step.Op == layouttest.OpOpen && path.Base(step.Name) == name {
			opened.Add(1)
		}
		return nil
	}
	reg := open(t, dir, registry.Options{PerRepository: true, Layout: layout.Options{NoSync: true, Fault: count}})
	newImage(t, "one", nil).mustPush(t, repository(t, reg, "first"), "v1")
	opened.Store(0)
	for round := range 2 {
		if got := read(t, repository(t, reg, "first"), blob("layer one")); got != "layer one" {
			t.Errorf("read %q", got)
		}
		if round == 1 {
			break
		}
		for n := range 300 {
			wantResolve(t, repository(t, reg, "app"+strconv.Itoa(n)), "v1", "")
		}
	}
	if n := opened.Load(); n != 2 { // once for each reader, and not to hash it
		t.Errorf("the blob was opened %d times", n)
	}
}
