//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	ours "github.com/layform/layform/layout"
	oursvalidate "github.com/layform/layform/layout/validate"
)

// witnesses are the readers of other projects that every layout has to please
// which a test leaves behind in good order. A tool that is not installed is left
// out, and reported once.
type witnesses struct {
	mu sync.Mutex
	// seen are the indexes that were read, so that each layout is read once.
	seen map[digest.Digest]bool
	// read counts the layouts by witness.
	read     map[string]int
	failures []string
}

func newWitnesses() *witnesses {
	return &witnesses{seen: map[digest.Digest]bool{}, read: map[string]int{}}
}

// report fails the test for every refusal, and when fewer than least layouts were read.
func (w *witnesses) report(t *testing.T, least int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.failures {
		t.Error(f)
	}
	if len(w.seen) < least {
		t.Errorf("only %d layouts were shown to other readers, want at least %d", len(w.seen), least)
	}
	for _, tool := range []string{"umoci", "skopeo", "buildah", "regctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is not installed; it read nothing", tool)
		}
	}
	t.Logf("layouts read: %v", w.read)
}

// look shows all layouts below dir to all witnesses.
func (w *witnesses) look(dir string) {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != ocispec.ImageLayoutFile || !d.Type().IsRegular() {
			return err
		}
		w.layout(filepath.Dir(name))
		return nil
	})
	if err != nil {
		w.fail("%v", err)
	}
}

func (w *witnesses) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

// layout shows one layout to all witnesses, unless it was damaged on purpose.
func (w *witnesses) layout(dir string) {
	data, err := os.ReadFile(filepath.Join(dir, ocispec.ImageIndexFile))
	if err != nil {
		return
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil || damaged(dir) {
		return
	}
	w.mu.Lock()
	known := w.seen[digest.FromBytes(data)]
	w.seen[digest.FromBytes(data)] = true
	w.mu.Unlock()
	if known {
		return
	}
	if x, err := layout.ImageIndexFromPath(dir); err != nil {
		w.fail("go-containerregistry: %s: %v", dir, err)
	} else if err := validate.Index(x, validate.Fast); err != nil {
		w.fail("go-containerregistry: %s: %v\n%s", dir, err, data)
	}
	work, err := os.MkdirTemp(dir, ".witness-*")
	if err != nil {
		w.fail("%v", err)
		return
	}
	defer os.RemoveAll(work)
	for i, entry := range index.Manifests {
		ref := entry.Annotations[ocispec.AnnotationRefName]
		if ref == "" || strings.ContainsAny(ref, ":@") {
			continue
		}
		own := filepath.Join(work, strconv.Itoa(i))
		if err := os.Mkdir(own, 0o755); err != nil {
			w.fail("%v", err)
			continue
		}
		for _, command := range w.commands(dir, own, ref, entry) {
			w.run(filepath.Dir(dir), command)
		}
	}
}

// commands are what other tools do with an entry of index.json.
func (w *witnesses) commands(dir, work, ref string, entry ocispec.Descriptor) [][]string {
	image := dir + ":" + ref
	layers, isImage := imageLayers(dir, entry)
	if entry.MediaType != ocispec.MediaTypeImageManifest && entry.MediaType != ocispec.MediaTypeImageIndex {
		return nil
	}
	all := [][]string{
		{"regctl", "image", "copy", "--referrers", "ocidir://" + image, "ocidir://" + work + "/regctl:copy"},
	}
	if !isImage && entry.MediaType != ocispec.MediaTypeImageIndex {
		return all
	}
	all = append(all, []string{"skopeo", "--insecure-policy", "copy", "--all", "oci:" + image, "oci:" + work + "/skopeo:copy"})
	zstd := slices.ContainsFunc(layers, func(l ocispec.Descriptor) bool { return strings.HasSuffix(l.MediaType, "zstd") })
	if !isImage || len(layers) == 0 {
		return all
	}
	if !zstd { // umoci reads no zstd before 0.5
		all = append(all, []string{"umoci", "stat", "--image", image})
		if os.Geteuid() == 0 {
			all = append(all, []string{"umoci", "raw", "unpack", "--image", image, work + "/umoci"})
		}
	}
	if os.Geteuid() == 0 {
		all = append(all, []string{"buildah", "--root", work + "/storage", "--runroot", work + "/run", "--storage-driver", "vfs", "pull", "--policy", "always", "oci:" + filepath.Base(dir) + ":" + ref})
	}
	return all
}

// run runs a command in dir: buildah takes names of images from paths, and
// those of temporary directories may hold upper-case letters.
func (w *witnesses) run(dir string, command []string) {
	if _, err := exec.LookPath(command[0]); err != nil {
		return
	}
	var out bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	if err := cmd.Run(); err != nil {
		w.fail("%q: %v\n%s", command, err, out.Bytes())
	}
	w.mu.Lock()
	w.read[command[0]]++
	w.mu.Unlock()
}

// damaged reports whether the layout breaks a rule that it must keep.
func damaged(dir string) bool {
	store, err := ours.Open(dir, ours.Options{Inspect: true})
	if err != nil {
		return true
	}
	defer store.Close()
	for f, err := range oursvalidate.Layout(context.Background(), store.Reader, oursvalidate.Options{}) {
		if err != nil || f.Severity == oursvalidate.Must {
			return true
		}
	}
	return false
}

// imageLayers are the layers of a manifest with an image config.
func imageLayers(dir string, entry ocispec.Descriptor) ([]ocispec.Descriptor, bool) {
	var m ocispec.Manifest
	data, err := os.ReadFile(filepath.Join(dir, "blobs", entry.Digest.Algorithm().String(), entry.Digest.Encoded()))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return nil, false
	}
	return m.Layers, m.Config.MediaType == ocispec.MediaTypeImageConfig
}
