//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

const (
	// maxResident is the memory in MiB that a command takes at most, but for inputs
	// at the limit of what is read.
	maxResident = 128
	// maxProcessor is far above the 2 s that a command may take: it tells a command
	// that comes to no end from one on a slow machine.
	maxProcessor = 30 * time.Second
)

// hostileSpec has the layout that the hostile inputs change.
const hostileSpec = `
layout { path = "dist" }
layer "l" {
  file "/a" { content = "x" }
}
config "c" { platform = "linux/amd64" }
manifest "m" {
  config = config.c
  layers = [layer.l]
  tags   = ["latest"]
}
`

// bounded are the commands that read what somebody else may have made, by what they read.
var bounded = map[string][]string{
	"spec": {"fmt --check", "validate", "plan", "apply --auto-approve", "status", "verify"},
	"layout": {
		"layout show dist", "layout ls dist:latest", "layout cat dist:latest /a", "layout validate dist", "layout gc --dry-run dist", "layout tags dist", "layout referrers dist:latest", "layout repair --dry-run dist",
		"plan", "status", "verify",
	},
	"plan": {"show x.plan", "apply x.plan"},
}

// TestBounds runs the program on inputs that are made to fill the memory or to
// come to no end.
func TestBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("large inputs")
	}
	for name, c := range hostileInputs() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "layform.hcl"), []byte(hostileSpec), 0o644); err != nil {
				t.Fatal(err)
			}
			if c.reads == "layout" {
				apply := exec.Command("layform", "apply", "--auto-approve")
				apply.Dir = dir
				if out, err := apply.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			c.make(t, dir)
			args := c.args
			if args == nil {
				args = bounded[c.reads]
			}
			for _, args := range args {
				runBounded(t, dir, args, c)
			}
		})
	}
}

// hostileInput is one input.
type hostileInput struct {
	// reads says which of the bounded commands read it, unless args names them.
	reads string
	make  func(t *testing.T, dir string)
	args  []string
	// says is part of what commands that fail must say.
	says string
	// most is the memory for inputs that honest use may come to; maxResident for 0.
	most int64
}

// runBounded runs a command, checks what it takes, and what it says if it fails, and
// gives what it took.
func runBounded(t *testing.T, dir, args string, c hostileInput) taken {
	t.Helper()
	usage, err := os.Create(filepath.Join(t.TempDir(), "usage"))
	if err != nil {
		t.Fatal(err)
	}
	defer usage.Close()
	cmd := exec.Command("measured", strings.Fields(args)...)
	var out bytes.Buffer
	cmd.Dir, cmd.Stderr, cmd.ExtraFiles = dir, &out, []*os.File{usage}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var took taken
	data, err := os.ReadFile(usage.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &took); err != nil {
		t.Fatal(err)
	}
	message := out.String()
	message = message[:min(len(message), 400)]
	t.Logf("%s: %d MiB, %.2f s, exit %d: %q", args, took.Resident, took.Processor.Seconds(), took.Exit, message)
	switch {
	case took.Exit < 0 || strings.Contains(message, "goroutine"):
		t.Errorf("%s comes to no good end", args)
	case took.Resident > cmp.Or(c.most, maxResident):
		t.Errorf("%s takes %d MiB, more than %d", args, took.Resident, cmp.Or(c.most, maxResident))
	case took.Processor > maxProcessor:
		t.Errorf("%s takes %s", args, took.Processor)
	case took.Exit != 0 && !strings.Contains(message, c.says):
		t.Errorf("%s does not say %q", args, c.says)
	}
	return took
}

// hostileInputs are the inputs, by name.
func hostileInputs() map[string]hostileInput {
	spec := func(text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeText(t, filepath.Join(dir, "layform.hcl"), hostileSpec+text) }
	}
	number := func(t *testing.T, dir string) {
		spec("variable \"n\" {\n  type = number\n}\n")(t, dir)
		writeText(t, filepath.Join(dir, "v.layformvars"), "n = 1e20000000\n")
		writeText(t, filepath.Join(dir, "v.json"), `{"n": 1e20000000}`)
	}
	plan := func(text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			writeText(t, filepath.Join(dir, "x.plan"), text)
			if err := os.Truncate(filepath.Join(dir, "x.plan"), 256<<20); err != nil {
				t.Fatal(err)
			}
		}
	}
	return map[string]hostileInput{
		"3,000 spec files of 1 MB": {make: manySpecs, says: "more than 16 MiB", args: []string{"fmt --check", "validate", "plan"}},
		"a huge number":            {reads: "spec", make: spec("output \"x\" { value = 1e20000000 }\n"), says: "too large"},
		"a huge number for a variable": {make: number, says: "too large", args: []string{
			"plan --var n=1e20000000", "validate --var n=1e20000000", "plan --var-file v.layformvars", "plan --var-file v.json", "fmt --check v.layformvars",
		}},
		"a long heredoc": {reads: "spec", make: spec("output \"x\" {\n  value = <<E\n" + strings.Repeat("a\n", 400_000) + "E\n}\n"), says: "at most"},
		// Honest specs have as many tokens in a file: one of ten thousand layers does.
		"a spec of many values":              {make: spec("locals {\n  x = [" + strings.Repeat("0,", 124_000) + "]\n}\n"), most: 144, args: []string{"fmt --check", "validate", "plan"}},
		"a spec of many names":               {make: manyNames(80_000), most: 176, args: []string{"fmt --check", "validate", "plan"}},
		"a spec of too many names":           {make: manyNames(90_000), says: "at most", args: []string{"fmt --check", "validate", "plan"}},
		"index.json at its limit":            {reads: "layout", make: fullIndex},
		"a write to index.json at its limit": {reads: "layout", make: changedBesideFullIndex, most: 152, args: []string{"apply --auto-approve", "destroy --auto-approve"}},
		"a layer of 400,000 files":           {reads: "layout", make: manyFiles(400_000)},
		"a layer of too many files": {make: manyFiles(1_500_000), says: "too many files to list", args: []string{
			"layout ls dist:latest", "layout ls --json dist:latest", "layout cat dist:latest /a",
		}},
		"a layer of deep paths": {reads: "layout", make: deepPaths},
		"a forged stage":        {reads: "layout", make: forgedStage},
		"a forged table":        {reads: "layout", make: forgedTable},
		"a forged plan":         {reads: "plan", make: plan("{"), says: "not a plan"},
	}
}

