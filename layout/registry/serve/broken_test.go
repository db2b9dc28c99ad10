package serve_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// What was tampered with is not given away, whether it was verified before or not.
func TestTamperedBlobs(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	data := s.image("app", "the layer")
	desc := s.put("app", "v1", data)
	layer := digest.FromString("the layer")
	s.get("/v2/app/blobs/"+layer.String(), 200)
	s.get("/v2/app/manifests/v1", 200)
	for _, d := range []digest.Digest{layer, desc.Digest} {
		file := s.blobFile(d)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(content)
		changed[len(changed)/2] ^= 1
		for _, wrong := range [][]byte{changed, content[:len(content)-1], append(bytes.Clone(content), 'x'), {}} {
			replace(t, file, wrong)
			for _, method := range []string{"GET", "HEAD"} {
				for _, path := range []string{"/v2/app/blobs/" + d.String(), "/v2/app/manifests/" + d.String()} {
					if d == layer && strings.Contains(path, "manifests") {
						continue
					}
					r := s.do(method, path, nil)
					// One of another length is as one that is missing: a push mends it.
					missing := r.status == 404 && len(wrong) != len(content)
					if r.status != 500 && !missing || len(wrong) > 3 && bytes.Contains(r.body, wrong) {
						t.Errorf("%s %s with %d bytes: %d %s", method, path, len(wrong), r.status, r.body)
					}
					if method == "GET" && r.code() != "UNKNOWN" && !missing {
						t.Errorf("%s: %s", path, r.body)
					}
				}
			}
		}
		replace(t, file, content)
		s.get("/v2/app/blobs/"+d.String(), 200)
	}
	// Removed altogether, it is unknown.
	if err := os.Remove(s.blobFile(layer)); err != nil {
		t.Fatal(err)
	}
	s.want(s.do("GET", "/v2/app/blobs/"+layer.String(), nil), 404, registry.CodeBlobUnknown)
	// Others get theirs.
	s.get("/v2/app/manifests/v1", 200)
}

// replace writes a file anew, with a time of its own.
func replace(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A layout that vanishes, or that is no layout any more, is an error and comes back.
func TestLayoutVanishes(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	s.put("app", "v1", s.image("app", "one"))
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(s.dir, away); err != nil {
		t.Fatal(err)
	}
	if r := s.do("GET", "/v2/app/manifests/v1", nil); r.status < 400 || r.code() == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if err := os.Rename(away, s.dir); err != nil {
		t.Fatal(err)
	}
	s.get("/v2/app/manifests/v1", 200)
	index := filepath.Join(s.dir, "index.json")
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v2/", "/v2/app/manifests/v1", "/v2/app/tags/list", "/v2/_catalog"} {
		s.want(s.do("GET", path, nil), 500, "UNKNOWN")
	}
	if err := os.WriteFile(index, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	s.get("/v2/app/manifests/v1", 200)
	s.sound()
}

// pushInto pushes a blob and a manifest onto a disk that may be full, which it counts. It
// reports whether all went well.
func (s *server) pushInto(full *int, content, data []byte) bool {
	s.t.Helper()
	failed := func(r reply, err error) bool {
		if err != nil {
			s.t.Fatal(err)
		}
		if r.status == 507 && r.code() == "UNKNOWN" {
			*full++
			return true
		}
		if r.status >= 400 && r.status != 404 {
			s.t.Fatalf("%d %s", r.status, r.body)
		}
		return r.status == 404
	}
	r, err := s.try("POST", "/v2/app/blobs/uploads/", nil)
	if failed(r, err) {
		return false
	}
	r, err = s.try("PUT", r.header.Get("Location")+"?digest="+digest.FromBytes(content).String(), bytes.NewReader(content))
	if failed(r, err) {
		return false
	}
	r, err = s.try("PUT", "/v2/app/manifests/v1", bytes.NewReader(data), "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	return !failed(r, err)
}

// A disk that fills up at any step of a push is an error, and once there is room all
// is as it was.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	left := -1 // steps until the disk is full; -1 for never
	fault := func(layouttest.Step) error {
		mu.Lock()
		defer mu.Unlock()
		if left == 0 {
			return syscall.ENOSPC
		}
		left--
		return nil
	}
	s := start(t, registry.Options{Layout: layout.Options{Fault: fault}}, serve.Options{})
	set := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		left = n
	}
	set(1 << 30)
	before := s.image("app", "before")
	s.put("app", "v1", before)
	data := bytes.Replace(before, []byte(`"schemaVersion"`), []byte(`"annotations":{"n":"2"},"schemaVersion"`), 1)
	content := []byte("new content")
	full := 0
	for n := 0; ; n++ {
		if n > 500 {
			t.Fatal("a push has no end")
		}
		set(n)
		ok := s.pushInto(&full, content, data)
		set(1 << 30)
		r := s.get("/v2/app/manifests/v1", 200)
		if !bytes.Equal(r.body, before) && !bytes.Equal(r.body, data) {
			t.Fatalf("after %d steps the tag is something else", n)
		}
		if ok {
			break
		}
	}
	if full < 5 {
		t.Errorf("the disk was full %d times only", full)
	}
	s.sound()
}
