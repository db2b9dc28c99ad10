package registry_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/registry"
)

// FuzzNames: what is taken for a repository, a tag or the id of an upload leads to
// nothing outside of the layout, and a ref name is of one repository.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"", "app", "team/app", "team/app:v1", "../outside", "a/../b", "a//b", "..%2fb", "a\\b", "a\x00", "app/blobs", "sha256:" + strings.Repeat("0", 64), "app@sha256:" + strings.Repeat("0", 64), "localhost:5000/a:v1", "a__b:v-1", ".layform"} {
		f.Add(seed, seed)
	}
	dir := f.TempDir()
	outside := filepath.Join(dir, "outside")
	folder := filepath.Join(dir, "folder")
	newImage(f, "one", nil).mustPush(f, repository(f, open(f, outside, registry.Options{DefaultRepo: "app"}), "app"), "v1")
	shared, nested := open(f, filepath.Join(folder, "shared"), registry.Options{}), open(f, folder, registry.Options{PerRepository: true})
	newImage(f, "two", nil).mustPush(f, repository(f, shared, "app"), "v1")
	before := files(f, dir)
	f.Fuzz(func(t *testing.T, name, reference string) {
		for _, reg := range []*registry.Registry{shared, nested} {
			repo, err := reg.Repository(name)
			if err != nil {
				wantCode(t, err, registry.CodeNameInvalid)
				continue
			}
			if ref.CheckRepository(name) != nil {
				t.Fatalf("%q is a repository", name)
			}
			if desc, err := repo.Resolve(t.Context(), reference); err == nil && name != "app" && name != "shared" {
				t.Errorf("%q of %q is %s", reference, name, desc.Digest)
			}
			if _, err := repo.ResumeUpload(t.Context(), reference); err == nil {
				t.Errorf("%q is an upload", reference)
			}
			if _, err := repo.OpenBlob(t.Context(), digest.Digest(reference)); err == nil {
				t.Errorf("%q is a blob of %q", reference, name)
			}
			if err := repo.DeleteTag(t.Context(), reference, registry.Condition{Digest: digest.FromString("x")}); err == nil {
				t.Errorf("%q of %q was deleted", reference, name)
			}
		}
		desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Annotations: map[string]string{ocispec.AnnotationRefName: name}}
		if repo, tag, ok := registry.NameOf(desc, ""); ok {
			want := repo + ":" + tag
			if tag == "" {
				want = registry.UntaggedName(desc)
			}
			if ref.CheckRepository(repo) != nil || tag != "" && ref.CheckTag(tag) != nil || want != name {
				t.Errorf("%q is %q, %q", name, repo, tag)
			}
		}
		if after := files(t, dir); !slices.Equal(before, after) {
			t.Errorf("there were %q, and are %q", before, after)
		}
	})
}

// files lists the files of a directory and of the layout outside in it.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	for _, at := range []string{".", "outside", "outside/blobs/sha256", "outside/.layform"} {
		entries, err := os.ReadDir(filepath.Join(dir, at))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, at+"/"+e.Name())
		}
	}
	return names
}

// FuzzUploads: whatever is done to an upload, in one process or two, its blob is what was
// written, or there is none.
func FuzzUploads(f *testing.F) {
	for _, seed := range []string{"wwc", "wrwoc", "wxc", "wowrwc", "rrr", "wowxoc", "w2c", "owo2wc"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 64 {
			return
		}
		dir := t.TempDir()
		opts := registry.Options{Layout: layout.Options{NoSync: true}}
		repos := []*registry.Repository{repository(t, open(t, dir, opts), "app"), repository(t, open(t, dir, opts), "app")}
		at, written := 0, ""
		up, err := repos[0].StartUpload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		id, live := up.ID(), true
		for i, step := range steps {
			algorithm := digest.SHA256
			switch step {
			case 'w': // write
				data := strings.Repeat(string(rune('a'+i%26)), i)
				if n, err := up.Write([]byte(data)); (err == nil) != live || live && n != len(data) {
					t.Fatalf("step %d: wrote %d, %v", i, n, err)
				}
				if live {
					written += data
				}
			case 'o', 'r': // go on in the other process, or in this one
				closed(t, up)
				if step == 'o' {
					at = 1 - at
				}
				next, err := repos[at].ResumeUpload(t.Context(), id)
				if (err == nil) != live {
					t.Fatalf("step %d: %v", i, err)
				}
				if live {
					up = next
				}
			case 'x': // cancel
				if err := up.Cancel(); err != nil {
					t.Fatal(err)
				}
				live = false
			case '2':
				algorithm = digest.SHA512
				fallthrough
			case 'c': // commit
				desc, err := up.Commit(t.Context(), algorithm.FromString(written))
				if (err == nil) != live {
					t.Fatalf("step %d: %v", i, err)
				}
				if live {
					if got := read(t, repos[1-at], desc); got != written {
						t.Fatalf("the blob is %q, and %q was written", got, written)
					}
				}
				live = false
			}
			if live && up.Size() != int64(len(written)) {
				t.Fatalf("step %d: the upload has %d bytes, and %d were written", i, up.Size(), len(written))
			}
		}
		closed(t, up)
	})
}
