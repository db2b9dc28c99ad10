//go:build unix

package executor_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

const hello = `
layout { path = "hello" }

layer "app" {
  file "/etc/motd" { content = "hello\n" }
}

config "app" { platform = "linux/amd64" }

manifest "app" {
  config = config.app
  layers = [layer.app]
  tags   = ["latest"]
}
`

// From the text of a spec to a valid layout: Load, New, Apply. What was applied
// leaves nothing to do.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	sources := []spec.Source{{Name: "layform.hcl", Text: hello}}
	sp, diags := spec.Load(dir, spec.LoadOptions{Sources: sources})
	if diags.HasErrors() {
		log.Fatal(diags)
	}
	store, err := layout.Open(filepath.Join(dir, sp.LayoutPath), layout.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	planned, err := planner.New(ctx, sp, store, planner.RefreshOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range planned.Plan.Changes {
		fmt.Println(c.Action.Symbol(), c.Address)
	}
	result, err := executor.Apply(ctx, store, planned.Plan, executor.Options{Dir: dir, Planned: planned})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("added", result.Add, "wrote", result.WrittenBlobs, "blobs")

	for finding, err := range validate.Layout(ctx, store.Reader, validate.Options{}) {
		fmt.Println(finding.Problem, err) // nothing is wrong with it
	}
	image, err := store.Resolve(ctx, "latest")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(image.MediaType, image.Digest)

	again, err := planner.New(ctx, sp, store, planner.RefreshOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("nothing to do:", again.Plan.Empty())
	// Output:
	// + layer.app
	// + config.app
	// + manifest.app
	// added 3 wrote 3 blobs
	// application/vnd.oci.image.manifest.v1+json sha256:b54c43e6b08f701a489501fb38217182c14c449de6ac87115cbe1651ae4628a1
	// nothing to do: true
}
