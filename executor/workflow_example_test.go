//go:build unix

package executor_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/edit"
)

// An imperative workflow, one call a step: begin a layout, stage a layer, generate a
// config and update it, generate a manifest, annotate the layer and the manifest, build,
// read the staging state, and validate. The steps edit the text of a spec; one plan
// carries all of them out.
func Example_workflow() {
	dir, err := os.MkdirTemp("", "example")
	check(err)
	defer os.RemoveAll(dir)
	check(os.WriteFile(filepath.Join(dir, "rootfs.tar"), helloTar(), 0o600))

	// Begin a layout.
	text := edit.Starter(edit.Options{Path: "my-image", Bare: true})
	e, diags := edit.New([]edit.File{{Name: "layform.hcl", Text: text}})
	if diags.HasErrors() {
		log.Fatal(diags)
	}

	// Stage a layer.
	layer := addr.Address{Kind: addr.Layer, Name: e.NewName(addr.Layer, "root fs")}
	check(e.AddBlock(layer, addr.Address{}, []edit.Setting{{Name: "archive", Expression: `"rootfs.tar"`}}))

	// Generate a config, and update it.
	config := addr.Address{Kind: addr.Config, Name: "app"}
	check(e.AddBlock(config, addr.Address{}, []edit.Setting{{Name: "platform", Expression: `"linux/amd64"`}}))
	check(e.Set(config, "platform", `"linux/arm64"`))

	// Generate a manifest with a ref name.
	manifest := addr.Address{Kind: addr.Manifest, Name: "app"}
	check(e.AddBlock(manifest, config, []edit.Setting{
		{Name: "config", Expression: config.String()},
		{Name: "layers", Expression: "[" + layer.String() + "]"},
	}))
	check(e.AppendText(manifest, "tags", []string{"latest"}))

	// Annotate the layer and the manifest.
	check(e.SetMap(layer, "annotations", []edit.Pair{{Key: "com.example.role", Value: "base"}}, false))
	check(e.SetMap(manifest, "annotations", []edit.Pair{{Key: "org.opencontainers.image.version", Value: "1.0.0"}}, false))
	fmt.Printf("%s", e.Texts()["layform.hcl"])

	build(dir, string(e.Texts()["layform.hcl"]))
	// Output:
	// # This spec describes an OCI image layout: layform add, plan and apply.
	//
	// layout {
	//   path = "my-image" # the directory of the layout, relative to this file
	// }
	//
	// layer "root-fs" {
	//   archive     = "rootfs.tar"
	//   annotations = { "com.example.role" = "base" }
	// }
	//
	// config "app" {
	//   platform = "linux/arm64"
	// }
	//
	// manifest "app" {
	//   config      = config.app
	//   layers      = [layer.root-fs]
	//   tags        = ["latest"]
	//   annotations = { "org.opencontainers.image.version" = "1.0.0" }
	// }
	// config.app application/vnd.oci.image.config.v1+json
	// layer.root-fs application/vnd.oci.image.layer.v1.tar+gzip
	// manifest.app application/vnd.oci.image.manifest.v1+json
	// linux arm64
}

// build applies a spec, reads the staging state and the image, and validates the layout.
func build(dir, text string) {
	ctx := context.Background()
	sp, diags := spec.Load(dir, spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: text}}})
	if diags.HasErrors() {
		log.Fatal(diags)
	}
	store, err := layout.Open(filepath.Join(dir, sp.LayoutPath), layout.Options{})
	check(err)
	defer store.Close()
	planned, err := planner.New(ctx, sp, store, planner.RefreshOptions{})
	check(err)
	_, err = executor.Apply(ctx, store, planned.Plan, executor.Options{Dir: dir, Planned: planned})
	check(err)

	// Read the staging state.
	staged, _, err := stage.Load(ctx, store, sp.Name)
	check(err)
	for _, key := range slices.Sorted(maps.Keys(staged.Objects)) {
		fmt.Println(key, staged.Objects[key].Descriptor.MediaType)
	}

	// Read the image.
	desc, err := store.Resolve(ctx, "latest")
	check(err)
	fmt.Println(desc.Platform.OS, desc.Platform.Architecture)

	// Validate the layout.
	for finding, err := range validate.Layout(ctx, store.Reader, validate.Options{}) {
		check(err)
		fmt.Println(finding.Problem) // nothing is wrong with it
	}
}

// helloTar is a tar with one file.
func helloTar() []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	check(w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: 5}))
	_, err := w.Write([]byte("hello"))
	check(err)
	check(w.Close())
	return out.Bytes()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
