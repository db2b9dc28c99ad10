//go:build unix

package layout_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
)

// heldImage is a layout with an image that index.json does not reach, and its blobs.
func heldImage(t *testing.T, opts layout.Options) (*layout.Store, ocispec.Descriptor, []digest.Digest) {
	t.Helper()
	s, err := layout.Open(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	put := func(mediaType, text string) ocispec.Descriptor {
		desc, _, err := s.PutBytes(t.Context(), mediaType, []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return desc
	}
	config := put(ocispec.MediaTypeEmptyJSON, "{}")
	blob := put("text/plain", "text")
	text := `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `","artifactType":"a/a","config":{"mediaType":"` + config.MediaType + `","digest":"` + string(config.Digest) + `","size":2},"layers":[{"mediaType":"text/plain","digest":"` + string(blob.Digest) + `","size":4}]}`
	root := put(ocispec.MediaTypeImageManifest, text)
	unlock, err := s.Lock(t.Context(), layout.Holder{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	return s, root, []digest.Digest{root.Digest, config.Digest, blob.Digest}
}

func sweep(t *testing.T, s *layout.Store, candidates []digest.Digest) layout.Swept {
	t.Helper()
	unlock, err := s.Lock(t.Context(), layout.Holder{Operation: "test"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	swept, err := s.Sweep(t.Context(), candidates, nil)
	if err != nil {
		t.Fatal(err)
	}
	return swept
}

// What a hold leads to is neither swept nor collected, by whichever Store, until it
// is released.
func TestHold(t *testing.T) {
	s, root, all := heldImage(t, layout.Options{NoSync: true})
	release, err := s.Hold(t.Context(), []ocispec.Descriptor{root})
	if err != nil {
		t.Fatal(err)
	}
	other, err := layout.Open(s.Dir(), layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 2 { // the first look does not take it away
		if swept := sweep(t, other, all); len(swept.Blobs) != 0 || swept.Stopped {
			t.Errorf("swept %+v although all is held", swept)
		}
		for _, dry := range []bool{true, false} {
			got, err := other.GC(t.Context(), layout.GCOptions{MinAge: -1, DryRun: dry})
			if err != nil || len(got.Blobs) != 0 || got.Live != len(all) {
				t.Errorf("gc, dry %v: %+v, %v", dry, got, err)
			}
		}
	}
	for range 2 {
		if err := release(); err != nil {
			t.Fatal(err)
		}
	}
	if swept := sweep(t, other, all); len(swept.Blobs) != len(all) {
		t.Errorf("swept %+v after the release", swept)
	}
}

// A hold of a process that died holds nothing, and is removed; a dry run leaves it.
func TestDeadHold(t *testing.T) {
	s, root, all := heldImage(t, layout.Options{NoSync: true})
	release, err := s.Hold(t.Context(), []ocispec.Descriptor{root})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.Dir(), ".layform/holds/*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{data, data[:len(data)/2], nil} {
		if err := os.WriteFile(files[0], content, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := s.GC(t.Context(), layout.GCOptions{MinAge: -1, DryRun: true})
		if err != nil || len(got.Blobs) != len(all) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := os.Stat(files[0]); err != nil {
			t.Errorf("a dry run removed the file: %v", err)
		}
		if swept := sweep(t, s, []digest.Digest{digest.FromString("none")}); len(swept.Blobs) != 0 {
			t.Errorf("swept %+v", swept)
		}
		if _, err := os.Stat(files[0]); !os.IsNotExist(err) {
			t.Errorf("the dead hold is still there: %v", err)
		}
	}
}

// Who takes a hold while a sweep deletes stops it.
func TestHoldWhileSweeping(t *testing.T) {
	var s *layout.Store
	var root ocispec.Descriptor
	taken := false
	opts := layout.Options{NoSync: true, Fault: func(step layouttest.Step) error {
		if taken || step.Op != "remove" || filepath.Dir(step.Name) != "blobs/sha256" {
			return nil
		}
		taken = true
		other, err := layout.Open(s.Dir(), layout.Options{NoSync: true})
		if err != nil {
			return err
		}
		t.Cleanup(func() { other.Close() })
		release, err := other.Hold(t.Context(), []ocispec.Descriptor{root})
		if err == nil {
			t.Cleanup(func() { release() })
		}
		return err
	}}
	var all []digest.Digest
	s, root, all = heldImage(t, opts)
	slices.Reverse(all)
	if swept := sweep(t, s, all); !taken || !swept.Stopped || len(swept.Blobs) != 1 {
		t.Errorf("swept %+v", swept)
	}
}
