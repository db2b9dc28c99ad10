package registry_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"

	"github.com/layform/layform/layout/registry"
)

// An image goes into a layout and out of it with oras-go, as with a registry.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	reg, err := registry.Open(dir, registry.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close()
	repo, err := reg.Repository("team/app")
	if err != nil {
		log.Fatal(err)
	}

	memory := memory.New()
	opts := oras.PackManifestOptions{ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "2000-01-01T00:00:00Z"}}
	desc, err := oras.PackManifest(ctx, memory, oras.PackManifestVersion1_1, "application/vnd.example", opts)
	if err != nil {
		log.Fatal(err)
	}
	if err := memory.Tag(ctx, desc, "v1"); err != nil {
		log.Fatal(err)
	}
	if _, err := oras.Copy(ctx, memory, "v1", repo, "v1", oras.DefaultCopyOptions); err != nil {
		log.Fatal(err)
	}
	for tag, err := range repo.Tags(ctx, registry.Page{}) {
		if err != nil {
			log.Fatal(err)
		}
		found, err := repo.Resolve(ctx, tag)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tag, found.Digest == desc.Digest)
	}
	// Output: v1 true
}

// A tag is moved only if nobody else has moved it meanwhile.
func ExampleRepository_PushManifest() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	reg, err := registry.Open(dir, registry.Options{DefaultRepo: "app"})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close()
	repo, err := reg.Repository("app")
	if err != nil {
		log.Fatal(err)
	}
	index := func(annotation string) []byte {
		return []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"a":"` + annotation + `"}}`)
	}
	first, err := repo.PushManifest(ctx, index("one"), registry.Put{Tags: []string{"latest"}, If: registry.Condition{Absent: true}})
	if err != nil {
		log.Fatal(err)
	}
	unchanged := registry.Condition{Digest: first.Descriptor.Digest}
	for _, annotation := range []string{"two", "three"} {
		_, err = repo.PushManifest(ctx, index(annotation), registry.Put{Tags: []string{"latest"}, If: unchanged})
		fmt.Println(annotation, err == nil)
	}
	// Output:
	// two true
	// three false
}

// A blob comes in parts, and could go on in another process.
func ExampleRepository_StartUpload() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	reg, err := registry.Open(dir, registry.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close()
	repo, err := reg.Repository("app")
	if err != nil {
		log.Fatal(err)
	}
	up, err := repo.StartUpload(ctx)
	if err != nil {
		log.Fatal(err)
	}
	id := up.ID()
	if _, err := strings.NewReader("hello, ").WriteTo(up); err != nil {
		log.Fatal(err)
	}
	if err := up.Close(); err != nil { // keeps it
		log.Fatal(err)
	}

	if up, err = repo.ResumeUpload(ctx, id); err != nil {
		log.Fatal(err)
	}
	fmt.Println("going on at", up.Size())
	if _, err := strings.NewReader("world").WriteTo(up); err != nil {
		log.Fatal(err)
	}
	desc, err := up.Commit(ctx, "sha256:09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b")
	fmt.Println(desc.Size, err)
	// Output:
	// going on at 7
	// 12 <nil>
}
