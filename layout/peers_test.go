//go:build unix

package layout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ggcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"oras.land/oras-go/v2/content/oci"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// run runs a tool, or skips the test where there is none.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(path, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// buildahImage makes a layout with one image, by buildah in a storage of its own.
func buildahImage(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err == nil && os.Getuid() != 0 {
		t.Skip("buildah wants user namespaces when it is not root")
	}
	dir, storage, tree := filepath.Join(t.TempDir(), "buildah"), t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(tree, "a"), "a")
	buildah := func(args ...string) string {
		t.Helper()
		return run(t, "buildah", append([]string{"--root", filepath.Join(storage, "root"), "--runroot", filepath.Join(storage, "run"), "--storage-driver", "vfs"}, args...)...)
	}
	container := buildah("from", "scratch")
	buildah("copy", container, tree, "/etc")
	buildah("config", "--env", "A=b", "--port", "80", container)
	buildah("commit", container, "oci:"+dir+":latest")
	buildah("rm", container)
	return dir
}

// umociImage makes a layout with one image of two layers, by umoci.
func umociImage(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "umoci")
	tree := t.TempDir()
	mkdir(t, filepath.Join(tree, "etc"))
	writeFile(t, filepath.Join(tree, "etc/a"), "a")
	if err := os.Link(filepath.Join(tree, "etc/a"), filepath.Join(tree, "etc/b")); err != nil {
		t.Fatal(err)
	}
	symlink(t, "a", filepath.Join(tree, "etc/l"))
	run(t, "umoci", "init", "--layout", dir)
	run(t, "umoci", "new", "--image", dir+":latest")
	run(t, "umoci", "insert", "--image", dir+":latest", tree, "/")
	run(t, "umoci", "insert", "--image", dir+":latest", "--whiteout", "/etc/a")
	run(t, "umoci", "config", "--image", dir+":latest", "--config.env", "A=b", "--config.exposedports", "80/tcp", "--tag", "configured")
	return dir
}

// Layouts of other tools have no findings but their true faults.
func TestPeersLayouts(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(t *testing.T) string
		want []string
	}{
		// The image spec says that mediaType SHOULD be there.
		"umoci": {umociImage, []string{"media-type-absent"}},
		"skopeo": {func(t *testing.T) string {
			dir := filepath.Join(t.TempDir(), "skopeo")
			run(t, "skopeo", "copy", "--insecure-policy", "oci:"+umociImage(t)+":latest", "oci:"+dir+":copied")
			return dir
		}, []string{"media-type-absent"}},
		"buildah": {buildahImage, []string{"media-type-absent"}},
		"oras-go": {func(t *testing.T) string {
			dir := t.TempDir()
			writer, err := oci.New(dir)
			if err != nil {
				t.Fatal(err)
			}
			packInto(t, writer, "v1")
			return dir
		}, nil},
		"go-containerregistry": {func(t *testing.T) string {
			dir := t.TempDir()
			img, err := random.Image(1000, 2)
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			config.OS, config.Architecture = "linux", "amd64" // a random image is of no platform
			if img, err = mutate.ConfigFile(img, config); err != nil {
				t.Fatal(err)
			}
			path, err := ggcrlayout.Write(dir, empty.Index)
			if err != nil {
				t.Fatal(err)
			}
			if err := path.AppendImage(img); err != nil {
				t.Fatal(err)
			}
			return dir
		}, nil}, // as crane writes it
	} {
		t.Run(name, func(t *testing.T) {
			found := findings(t, inspect(t, tc.make(t)), validate.Options{})
			if diff := cmp.Diff(tc.want, rulesOf(found)); diff != "" {
				t.Errorf("%s\n%+v", diff, found)
			}
		})
	}
}

func TestPeersArchive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "archive.tar")
	run(t, "skopeo", "copy", "--insecure-policy", "oci:"+umociImage(t)+":latest", "oci-archive:"+file+":copied")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"media-type-absent"}, archiveFindings(t, data)); diff != "" {
		t.Error(diff)
	}
}

// umoci keeps, and reads, what a Store wrote beside its own image, and a Store
// leaves umoci's image as it is.
func TestUmociAndStoreShareALayout(t *testing.T) {
	dir := umociImage(t)
	before := snapshot(t, dir)
	s := open(t, dir, layout.Options{})
	img := putImage(t, s, "a", "ours")
	run(t, "umoci", "stat", "--image", dir+":latest")
	run(t, "umoci", "tag", "--image", dir+":latest", "again")
	if got := resolve(t, s, "ours"); got.Digest != img.manifest.Digest {
		t.Errorf("got %s", got.Digest)
	}
	for _, tag := range []string{"ours", "again"} {
		if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error { x.Remove(tag); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Sweep(t.Context(), img.digests(), nil); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, dir)
	// The file is a new one, with the mode of ours and the content of before.
	before["index.json"] = strings.Replace(before["index.json"], "-rw-------", "-rw-r--r--", 1)
	for name := range after {
		if strings.HasPrefix(name, ".layform") {
			delete(after, name)
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}
