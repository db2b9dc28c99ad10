//go:build unix

package executor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/planner"
)

// Another tool adds a tag to an image while an apply replaces that image: the
// blobs that its new entry refers to stay, whenever it writes.
func TestSweepLeavesWhatAnotherToolTagged(t *testing.T) {
	var swapped bool
	for name, at := range map[string]func(layouttest.Step) bool{
		"before the swap": func(s layouttest.Step) bool {
			return s.Op == layouttest.OpWrite && strings.Contains(s.Name, "index.json")
		},
		"before the sweep": func(s layouttest.Step) bool { return s.Op == layouttest.OpSync && s.Name == "." },
		"while the sweep looks at what is in use": func(s layouttest.Step) bool {
			swapped = swapped || s.Op == layouttest.OpRename && s.Name == "index.json"
			return swapped && s.Op == layouttest.OpOpen && strings.HasPrefix(s.Name, "blobs/")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := imageWorld(t)
			w.apply()
			dir := filepath.Join(w.dir, "out")
			old := resolveTag(t, w, "v1")
			w.write("app/run", "another app")
			done := false
			fault := func(s layouttest.Step) error {
				if done || !at(s) {
					return nil
				}
				done = true
				return tagInPlace(dir, old, "theirs")
			}
			var result executor.Result
			if err := applyWith(t.Context(), w.dir, false, layout.Options{Fault: fault}, &result); err != nil {
				t.Fatal(err)
			}
			if !result.Unswept || result.DeletedBlobs > 0 {
				t.Errorf("%d blobs were deleted, unswept is %v", result.DeletedBlobs, result.Unswept)
			}
			if !done {
				t.Fatal("the other tool did not write")
			}
			w.accepted()
			// What their entry reaches is left alone, and swept when that is gone.
			if p := w.plan(planner.Options{}); !p.Empty() || p.Recover {
				t.Errorf("then the plan is %v, recover %v", actions(p), p.Recover)
			}
			if now := resolveTag(t, w, "theirs"); now.Digest != old.Digest {
				t.Errorf("their tag leads to %s, not %s", now.Digest, old.Digest)
			}
			untag(t, w, "theirs")
			p := w.plan(planner.Options{})
			if got := w.carryOut(p); !p.Recover || p.Summary.DeleteBlobs == 0 || got.DeletedBlobs != p.Summary.DeleteBlobs {
				t.Errorf("recover %v, planned to delete %d blobs, deleted %d", p.Recover, p.Summary.DeleteBlobs, got.DeletedBlobs)
			}
			w.accepted()
			if p := w.plan(planner.Options{}); !p.Empty() || p.Recover {
				t.Errorf("at last the plan is %v, recover %v", actions(p), p.Recover)
			}
		})
	}
}

