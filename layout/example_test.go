package layout_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// A layout begins with its first Swap: blobs are put first, and index.json names them
// in one atomic step.
func ExampleStore_Swap() {
	dir, err := os.MkdirTemp("", "layout")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := layout.Open(filepath.Join(dir, "hello"), layout.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	desc, created, err := store.PutBytes(ctx, "text/plain", []byte("hello\n"), nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.SyncBlobs(ctx); err != nil {
		log.Fatal(err)
	}
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: "greeting"}
	if _, _, err := store.Swap(ctx, func(x *layout.Index) error { return x.Set(desc) }); err != nil {
		log.Fatal(err)
	}

	index, err := store.Index(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(created, len(index.Descriptors()))
	for _, d := range index.Descriptors() {
		fmt.Println(layout.RefName(d), d.MediaType, d.Size)
	}
	// Output:
	// true 1
	// greeting text/plain 6
}

// What Fetch gives is verified while it is read: bytes count once io.EOF has come.
func ExampleReader_Fetch() {
	dir, err := os.MkdirTemp("", "layout")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := layout.Open(dir, layout.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	put, _, err := store.PutBytes(ctx, "text/plain", []byte("hello\n"), nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Tag(ctx, put, "greeting"); err != nil {
		log.Fatal(err)
	}

	desc, err := store.Resolve(ctx, "greeting")
	if err != nil {
		log.Fatal(err)
	}
	blob, err := store.Fetch(ctx, desc)
	if err != nil {
		log.Fatal(err)
	}
	defer blob.Close()
	if _, err := io.Copy(os.Stdout, blob); err != nil {
		log.Fatal(err)
	}
	fmt.Println(desc.Digest)
	// Output:
	// hello
	// sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
}
