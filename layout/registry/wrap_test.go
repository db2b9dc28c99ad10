package registry_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registry"
)

// A registry that is only read writes nothing, not even where there is nothing.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	writable := open(t, dir, registry.Options{})
	i := newImage(t, "one", nil).mustPush(t, repository(t, writable, "app"), "v1")
	for name, reg := range map[string]*registry.Registry{"option": open(t, dir, registry.Options{ReadOnly: true}), "wrapper": writable.ReadOnly()} {
		if reg.Writable() || !writable.Writable() {
			t.Errorf("%s: writable", name)
		}
		repo := repository(t, reg, "app")
		wantResolve(t, repo, "v1", i.desc.Digest)
		_, upload := repo.StartUpload(t.Context())
		_, resumed := repo.ResumeUpload(t.Context(), "x")
		_, mount := repo.Mount(t.Context(), "app", blob(i.layer).Digest)
		_, put := repo.PushManifest(t.Context(), i.manifest, registry.Put{})
		_, expire := reg.Expire(t.Context())
		for what, err := range map[string]error{
			"upload": upload, "resume": resumed, "mount": mount, "put": put, "expire": expire,
			"push":            repo.Push(t.Context(), blob("new"), strings.NewReader("new")),
			"tag":             repo.Tag(t.Context(), i.desc, "v2"),
			"delete tag":      repo.DeleteTag(t.Context(), "v1", registry.Condition{}),
			"delete manifest": repo.DeleteManifest(t.Context(), i.desc.Digest, registry.Condition{}),
			"delete blob":     repo.DeleteBlob(t.Context(), blob(i.layer).Digest),
		} {
			var e *registry.Error
			if !errors.As(err, &e) || e.Code != registry.CodeDenied {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	none := filepath.Join(dir, "none")
	repo := repository(t, open(t, none, registry.Options{}), "app")
	wantResolve(t, repo, "v1", "")
	_, err := repo.ResolveBlob(t.Context(), blob("x").Digest)
	wantCode(t, err, registry.CodeBlobUnknown)
	for _, err := range repo.Tags(t.Context(), registry.Page{}) {
		wantCode(t, err, registry.CodeNameUnknown)
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made the directory: %v", err)
	}
}

func TestSub(t *testing.T) {
	reg := open(t, t.TempDir(), registry.Options{})
	sub, err := reg.Sub("team")
	if err != nil {
		t.Fatal(err)
	}
	i := newImage(t, "one", nil).mustPush(t, repository(t, sub, "app"), "v1")
	newImage(t, "two", nil).mustPush(t, repository(t, reg, "other/app"), "v1")
	wantResolve(t, repository(t, reg, "team/app"), "v1", i.desc.Digest)
	if got := list(t, sub.Repositories(t.Context(), registry.Page{})); !slices.Equal(got, []string{"app"}) {
		t.Errorf("repositories %q", got)
	}
	if _, err := sub.Repository("../other/app"); err == nil {
		t.Error("a name leads out of the prefix")
	}
	for _, prefix := range []string{"", "/", "..", "Team", "team/"} {
		_, err := reg.Sub(prefix)
		wantCode(t, err, registry.CodeNameInvalid)
	}
}

// Names that would lead to other files than a layout's own.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	newImage(t, "one", nil).mustPush(t, repository(t, open(t, outside, registry.Options{}), "app"), "v1")
	if _, err := registry.Open(outside, registry.Options{PerRepository: true}); err == nil || !strings.Contains(err.Error(), "is a layout itself") {
		t.Errorf("a layout as a folder of layouts: %v", err)
	}
	folder := filepath.Join(dir, "folder")
	reg := open(t, folder, registry.Options{PerRepository: true})
	newImage(t, "two", nil).mustPush(t, repository(t, reg, "app"), "v1")
	for _, name := range []string{"", ".", "..", "../outside", "app/../app", "/app", "app/", "App", "app//x", "a%2fb", "a\\b", "app/blobs", "app/blobs/sha256", "app/index.json", ".layform", "app/.layform", "app\x00", strings.Repeat("a", 256)} {
		_, err := reg.Repository(name)
		wantCode(t, err, registry.CodeNameInvalid)
	}
	if err := os.Symlink("../outside", filepath.Join(folder, "link")); err != nil {
		t.Skip(err)
	}
	link := repository(t, reg, "link")
	_, err := link.Resolve(t.Context(), "v1")
	wantCode(t, err, registry.CodeNameInvalid)
	if err := newImage(t, "three", nil).push(t.Context(), link, "v1"); err == nil {
		t.Error("a push went through a link")
	}
	if got := list(t, reg.Repositories(t.Context(), registry.Page{})); !slices.Equal(got, []string{"app"}) {
		t.Errorf("repositories %q", got)
	}
	// One repository in the folder of another, whichever came first.
	newImage(t, "four", nil).mustPush(t, repository(t, reg, "app/sub"), "v1")
	newImage(t, "five", nil).mustPush(t, repository(t, reg, "deep/er"), "v1")
	newImage(t, "six", nil).mustPush(t, repository(t, reg, "deep"), "v1")
	if got := list(t, reg.Repositories(t.Context(), registry.Page{})); !slices.Equal(got, []string{"app", "app/sub", "deep", "deep/er"}) {
		t.Errorf("repositories %q", got)
	}
	if err := os.WriteFile(filepath.Join(folder, "deep/er/notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "docs/notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = repository(t, reg, "docs").Resolve(t.Context(), "v1")
	wantCode(t, err, registry.CodeNameUnknown)
}

// A layout that goes away is an error as long as it is gone, and another one in its place
// is read.
func TestVanished(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	repo := repository(t, open(t, dir, registry.Options{}), "app")
	i := newImage(t, "one", nil).mustPush(t, repo, "v1")
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := repo.Resolve(t.Context(), "v1"); err == nil || !strings.Contains(err.Error(), "removed") {
			t.Errorf("resolved where nothing is: %v", err)
		}
	}
	next := newImage(t, "two", nil).mustPush(t, repository(t, open(t, dir, registry.Options{}), "app"), "v1")
	wantResolve(t, repo, "v1", next.desc.Digest)
	if err := os.Remove(filepath.Join(dir, "index.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Resolve(t.Context(), "v1"); err == nil || !strings.Contains(err.Error(), "no index.json") {
		t.Errorf("without index.json: %v", err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(dir+".old", dir)); err != nil {
		t.Fatal(err)
	}
	wantResolve(t, repo, "v1", i.desc.Digest)
}

// source counts what is asked of a repository.
type source struct {
	*registry.Repository
	resolved, fetched atomic.Int32
	down              atomic.Bool
}

var errDown = errors.New("the registry does not answer")

func (s *source) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	if s.down.Load() {
		return ocispec.Descriptor{}, errDown
	}
	s.resolved.Add(1)
	return s.Repository.Resolve(ctx, reference)
}

func (s *source) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if s.down.Load() {
		return nil, errDown
	}
	s.fetched.Add(1)
	return s.Repository.Fetch(ctx, desc)
}

// What a cached registry lacks is fetched once, whoever asks; a tag follows its source,
// and what is stored is enough while that is down.
func TestCached(t *testing.T) {
	far := &source{Repository: repository(t, open(t, t.TempDir(), registry.Options{}), "app")}
	one := newImage(t, "one", nil).mustPush(t, far.Repository)
	data, index := newIndex(one.desc)
	if _, err := far.PushManifest(t.Context(), data, registry.Put{Tags: []string{"latest"}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	reg := open(t, dir, registry.Options{ReadOnly: true}).Cached(func(string) (registry.Source, error) { return far, nil })
	repo := repository(t, reg, "app")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			wantResolve(t, repo, "latest", index.Digest)
			wantResolve(t, repo, string(one.desc.Digest), one.desc.Digest)
			if got := read(t, repo, blob(one.layer)); got != one.layer {
				t.Errorf("read %q", got)
			}
		})
	}
	all.Wait()
	if n := far.fetched.Load(); n != 3 {
		t.Errorf("%d fetches, want 3", n)
	}
	_, err := repo.OpenBlob(t.Context(), blob("unnamed").Digest)
	wantCode(t, err, registry.CodeBlobUnknown)
	wantResolve(t, repo, "none", "")

	two := newImage(t, "two", nil).mustPush(t, far.Repository, "latest")
	wantResolve(t, repo, "latest", two.desc.Digest)
	far.down.Store(true)
	wantResolve(t, repo, "latest", two.desc.Digest)
	wantResolve(t, repo, string(index.Digest), index.Digest)
	if _, err := repo.OpenBlob(t.Context(), blob(two.layer).Digest); !errors.Is(err, errDown) {
		t.Errorf("a blob that is not stored: %v", err)
	}
	if _, err := repo.Resolve(t.Context(), "new"); !errors.Is(err, errDown) {
		t.Errorf("a tag that is not stored: %v", err)
	}
	wantCode(t, repo.DeleteTag(t.Context(), "latest", registry.Condition{}), registry.CodeDenied)
}

// What another process writes shows with the next call, and nothing is read where nothing
// has changed.
func TestChangesShow(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{}), "app")
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	i := newImage(t, "one", nil).mustPush(t, repo, "v1")
	for n := range 20 {
		tag := "v" + strings.Repeat("x", n+2)
		if err := s.Tag(t.Context(), i.desc, "app:"+tag); err != nil {
			t.Fatal(err)
		}
		wantResolve(t, repo, tag, i.desc.Digest)
	}
	// In place, as other tools write it, within one tick of the clock.
	name := filepath.Join(dir, "index.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"w1", "w2", "w3", "w4"} {
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(data), `"app:v1"`, `"app:`+tag+`"`)), 0o644); err != nil {
			t.Fatal(err)
		}
		wantResolve(t, repo, tag, i.desc.Digest)
	}
	wantResolve(t, repo, "v1", "")
	wantResolve(t, repo, string(digest.FromString("x")), "")
}

