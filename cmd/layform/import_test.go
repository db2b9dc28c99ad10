//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	ours "github.com/layform/layform/layout"
	"github.com/layform/layform/layout/registrytest"
)

// TestImport takes over layouts that others made: nothing of them changes, the next plan
// is empty, with the staging state lost as well; an annotation changes the manifest and
// what leads to it alone; and destroy leaves every blob that was there.
func TestImport(t *testing.T) {
	t.Parallel()
	for name, make := range foreignLayouts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			make(t, filepath.Join(dir, "l"))
			before := layoutFiles(t, filepath.Join(dir, "l"))
			out := tool(t, dir, "layform", "import", "l")
			if diff := cmp.Diff(before, layoutFiles(t, filepath.Join(dir, "l"))); diff != "" {
				t.Fatalf("import changed the layout: %s", diff)
			}
			noChanges(t, dir)
			if strings.Contains(out, "not described") != strings.Contains(name, "odd entry") {
				t.Errorf("what was left out: %s", out)
			}
			simple := []string{"by hand: a signature", "by hand: text that is not normal", "by hand: values that a spec refuses", "by hand: a history that does not fit", "ggcr random images"}
			if strings.Contains(out, "as it is, by its digest") != slices.Contains(simple, name) {
				t.Errorf("what is described by its digest: %s", out)
			}
			if err := os.RemoveAll(filepath.Join(dir, "l", ".layform")); err != nil {
				t.Fatal(err)
			}
			tool(t, dir, "layform", "apply", "--auto-approve")
			if diff := cmp.Diff(before, layoutFiles(t, filepath.Join(dir, "l"))); diff != "" {
				t.Fatalf("an apply without a staging state changed the layout: %s", diff)
			}
			noChanges(t, dir)
			if !strings.Contains(name, "Docker") { // whose manifests have no annotations
				annotate(t, dir, before)
			}
			tool(t, dir, "layform", "destroy", "--auto-approve")
			after := layoutFiles(t, filepath.Join(dir, "l"))
			for blob, content := range before {
				if blob != "index.json" && after[blob] != content {
					t.Errorf("destroy took %s, which was there before", blob)
				}
			}
		})
	}
}

// What an index says an attestation is about goes on to be that when the image changes.
func TestImportedAttestation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	handmadeLayouts()["an image with its attestation"](t, filepath.Join(dir, "l"))
	tool(t, dir, "layform", "import", "l")
	noChanges(t, dir)
	annotate(t, dir, layoutFiles(t, filepath.Join(dir, "l")))
	noChanges(t, dir)
	root, _ := ggcrRoot(t, filepath.Join(dir, "l"))
	_, members := ggcrChild(t, root)
	image, note := members.Manifests[0], members.Manifests[1]
	if got := note.Annotations["vnd.docker.reference.digest"]; got != image.Digest.String() {
		t.Errorf("the attestation is of %s, and the image is %s", got, image.Digest)
	}
}

// layoutFiles are the files of a layout with their digests, and index.json with its text.
func layoutFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == ".layform" {
			return errorsOr(err, fs.SkipDir)
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(digest.FromBytes(data))
		if name == "index.json" {
			files[name] = string(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func errorsOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// noChanges plans, and expects nothing to do.
func noChanges(t *testing.T, dir string) {
	t.Helper()
	if out := tool(t, dir, "layform", "plan"); !strings.Contains(out, "No changes.") {
		t.Fatalf("there are changes after an import: %s", out)
	}
}

// annotate adds an annotation to the first manifest or index of the spec, and expects that
// documents that lead to it are the only new blobs.
func annotate(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "layform.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	spec := string(text)
	object := regexp.MustCompile(`(?ms)^(manifest|index) "[^"]*" \{\n.*?^\}\n`).FindString(spec)
	if object == "" {
		t.Fatalf("the spec has no manifest: %s", spec)
	}
	annotated := strings.Replace(object, "\n  annotations = {\n", "\n  annotations = {\n    \"com.example.added\" = \"yes\"\n", 1)
	if annotated == object {
		annotated = strings.Replace(object, "{\n", "{\n  annotations = { \"com.example.added\" = \"yes\" }\n", 1)
	}
	write(t, dir, map[string]string{"layform.hcl": strings.Replace(spec, object, annotated, 1)})
	tool(t, dir, "layform", "apply", "--auto-approve")
	tool(t, dir, "layform", "layout", "validate", "l")
	for name := range layoutFiles(t, filepath.Join(dir, "l")) {
		if _, there := before[name]; there {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, "l", name))
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			MediaType string `json:"mediaType"`
		}
		if err := json.Unmarshal(data, &doc); err != nil || doc.MediaType != ocispec.MediaTypeImageManifest && doc.MediaType != ocispec.MediaTypeImageIndex {
			t.Errorf("an annotation made the blob %s: %.200s", name, data)
		}
	}
	for name := range before {
		if _, err := os.Stat(filepath.Join(dir, "l", name)); err != nil {
			t.Errorf("an annotation took %s: %v", name, err)
		}
	}
	noChanges(t, dir)
}

// TestImportRefuses imports layouts that are not whole, and expects that nothing is
// written.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	base := handmadeLayouts()["members in another order"]
	blobs := func(t *testing.T, dir string) []string {
		names, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
		if err != nil || len(names) != 3 {
			t.Fatalf("%v, %v", names, err)
		}
		return names
	}
	cases := map[string]func(t *testing.T, dir string){
		"index.json is halved": func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"index.json": `{"schemaVersion":2,"manifests":[{"mediaType"`})
		},
		"oci-layout is missing": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "oci-layout")); err != nil {
				t.Fatal(err)
			}
		},
		"no entries": func(t *testing.T, dir string) {
			write(t, dir, map[string]string{"index.json": `{"schemaVersion":2,"manifests":[]}`})
		},
	}
	for i := range 3 {
		cases[fmt.Sprintf("blob %d is missing", i)] = func(t *testing.T, dir string) {
			if err := os.Remove(blobs(t, dir)[i]); err != nil {
				t.Fatal(err)
			}
		}
		cases[fmt.Sprintf("blob %d is torn", i)] = func(t *testing.T, dir string) {
			name := blobs(t, dir)[i]
			data, err := os.ReadFile(name)
			if err == nil {
				data[len(data)/2] ^= 1
				err = os.WriteFile(name, data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			base(t, filepath.Join(dir, "l"))
			damage(t, filepath.Join(dir, "l"))
			before := layoutFiles(t, dir)
			cmd := exec.Command("layform", "import", "l")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("it was imported: %s", out)
			}
			if diff := cmp.Diff(before, layoutFiles(t, dir)); diff != "" {
				t.Errorf("refused, but something was written: %s\n%s", diff, out)
			}
		})
	}
}