// manyNames writes a spec of so many locals, each of three tokens.
func manyNames(n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "a%d=1\n", i)
		}
		writeText(t, filepath.Join(dir, "layform.hcl"), hostileSpec+"locals {\n"+b.String()+"}\n")
	}
}

func writeText(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func manySpecs(t *testing.T, dir string) {
	line := "# " + strings.Repeat("x", 97) + "\n"
	text := strings.Repeat(line, (1<<20)/len(line))
	first := filepath.Join(dir, "a.layform.hcl")
	writeText(t, first, text)
	for i := range 3000 {
		if err := os.Link(first, filepath.Join(dir, fmt.Sprintf("b%d.layform.hcl", i))); err != nil {
			t.Fatal(err)
		}
	}
}

// fullIndex fills index.json to its limit.
func fullIndex(t *testing.T, dir string) {
	name := filepath.Join(dir, "dist", "index.json")
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndexByte(old, ']')
	var b bytes.Buffer
	b.Write(old[:at])
	for i := 0; b.Len() < imagespec.MaxIndexJSON-1000; i++ {
		fmt.Fprintf(&b, `,{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":2,"annotations":{"org.opencontainers.image.ref.name":"t%d"}}`, digest.FromString(fmt.Sprint(i)), i)
	}
	b.Write(old[at:])
	writeText(t, name, b.String())
}

// changedBesideFullIndex is fullIndex with entries that lead nowhere, so that what is
// replaced is swept, and a spec that replaces its image.
func changedBesideFullIndex(t *testing.T, dir string) {
	fullIndex(t, dir)
	name := filepath.Join(dir, "dist", "index.json")
	full, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	own, others, _ := strings.Cut(string(full), `,{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"`+digest.FromString("0").String())
	if others == "" {
		t.Fatal("index.json has no entries of others")
	}
	full = []byte(own + strings.ReplaceAll(string(full[len(own):]), "application/vnd.oci.image.manifest.v1+json", "text/plain"))
	writeText(t, name, string(full))
	writeText(t, filepath.Join(dir, "layform.hcl"), strings.Replace(hostileSpec, `"x"`, `"y"`, 1))
}

// withLayer puts an image with one gzip layer into the place of the tag latest.
func withLayer(t *testing.T, dir string, fill func(*tar.Writer)) {
	t.Helper()
	store, err := layout.Open(filepath.Join(dir, "dist"), layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var buf bytes.Buffer
	sum := digest.SHA256.Digester()
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(io.MultiWriter(z, sum.Hash()))
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	put := func(mediaType string, data []byte) ocispec.Descriptor {
		desc, _, err := store.PutBytes(t.Context(), mediaType, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		return desc
	}
	document := func(mediaType string, v any) ocispec.Descriptor {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return put(mediaType, data)
	}
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Layers: []ocispec.Descriptor{put(ocispec.MediaTypeImageLayerGzip, buf.Bytes())}}
	manifest.SchemaVersion = 2
	manifest.Config = document(ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{sum.Digest()}},
	})
	desc := document(manifest.MediaType, manifest)
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: "latest"}
	if _, _, err := store.Swap(t.Context(), func(x *layout.Index) error { return x.Set(desc) }); err != nil {
		t.Fatal(err)
	}
}

func entry(t *testing.T, w *tar.Writer, name string) {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
}

func manyFiles(n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		withLayer(t, dir, func(w *tar.Writer) {
			for i := range n {
				entry(t, w, fmt.Sprintf("d%d/f%d", i/100, i))
			}
		})
	}
}

func deepPaths(t *testing.T, dir string) {
	withLayer(t, dir, func(w *tar.Writer) {
		for i := range 10_000 {
			entry(t, w, fmt.Sprintf("%d/%s", i, strings.Repeat("d/", 2000)))
		}
	})
}

func forgedStage(t *testing.T, dir string) {
	name := filepath.Join(dir, "dist", ".layform", "stage", "default.json")
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := 0; b.Len() < 63<<20; i++ {
		fmt.Fprintf(&b, `"layer.x%d":{"fingerprint":"","descriptor":{"mediaType":"","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}},`, i)
	}
	writeText(t, name, strings.Replace(string(old), `"objects":{`, `"objects":{`+b.String(), 1))
}

func forgedTable(t *testing.T, dir string) {
	tables, err := filepath.Glob(filepath.Join(dir, "dist", ".layform", "toc", "*"))
	if err != nil || len(tables) != 1 {
		t.Fatalf("%v, %v", tables, err)
	}
	if err := os.Truncate(tables[0], 256<<20); err != nil {
		t.Fatal(err)
	}
}
