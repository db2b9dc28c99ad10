package encode

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// folder makes a directory with files and opens it as a root.
func folder(t testing.TB, files map[string]string) (string, *os.Root) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		put(t, filepath.Join(dir, name), content)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return dir, root
}

func put(t testing.TB, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyOf is a layer that copies the whole root.
func copyOf(c imagespec.Compression) *spec.Layer {
	return &spec.Layer{Compression: c, Tree: []spec.FileOp{{Kind: spec.OpCopy, From: "."}}}
}

func observe(t testing.TB, root *os.Root, l *spec.Layer, opts source.Options) *source.Observed {
	t.Helper()
	o, diags := source.Observe(context.Background(), root, l, opts)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return o
}

// writeAll is Write, and importAll Import, with the entries in the table of contents.
func writeAll(ctx context.Context, w io.Writer, root *os.Root, t *source.Tree, opts Options) (Result, error) {
	r, err := Write(ctx, w, root, t, opts)
	return complete(r), err
}

func importAll(ctx context.Context, w io.Writer, root *os.Root, f *source.File, l *spec.Layer, opts Options) (Result, error) {
	r, err := Import(ctx, w, root, f, l, opts)
	return complete(r), err
}

func complete(r Result) Result {
	if r.TOC != nil {
		for e, sum := range r.Entries.All {
			if sum != nil {
				e.Digest = sum.Digest()
			}
			r.TOC.Entries = append(r.TOC.Entries, *e)
		}
		r.Entries = layer.EntryList{}
	}
	return r
}

// build observes a layer and writes it.
func build(t testing.TB, root *os.Root, l *spec.Layer, opts Options) ([]byte, Result) {
	t.Helper()
	o := observe(t, root, l, source.Options{})
	opts.Compression = l.Compression
	var buf bytes.Buffer
	r, err := writeAll(context.Background(), &buf, root, o.Tree, opts)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), r
}

// noise is content that does not compress, the same for the same seed.
func noise(seed uint64, n int) string {
	out := make([]byte, n)
	x := seed*2654435769 + 1
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x >> 32)
	}
	return string(out)
}

// text is content that compresses as text does.
func text(seed uint64, n int) string {
	words := []string{"layer ", "index ", "blob ", "config ", "manifest ", "digest ", "the ", "of ", "a ", "is ", "\n", "plan ", "apply ", "0x1f "}
	var out bytes.Buffer
	x := seed*2654435769 + 1
	for out.Len() < n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out.WriteString(words[x%uint64(len(words))])
	}
	return out.String()[:n]
}