// TestImportAgreesWithOthers holds that the objects of an imported spec come out as image
// spec documents that say what was there: no value was lost.
func TestImportAgreesWithOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ggcrLayouts()["image with a name"](t, filepath.Join(dir, "l"))
	tool(t, dir, "layform", "import", "l")
	tool(t, dir, "layform", "apply", "--auto-approve", "--replace", "config.app-v1-2", "--replace", "manifest.app-v1-2")
	noChanges(t, dir)
	store, err := ours.Open(filepath.Join(dir, "l"), ours.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	configs := map[string]any{}
	for blob, err := range store.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "l", "blobs", "sha256", blob.Digest.Encoded()))
		if err != nil {
			t.Fatal(err)
		}
		var file v1.ConfigFile
		if json.Unmarshal(data, &file) == nil && file.Architecture != "" {
			file.Created.Time = file.Created.UTC().Truncate(time.Second)
			for i := range file.History {
				file.History[i].Created.Time = file.History[i].Created.UTC().Truncate(time.Second)
			}
			configs[string(blob.Digest)] = file
		}
	}
	if len(configs) != 2 {
		t.Fatalf("there are %d configs, not that of others and ours", len(configs))
	}
	var both []any
	for _, c := range configs {
		both = append(both, c)
	}
	if diff := cmp.Diff(both[0], both[1]); diff != "" {
		t.Errorf("the config comes out with other values: %s", diff)
	}
}

// TestImportFetches imports a tar and an image of a registry: their content comes into a
// layout first.
func TestImportFetches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ggcrLayouts()["index"](t, filepath.Join(dir, "l"))
	registry := registrytest.New(t)
	image := "docker://" + registry.Host() + "/team/app:v1"
	tool(t, dir, "layform", "copy", "oci:l:latest", image)
	tool(t, dir, "layform", "layout", "export", "l", "whole.tar")
	tool(t, dir, "layform", "layout", "export", "l:latest", "one.tar")
	for source, into := range map[string]string{image: "dist/app", "whole.tar": "dist/whole", "oci-archive:one.tar:latest": "dist/one"} {
		out := tool(t, dir, "layform", "import", source)
		if !strings.Contains(out, "Imported from "+into) || strings.Contains(out, "not described") {
			t.Errorf("%s: %s", source, out)
		}
		noChanges(t, dir)
		tool(t, dir, "layform", "layout", "validate", into)
		if err := os.Remove(filepath.Join(dir, "layform.hcl")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImportNeverOverwrites holds that no spec is written over, or beside another one.
func TestImportNeverOverwrites(t *testing.T) {
	t.Parallel()
	for _, existing := range []string{"layform.hcl", "other.layform.hcl", "x.layform.json"} {
		dir := t.TempDir()
		handmadeLayouts()["two names"](t, filepath.Join(dir, "l"))
		write(t, dir, map[string]string{existing: "# mine\n"})
		cmd := exec.Command("layform", "import", "l")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte(existing)) {
			t.Errorf("%s: %v, %s", existing, err, out)
		}
		names, err := os.ReadDir(dir)
		if err != nil || !slices.ContainsFunc(names, func(e fs.DirEntry) bool { return e.Name() == existing }) || len(names) != 2 {
			t.Errorf("%s: %v, %v", existing, names, err)
		}
		if out := tool(t, dir, "layform", "import", "l:two", "--dry-run"); !strings.HasPrefix(out, "layout {\n") || strings.Contains(out, `"1"`) {
			t.Errorf("a dry run prints %s", out)
		}
	}
}
