package spec_test

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// A spec becomes objects, in the order in which they can be built. What follows from
// digests is unknown until they are.
func ExampleLoad() {
	const text = `
layout { path = "dist/app" }

layer "app" {
  file "/app" { content = "hello" }
}

config "app" {
  platform = "linux/amd64"
  cmd      = ["/app"]
}

manifest "app" {
  config      = config.app
  layers      = [layer.app]
  annotations = { "com.example.layer" = layer.app.digest }
  tags        = ["latest"]
}
`
	sp, diags := spec.Load(".", spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: text}}})
	if diags.HasErrors() {
		fmt.Println(diags)
		return
	}
	for _, a := range sp.Addresses() {
		o, _ := sp.Evaluate(a, nil)
		fmt.Println(a, "needs", o.Refs)
	}

	// The layer has been built: what its digest was missing for is known.
	manifest := addr.Address{Kind: addr.Manifest, Name: "app"}
	before, _ := sp.Evaluate(manifest, nil)
	after, _ := sp.Evaluate(manifest, func(a spec.Address) (spec.Built, bool) {
		return spec.Built{Descriptor: ocispec.Descriptor{Digest: digest.FromString("x"), Size: 1}}, a.Kind == addr.Layer
	})
	fmt.Println("known:", before.Known(), after.Known())
	// Output:
	// layer.app needs []
	// config.app needs []
	// manifest.app needs [layer.app config.app]
	// known: false true
}