// index.json is opened again when it has changed, and not when it has not.
func TestReadOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until the times of a file can be believed")
	}
	t.Parallel()
	dir := t.TempDir()
	i := newImage(t, "one", nil).mustPush(t, repository(t, open(t, dir, registry.Options{}), "app"), "v1")
	var opened atomic.Int32
	count := func(step layouttest.Step) error {
		if step.Op == layouttest.OpOpen && step.Name == "index.json" {
			opened.Add(1)
		}
		return nil
	}
	reg := open(t, dir, registry.Options{Layout: layout.Options{Fault: count}})
	repo := repository(t, reg, "app")
	time.Sleep(3500 * time.Millisecond)
	for range 50 {
		wantResolve(t, repo, "v1", i.desc.Digest)
		wantResolve(t, repo, string(i.desc.Digest), i.desc.Digest)
		list(t, repo.Tags(t.Context(), registry.Page{}))
		list(t, repo.Referrers(t.Context(), i.desc.Digest, "", registry.Page{}))
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("index.json was opened %d times", n)
	}
	newImage(t, "two", nil).mustPush(t, repository(t, open(t, dir, registry.Options{}), "app"), "v2")
	if tags := list(t, repo.Tags(t.Context(), registry.Page{})); len(tags) != 2 {
		t.Errorf("tags %q", tags)
	}
}

