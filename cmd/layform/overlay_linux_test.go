package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestListsWhatUmociUnpacks: the paths, types, targets and contents of generated images of two and three layers, with
// whiteouts, links, hard links and changes of type, are those that umoci unpacks. Layers
// need not have the parents of what they have: these are not listed.
func TestListsWhatUmociUnpacks(t *testing.T) {
	need(t, "umoci")
	compared, both := 0, 0
	for seed := uint64(0); compared < 40; seed++ {
		if seed == 100 {
			t.Fatalf("umoci unpacks only %d of %d images", compared, seed)
		}
		dir := t.TempDir()
		declared := map[string]bool{}
		writeRandomImage(t, rand.New(rand.NewPCG(seed, 1)), filepath.Join(dir, "image"), declared)
		unpack := exec.Command("umoci", "unpack", "--rootless", "--image", "image:latest", "bundle")
		unpack.Dir = dir
		if out, err := unpack.CombinedOutput(); err != nil {
			t.Logf("seed %d: umoci refuses: %s", seed, bytes.TrimSpace(out))
			continue
		}
		compared++
		got := listedFiles(t, filepath.Join(dir, "image"))
		want := slices.DeleteFunc(unpackedFiles(t, filepath.Join(dir, "bundle", "rootfs")), func(line string) bool {
			name, isDir := strings.CutSuffix(line, " directory ")
			parent := slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, name+"/") })
			return isDir && (parent || !declared[name]) && !slices.Contains(got, line) // one that is there for what is in it
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: files differ (-umoci +layform):\n%s", seed, diff)
		}
		both += len(want)
	}
	if both < 200 {
		t.Errorf("the images have only %d files", both)
	}
}

// writeRandomImage writes a layout with an image of two or three layers, and notes the
// directories that these have.
func writeRandomImage(t *testing.T, r *rand.Rand, dir string, declared map[string]bool) {
	t.Helper()
	put := func(mediaType string, data []byte) ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
		name := filepath.Join(dir, "blobs", "sha256", desc.Digest.Encoded())
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	document := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers"}}
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for n := range 2 + r.IntN(2) {
		data := randomLayer(t, r, n, declared)
		manifest.Layers = append(manifest.Layers, put(ocispec.MediaTypeImageLayer, data))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(data))
	}
	manifest.Config = put(ocispec.MediaTypeImageConfig, document(config))
	image := put(ocispec.MediaTypeImageManifest, document(manifest))
	image.Annotations = map[string]string{ocispec.AnnotationRefName: "latest"}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{image}}
	for name, data := range map[string][]byte{ocispec.ImageIndexFile: document(index), ocispec.ImageLayoutFile: document(ocispec.ImageLayout{Version: "1.0.0"})} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// randomLayer is a tar of up to 14 entries with few names, so that layers meet: mostly
// directories a, b and lib with files f, g and h, and now and then one for the other.
func randomLayer(t *testing.T, r *rand.Rand, n int, declared map[string]bool) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	dir := func() string {
		return []string{"a", "b", "lib", "a/b", "a/lib", "lib/b"}[r.IntN(6)]
	}
	file := func() string { return path.Join(dir(), []string{"f", "g", "h"}[r.IntN(3)]) }
	var files []string
	for i := range 4 + r.IntN(11) {
		h := &tar.Header{Name: file(), Mode: 0o755, Typeflag: tar.TypeReg}
		content := fmt.Sprintf("%d in layer %d", i, n)
		kind := r.IntN(24)
		if n == 0 && kind < 6 {
			kind = 12 // nothing lies below the first layer
		}
		switch {
		case kind == 0: // a whiteout of a file
			h.Name, content = path.Dir(h.Name)+"/.wh."+path.Base(h.Name), ""
		case kind == 1: // a whiteout of a directory
			d := dir()
			h.Name, content = path.Join(path.Dir(d), ".wh."+path.Base(d)), ""
		case kind == 2:
			h.Name, content = dir()+"/.wh..wh..opq", ""
		case kind == 3: // a directory in the place of a file
			h.Name, h.Typeflag, content = h.Name+"/", tar.TypeDir, ""
		case kind == 4: // a file in the place of a directory
			h.Name = dir()
		case kind == 5: // a link in the place of either
			h.Name, h.Typeflag, h.Linkname, content = dir(), tar.TypeSymlink, []string{"other", "/usr/b", "../c"}[r.IntN(3)], ""
		case kind < 10:
			h.Name, h.Typeflag, content = dir()+"/", tar.TypeDir, ""
		case kind < 12:
			h.Typeflag, h.Linkname, content = tar.TypeSymlink, []string{"g", "/lib/f", "../../../b/h"}[r.IntN(3)], ""
		case kind < 15 && len(files) > 0:
			h.Typeflag, h.Linkname, content = tar.TypeLink, files[r.IntN(len(files))], ""
		default:
			files = append(files, h.Name)
		}
		if h.Typeflag == tar.TypeDir {
			declared[strings.TrimSuffix(h.Name, "/")] = true
		}
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// unpackedFiles describes the files below a directory: type, and content or target.
func unpackedFiles(t *testing.T, root string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		at, _ := filepath.Rel(root, name)
		switch d.Type() {
		case fs.ModeDir:
			lines = append(lines, at+" directory ")
		case fs.ModeSymlink:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			lines = append(lines, at+" symlink "+target)
		default:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			lines = append(lines, at+" file "+digest.FromBytes(data).String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// listedFiles describes the files that layout ls lists, in the same way, with the content
// that layout cat prints.
func listedFiles(t *testing.T, dir string) []string {
	t.Helper()
	run := func(args ...string) []byte {
		var out, problems bytes.Buffer
		a := newApp(os.Stdin, os.Stdout, os.Stderr, nil)
		a.stdout, a.stderr = &out, &problems
		if code := a.run(t.Context(), args); code != exitOK {
			t.Fatalf("%q: %s", args, problems.String())
		}
		return out.Bytes()
	}
	var document struct {
		Contents []struct{ Path, Type, Target string }
	}
	if err := json.Unmarshal(run("layout", "ls", "--json", dir+":latest"), &document); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range document.Contents {
		switch f.Type {
		case "directory":
			if f.Path != "/" && f.Path != "." {
				lines = append(lines, f.Path+" directory ")
			}
		case "symlink":
			lines = append(lines, f.Path+" symlink "+f.Target)
		default: // hard links are files of their content
			lines = append(lines, f.Path+" file "+digest.FromBytes(run("layout", "cat", dir+":latest", f.Path)).String())
		}
	}
	slices.Sort(lines)
	return lines
}
