package validate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// Layout yields what is wrong with a layout, each with its rule, its place and what
// to do.
func ExampleLayout() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	files := map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
		"index.json": `{"schemaVersion":1,"manifests":[]}`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	store, err := layout.Open(dir, layout.Options{Inspect: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	for finding, err := range validate.Layout(context.Background(), store.Reader, validate.Options{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s: %s\n", finding.Severity, finding.Rule, finding.Object)
		fmt.Println(" ", finding.Problem)
	}
	// Output:
	// MUST blobs-missing: blobs
	//   the directory does not exist
	// MUST schema-version: index.json
	//   its schemaVersion is 1, not 2
	// SHOULD media-type-absent: index.json
	//   it does not say its mediaType
}
