//go:build unix

package executor_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/planner"
)

// artifacts are two manifests that refer to the empty blob: one has no config,
// the other no layers.
const artifacts = `
layout { path = "out" }
layer "doc" {
  blob       = "doc.txt"
  media_type = "text/plain"
}
manifest "doc" {
  artifact_type = "text/plain"
  layers        = [layer.doc]
  tags          = ["doc"]
}
manifest "mark" {
  artifact_type = "application/x-mark"
  tags          = ["mark"]
}
`

func TestImpliedBlobsAreOwnedObservedAndMended(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": artifacts, "doc.txt": "doc"})
	p := w.plan(planner.Options{})
	if result := w.carryOut(p); p.Summary.WriteBlobs != 4 || result.WrittenBlobs != 4 {
		t.Errorf("planned %d blobs, wrote %d, want 4", p.Summary.WriteBlobs, result.WrittenBlobs)
	}
	empty := filepath.Join(w.dir, "out/blobs/sha256", ocispec.DescriptorEmptyJSON.Digest.Encoded())
	for _, tt := range []struct {
		kind planner.DriftKind
		harm func() error
	}{
		{planner.DriftMissing, func() error { return os.Remove(empty) }},
		{planner.DriftTorn, func() error {
			return os.Rename(w.file("torn", "{"), empty)
		}},
		{planner.DriftTorn, func() error {
			return os.Rename(w.file("other", "[]"), empty)
		}},
	} {
		if err := tt.harm(); err != nil {
			t.Fatal(err)
		}
		p := w.plan(planner.Options{})
		if p.Empty() || len(p.Drift) != 2 || p.Drift[0].Kind != tt.kind || p.Drift[0].Key != "manifest.mark" || p.Summary.WriteBlobs != 1 {
			t.Errorf("%s: drift %v, %d blobs to write", tt.kind, p.Drift, p.Summary.WriteBlobs)
		}
		if result := w.carryOut(p); result.WrittenBlobs != 1 {
			t.Errorf("%s: %d blobs were written", tt.kind, result.WrittenBlobs)
		}
		if data, err := os.ReadFile(empty); err != nil || string(data) != "{}" {
			t.Errorf("%s: then the blob is %q, %v", tt.kind, data, err)
		}
		if p := w.plan(planner.Options{}); !p.Empty() || len(p.Drift) > 0 {
			t.Errorf("%s: the next plan is %v, %v", tt.kind, actions(p), p.Drift)
		}
	}

	// It goes with the last manifest that needs it, and not before.
	w.write("layform.hcl", artifacts[:bytes.Index([]byte(artifacts), []byte(`manifest "mark"`))])
	p = w.plan(planner.Options{})
	if result := w.carryOut(p); p.Summary.DeleteBlobs != 1 || result.DeletedBlobs != 1 {
		t.Errorf("one manifest less: planned to delete %d blobs, deleted %d, want 1", p.Summary.DeleteBlobs, result.DeletedBlobs)
	}
	p = w.plan(planner.Options{Destroy: true})
	if result := w.carryOut(p); p.Summary.DeleteBlobs != 3 || result.DeletedBlobs != 3 {
		t.Errorf("destroy: planned to delete %d blobs, deleted %d, want 3", p.Summary.DeleteBlobs, result.DeletedBlobs)
	}
}

// file writes a file beside the spec and gives its path.
func (w *world) file(name, text string) string {
	w.t.Helper()
	w.write(name, text)
	return filepath.Join(w.dir, name)
}

// tarball is a gzip tar with one file.
func tarball(t *testing.T) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "f", Mode: 0o644, Size: 1, Format: tar.FormatUSTAR}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// One file is an archive for one layer and a plain blob for another: what was
// built for the one says nothing of the other.
func TestFileAsBlobIsNotFileAsArchive(t *testing.T) {
	const image = `
layout { path = "out" }
%s
config "app" { platform = "linux/amd64" }
manifest "app" {
  config = config.app
  layers = [layer.l]
  tags   = ["latest"]
}
`
	const blob = `
layer "%s" {
  blob       = "a.tar.gz"
  media_type = "application/vnd.example.bundle"
}
manifest "%[1]s" {
  artifact_type = "application/vnd.example.bundle"
  layers        = [layer.%[1]s]
}
`
	w := newWorld(t, map[string]string{"a.tar.gz": tarball(t)})
	w.write("layform.hcl", "layout { path = \"out\" }\n"+fmt.Sprintf(blob, "l"))
	w.apply()
	archive := fmt.Sprintf(image, `layer "l" { archive = "a.tar.gz" }`)
	for _, text := range []string{
		archive,
		archive + fmt.Sprintf(blob, "a") + fmt.Sprintf(blob, "z"),
		archive,
	} {
		w.write("layform.hcl", text)
		w.apply()
		w.accepted()
		if p := w.plan(planner.Options{}); !p.Empty() {
			t.Errorf("the next plan is %v", actions(p))
		}
	}
}

// Equal inputs give equal plans, also where objects share all that they are made
// of. Every run ranges over its maps in another order.
func TestPlanFollowsNoMapOrder(t *testing.T) {
	var before, after bytes.Buffer
	for i := range 12 {
		fmt.Fprintf(&before, "layer \"a%d\" {\n blob = \"a.tar.gz\"\n media_type = \"application/vnd.example.bundle\"\n}\n", i)
		fmt.Fprintf(&before, "layer \"b%d\" { archive = \"a.tar.gz\" }\n", i)
		fmt.Fprintf(&before, "manifest \"m%d\" {\n artifact_type = \"a/b\"\n layers = [layer.a%[1]d, layer.b%[1]d]\n tags = [\"t%[1]d\"]\n annotations = { a = \"1\", b = \"2\", c = \"3\" }\n}\n", i)
		fmt.Fprintf(&before, "output \"o%d\" { value = manifest.m%[1]d.digest }\n", i)
		// The layers change places, so that each finds what another one was.
		fmt.Fprintf(&after, "layer \"b%d\" {\n blob = \"a.tar.gz\"\n media_type = \"application/vnd.example.bundle\"\n}\n", i)
		fmt.Fprintf(&after, "layer \"n%d\" { archive = \"a.tar.gz\" }\n", i)
		fmt.Fprintf(&after, "manifest \"m%d\" {\n artifact_type = \"a/b\"\n layers = [layer.b%[1]d, layer.n%[1]d]\n tags = [\"u%[1]d\"]\n annotations = { a = \"3\", b = \"2\", d = \"3\" }\n}\n", i)
	}
	const head = "layout { path = \"out\" }\n"
	w := newWorld(t, map[string]string{"a.tar.gz": tarball(t), "layform.hcl": head + before.String()})
	w.apply()
	for _, blob := range []string{ocispec.DescriptorEmptyJSON.Digest.Encoded()} {
		if err := os.Remove(filepath.Join(w.dir, "out/blobs/sha256", blob)); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{head + before.String(), head + after.String()} {
		w.write("layform.hcl", text)
		for _, opts := range []planner.Options{{}, {Destroy: true}, {Targets: []string{"manifest.m3"}}} {
			first, err := planner.Encode(w.plan(opts))
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				next, err := planner.Encode(w.plan(opts))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(first, next) {
					t.Fatalf("%+v: two plans from equal inputs differ", opts)
				}
			}
		}
	}
}