// While another process holds the lock, reads and uploads go on, and a manifest waits for
// as long as it may.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	reg := open(t, dir, registry.Options{Layout: layout.Options{LockTimeout: 20 * time.Millisecond}})
	repo := repository(t, reg, "app")
	i := newImage(t, "one", nil).mustPush(t, repo, "v1")
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	unlock, err := s.Lock(t.Context(), layout.Holder{Operation: "apply"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	wantResolve(t, repo, "v1", i.desc.Digest)
	var locked *layout.LockedError
	if err := newImage(t, "two", nil).push(t.Context(), repo, "v2"); !errors.As(err, &locked) || locked.Holder.Operation != "apply" {
		t.Errorf("pushed under the lock of another: %v", err)
	}
	if got := read(t, repo, blob("layer two")); got != "layer two" {
		t.Errorf("read %q", got)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	newImage(t, "two", nil).mustPush(t, repo, "v2")
}

// A blob that is open stays readable while its image is deleted and collected.
func TestDeletedUnderRead(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{}), "app")
	i := newImage(t, "one", nil).mustPush(t, repo, "v1")
	f, err := repo.OpenBlob(t.Context(), blob(i.layer).Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wantCode(t, repo.DeleteBlob(t.Context(), blob(i.layer).Digest), registry.CodeDenied)
	wantCode(t, repo.DeleteBlob(t.Context(), i.desc.Digest), registry.CodeDenied)
	if err := repo.DeleteManifest(t.Context(), i.desc.Digest, registry.Condition{}); err != nil {
		t.Fatal(err)
	}
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.GC(t.Context(), layout.GCOptions{MinAge: -1}); err != nil || len(got.Blobs) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil || string(data) != i.layer {
		t.Errorf("read %q, %v", data, err)
	}
	_, err = repo.OpenBlob(t.Context(), blob(i.layer).Digest)
	wantCode(t, err, registry.CodeBlobUnknown)
	if err := repo.Push(t.Context(), blob("pending"), strings.NewReader("pending")); err != nil {
		t.Fatal(err)
	}
	if err := repo.DeleteBlob(t.Context(), blob("pending").Digest); err != nil {
		t.Error(err)
	}
	wantCode(t, repo.DeleteBlob(t.Context(), blob("pending").Digest), registry.CodeBlobUnknown)
}
