package planner_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

const artifact = `
layout { path = "out" }

layer "sbom" {
  blob       = "sbom.json"
  media_type = "application/spdx+json"
}

manifest "sbom" {
  artifact_type = "application/spdx+json"
  layers        = [layer.sbom]
  annotations   = { "com.example.size" = tostring(layer.sbom.size) }
  tags          = ["sbom"]
}
`

// A plan is a plain value that says what will happen and why. It is saved as JSON,
// and what is read back is the same plan.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "sbom.json"), []byte("{}\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	sources := []spec.Source{{Name: "layform.hcl", Text: artifact}}
	sp, diags := spec.Load(dir, spec.LoadOptions{Sources: sources})
	if diags.HasErrors() {
		log.Fatal(diags)
	}
	store, err := layout.Open(filepath.Join(dir, sp.LayoutPath), layout.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	result, err := planner.New(context.Background(), sp, store, planner.RefreshOptions{})
	if err != nil {
		log.Fatal(err)
	}
	saved, err := planner.Encode(result.Plan)
	if err != nil {
		log.Fatal(err)
	}
	plan, err := planner.Decode(saved)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range plan.Changes {
		fmt.Println(c.Action.Symbol(), c.Address, "because", c.Reasons[0].Text)
		for _, f := range c.Fields {
			if f.Unknown {
				fmt.Println("   ", f.Path, "is known after apply")
			}
		}
	}
	for _, t := range plan.Tags {
		fmt.Println(t.Action.Symbol(), "tag", t.Ref, "of", t.Address)
	}
	fmt.Println(plan.Summary.Add, "to add,", plan.Summary.WriteContent, "bytes of content")
	// Output:
	// + layer.sbom because the layout does not hold it yet
	// + manifest.sbom because the layout does not hold it yet
	//     annotations["com.example.size"] is known after apply
	// + tag sbom of manifest.sbom
	// 2 to add, 3 bytes of content
}