// untag removes a tag as another tool does.
func untag(t *testing.T, w *world, ref string) {
	t.Helper()
	_, _, err := w.open().Swap(t.Context(), func(x *layout.Index) error {
		x.Remove(ref)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func resolveTag(t *testing.T, w *world, ref string) ocispec.Descriptor {
	t.Helper()
	index, err := w.open().Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := index.Resolve(ref)
	if len(found) != 1 {
		t.Fatalf("%d entries %q", len(found), ref)
	}
	return found[0]
}

// A document of others that is damaged during an apply stops nothing: the sweep is
// left to a later apply, and the result says so.
func TestSweepLeavesWhatADamagedDocumentMayNeed(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	dir := filepath.Join(w.dir, "out")
	theirs := []byte(`{"schemaVersion":2,"config":{"mediaType":"text/plain","digest":"` + string(digest.FromString("c")) + `","size":1},"layers":[]}`)
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(theirs), Size: int64(len(theirs))}
	blob := filepath.Join(dir, "blobs", "sha256", desc.Digest.Encoded())
	config := filepath.Join(filepath.Dir(blob), digest.FromString("c").Encoded())
	if err := errors.Join(os.WriteFile(config, []byte("c"), 0o644), os.WriteFile(blob, theirs, 0o644), tagInPlace(dir, desc, "theirs")); err != nil {
		t.Fatal(err)
	}
	w.write("app/run", "another app")
	done := false
	fault := func(s layouttest.Step) error {
		if done || s.Op != layouttest.OpWrite || !strings.Contains(s.Name, "index.json") {
			return nil
		}
		done = true
		return os.WriteFile(blob, theirs[:40], 0o644)
	}
	var result executor.Result
	if err := applyWith(t.Context(), w.dir, false, layout.Options{Fault: fault}, &result); err != nil {
		t.Fatal(err)
	}
	if !done || result.Unswept || result.Kept != 4 || result.DeletedBlobs > 0 {
		t.Errorf("damaged: %v, unswept: %v, kept: %d, deleted: %d", done, result.Unswept, result.Kept, result.DeletedBlobs)
	}
	if p := w.plan(planner.Options{}); !p.Empty() || p.Recover || p.Kept != 4 || len(p.Warnings) == 0 {
		t.Errorf("then the plan is %v, recover %v, kept %d, warnings %q", actions(p), p.Recover, p.Kept, p.Warnings)
	}
	if err := os.WriteFile(blob, theirs, 0o644); err != nil {
		t.Fatal(err)
	}
	if p := w.plan(planner.Options{}); !p.Recover || p.Kept > 0 || len(p.Sweep) != 4 {
		t.Errorf("once it is mended the plan has recover %v, kept %d, sweep %v", p.Recover, p.Kept, p.Sweep)
	}
	w.apply()
	w.accepted()
}

// tagInPlace adds a tag as tools do that know nothing of locks.
func tagInPlace(dir string, d ocispec.Descriptor, ref string) error {
	store, err := layout.Open(dir, layout.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	index, err := store.Index(context.Background())
	if err != nil {
		return err
	}
	d.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
	if err := index.Set(d); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.json"), index.Encode(), 0o644)
}

// A layout's directory that is replaced during an apply is noticed, before the
// swap and after it: exit 0 means that the path holds what the spec describes.
func TestReplacedDirectoryIsNoticed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		at      func(layouttest.Step) bool
		swapped bool
	}{
		{"before the swap", func(s layouttest.Step) bool {
			return s.Op == layouttest.OpWrite && strings.Contains(s.Name, "index.json")
		}, false},
		{"after the swap", func(s layouttest.Step) bool { return s.Op == layouttest.OpRename && s.Name == "index.json" }, true},
	} {
		for _, how := range []string{"another", "none", "link"} {
			t.Run(tt.name+" by "+how, func(t *testing.T) {
				w := imageWorld(t)
				w.apply()
				dir := filepath.Join(w.dir, "out")
				other := dir + ".other"
				if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				before := indexOf(t, w.dir)
				w.write("app/run", "another app")
				fault := func(s layouttest.Step) error {
					if !tt.at(s) {
						return nil
					}
					if _, err := os.Lstat(dir + ".away"); err == nil {
						return nil
					}
					if err := os.Rename(dir, dir+".away"); err != nil {
						return err
					}
					switch how {
					case "another":
						return os.Rename(other, dir)
					case "link":
						return os.Symlink(other, dir)
					}
					return nil
				}
				var replaced *layout.ReplacedError
				err := applyWith(t.Context(), w.dir, false, layout.Options{Fault: fault}, nil)
				if !errors.As(err, &replaced) || replaced.Swapped != tt.swapped {
					t.Fatalf("got %v", err)
				}
				if how == "none" {
					return
				}
				if now := indexOf(t, w.dir); now != before {
					t.Error("the directory that was put there changed")
				}
				if err := applyWith(t.Context(), w.dir, false, layout.Options{}, &executor.Result{}); err != nil {
					t.Fatal(err)
				}
				w.accepted()
			})
		}
	}
}

// An import block offers what it names. A tag that somebody moves to something else during
// the apply is not taken.
func TestMovedTagIsNotOffered(t *testing.T) {
	w := imageWorld(t)
	w.apply()
	dir := filepath.Join(w.dir, "out")
	offered := resolveTag(t, w, "v1")
	if err := os.RemoveAll(filepath.Join(dir, ".layform")); err != nil {
		t.Fatal(err)
	}
	theirs, _, err := w.open().PutBytes(t.Context(), ocispec.MediaTypeImageManifest, []byte(foreignManifest), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.write("imported.layform.hcl", "import {\n  to     = index.app\n  digest = \""+offered.Digest.String()+"\"\n}\n")
	w.write("app/run", "another app")
	done := false
	fault := func(s layouttest.Step) error {
		if done || s.Op != layouttest.OpWrite || !strings.Contains(s.Name, "blob") {
			return nil
		}
		done = true
		return tagInPlace(dir, theirs, "v1")
	}
	err = applyWith(t.Context(), w.dir, false, layout.Options{Fault: fault}, nil)
	var conflict *executor.ConflictError
	if !errors.As(err, &conflict) || conflict.Is != theirs.Digest {
		t.Errorf("got %v, want a conflict", err)
	}
	if now := resolveTag(t, w, "v1"); now.Digest != theirs.Digest {
		t.Errorf("their tag leads to %s, not %s", now.Digest, theirs.Digest)
	}
}
