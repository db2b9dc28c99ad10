package transfer_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/transfer"
)

// Diff says what the destination lacks, and Execute brings it. A second Diff finds
// nothing to do.
func ExampleDiff() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	from, err := layout.Open(filepath.Join(dir, "from"), layout.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer from.Close()
	to, err := layout.Open(filepath.Join(dir, "to"), layout.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer to.Close()
	image, _, err := from.PutBytes(ctx, ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`), nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := from.Tag(ctx, image, "v1"); err != nil {
		log.Fatal(err)
	}

	src, dst := transfer.NewDirectory(from), transfer.NewDirectory(to)
	roots := []transfer.Root{{Descriptor: image, Tags: []transfer.Tag{{Name: "v1"}}}}
	plan, err := transfer.Diff(ctx, src, dst, roots, transfer.Options{Referrers: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range plan.Steps {
		fmt.Println(step.Action, step.Descriptor.MediaType)
	}
	fmt.Println("tag", plan.Roots[0].Tags[0].Name, plan.Roots[0].Tags[0].Action)
	if _, err := transfer.Execute(ctx, src, dst, plan, transfer.ExecuteOptions{}); err != nil {
		log.Fatal(err)
	}

	again, err := transfer.Diff(ctx, src, dst, roots, transfer.Options{Referrers: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("changes:", again.Changes())
	// Output:
	// upload application/vnd.oci.image.index.v1+json
	// tag v1 new
	// changes: false
}
