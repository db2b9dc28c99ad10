package archive_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
)

// A layout is exported as a tar, and read in the tar.
func ExampleExport() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := layout.Open(filepath.Join(dir, "layout"), layout.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	index := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	desc, _, err := store.PutBytes(ctx, ocispec.MediaTypeImageIndex, index, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := store.Tag(ctx, desc, "v1"); err != nil {
		fmt.Println(err)
		return
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close()
	sum, err := archive.Export(ctx, store.Reader, root, "layout.tar", archive.WriteOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sum.Size, "bytes")

	f, err := root.Open("layout.tar")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	tar, err := archive.Open(ctx, f, sum.Size, archive.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tar.Close()
	reader, err := layout.NewReader(tar, "layout.tar", layout.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := reader.Resolve(ctx, "v1")
	fmt.Println(found.MediaType, err)
	// Output:
	// 5120 bytes
	// application/vnd.oci.image.index.v1+json <nil>
}
