package registrytest_test

import (
	"os"
	"path/filepath"
	"testing"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registrytest"
)

// A layout is there from the begin, a push into it is on the disk, a fault acts, and the
// layout that was copied stays as it is.
func TestServed(t *testing.T) {
	fixture := filepath.Join(t.TempDir(), "fixture")
	local, err := oci.New(fixture)
	if err != nil {
		t.Fatal(err)
	}
	image := memory.New()
	desc := pack(t, image, nil)
	if err := image.Tag(t.Context(), desc, "v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := oras.Copy(t.Context(), image, "v1", local, "v1", oras.DefaultCopyOptions); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(fixture, "index.json"))
	if err != nil {
		t.Fatal(err)
	}

	reg := registrytest.NewServed(t, fixture, registry.Options{DefaultRepo: "app"})
	reg.Fault(registrytest.Fault{Method: "GET", Path: "/manifests/", Times: 1, Status: 429})
	client, err := remote.NewRepository(reg.Host() + "/app")
	if err != nil {
		t.Fatal(err)
	}
	client.PlainHTTP = true
	back := memory.New()
	if got, err := oras.Copy(t.Context(), client, "v1", back, "v1", oras.DefaultCopyOptions); err != nil || got.Digest != desc.Digest {
		t.Fatalf("%v, %v", got, err)
	}
	if requests := reg.Requests(); len(requests) == 0 || reg.Count("GET", "/manifests/") < 2 || requests[len(requests)-1].Status != 200 {
		t.Errorf("requests: %+v", requests)
	}
	if err := client.Tag(t.Context(), desc, "v2"); err != nil {
		t.Fatal(err)
	}
	repo, err := reg.Registry.Repository("app")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := repo.Resolve(t.Context(), "v2"); err != nil || got.Digest != desc.Digest {
		t.Errorf("%v, %v", got, err)
	}
	after, err := os.ReadFile(filepath.Join(fixture, "index.json"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the fixture changed: %s, %v", after, err)
	}
}

// Two lines are a registry, with a layout in it and a fault.
func ExampleNewServed() {
	_ = func(t *testing.T) { // a test
		reg := registrytest.NewServed(t, "testdata/layout", registry.Options{DefaultRepo: "app"})
		reg.Fault(registrytest.Fault{Method: "GET", Path: "/blobs/", Times: 1, Status: 429, RetryAfter: "0"})
		// … what pulls reg.Host()+"/app:v1" …
		if reg.Count("GET", "/blobs/") < 2 {
			t.Error("the blob was not asked for again")
		}
	}
}
