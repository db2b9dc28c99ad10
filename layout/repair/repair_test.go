package repair_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/stage"
)

// damaged is a layout whose spec was interrupted, with one torn blob that the spec
// owns and one that it does not, and no index.json.
func damaged(t *testing.T) (s *layout.Store, owned, foreign digest.Digest) {
	t.Helper()
	s, err := layout.Open(filepath.Join(t.TempDir(), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(content string) ocispec.Descriptor {
		d, _, err := s.PutBytes(t.Context(), "text/plain", []byte(content), nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	ours, theirs := put("ours"), put("theirs")
	if err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := stage.Stage{Spec: "web", State: stage.Done, Blobs: []digest.Digest{ours.Digest}, Objects: map[string]stage.Object{"layer.a": {Descriptor: ours}}}
	was.Version = stage.Version
	next := was
	next.State, next.Was, next.After = stage.Pending, &was, digest.FromString("an index that never came")
	if err := stage.Save(t.Context(), s, &next); err != nil {
		t.Fatal(err)
	}
	for _, d := range []digest.Digest{ours.Digest, theirs.Digest} {
		name := blobFile(s, d)
		if err := errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, []byte("torn"), 0o644), os.Chmod(name, 0o444)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(s.Dir(), "index.json")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, ours.Digest, theirs.Digest
}

func blobFile(s *layout.Store, d digest.Digest) string {
	return filepath.Join(s.Dir(), "blobs/sha256", d.Encoded())
}

// mend repairs under the lock.
func mend(t *testing.T, s *layout.Store, opts repair.Options) []repair.Mended {
	t.Helper()
	unlock, err := s.Lock(t.Context(), layout.Holder{Operation: "repair"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := repair.Layout(t.Context(), s, opts)
	if err := errors.Join(err, unlock()); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestLayout holds that what is mended of the files decides what is mended of the
// staging state, in a dry run as in a real one.
func TestLayout(t *testing.T) {
	s, owned, foreign := damaged(t)
	would, err := repair.Layout(t.Context(), s, repair.Options{DryRun: true, MoveTorn: true})
	if err != nil {
		t.Fatal(err)
	}
	got := mend(t, s, repair.Options{MoveTorn: true})
	if diff := cmp.Diff(would, got); diff != "" {
		t.Errorf("the dry run told something else: %s", diff)
	}
	type line struct {
		Object string
		Remedy repair.Remedy
	}
	var lines []line
	for _, m := range got {
		lines = append(lines, line{m.Object, m.Remedy})
	}
	torn := map[digest.Digest]repair.Remedy{owned: repair.Removed, foreign: repair.Moved}
	first, second := min(owned, foreign), max(owned, foreign)
	want := []line{
		{"blobs/sha256/" + first.Encoded(), torn[first]}, {"blobs/sha256/" + second.Encoded(), torn[second]},
		{"index.json", repair.Written},
		{".layform/stage/web.json", repair.Written}, // it is pending
		{".layform/stage/web.json", repair.Written}, // it claims a blob that is gone
		{".layform/stage/web.json", repair.Left},    // an object is gone
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	st, _, err := stage.Read(s, "web")
	if err != nil || st.State != stage.Done || len(st.Blobs) > 0 {
		t.Errorf("%+v, %v", st, err)
	}
	again, err := repair.Layout(t.Context(), s, repair.Options{DryRun: true, MoveTorn: true})
	if err != nil || len(again) != 1 || again[0].Remedy != repair.Left {
		t.Errorf("again: %+v, %v", again, err)
	}
	if kept, err := filepath.Glob(filepath.Join(s.Dir(), ".layform/torn/sha256-"+foreign.Encoded()+"-*")); len(kept) != 1 || err != nil {
		t.Errorf("what was moved aside: %v, %v", kept, err)
	}
}

// TestOwned holds that a blob that can be made again is removed on the word of the
// caller as well.
func TestOwned(t *testing.T) {
	s, _, foreign := damaged(t)
	lines := mend(t, s, repair.Options{Owned: []digest.Digest{foreign}})
	if _, err := os.Lstat(blobFile(s, foreign)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v: %+v", err, lines)
	}
}
