package encode

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// benchTree is the tree of the Go toolchain, a real one of some 15,000 files,
// or the directory that LAYFORM_BENCH_TREE names.
func benchTree(b *testing.B, c imagespec.Compression) (*os.Root, *spec.Layer) {
	b.Helper()
	dir := os.Getenv("LAYFORM_BENCH_TREE")
	if dir == "" {
		out, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			b.Skipf("no tree to measure on: %v", err)
		}
		dir = strings.TrimSpace(string(out))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Skipf("no tree to measure on: %v", err)
	}
	b.Cleanup(func() { _ = root.Close() })
	return root, &spec.Layer{Compression: c, Tree: []spec.FileOp{{Kind: spec.OpCopy, From: ".", To: "tree"}}}
}

func benchCompressions() []imagespec.Compression {
	return []imagespec.Compression{{Algorithm: imagespec.Gzip}, {Algorithm: imagespec.Zstd}, {Algorithm: imagespec.Uncompressed}}
}

// BenchmarkTar makes the tar alone: headers and zeros, no content.
func BenchmarkTar(b *testing.B) {
	root, l := benchTree(b, imagespec.Compression{})
	tree := observe(b, root, l, source.Options{}).Tree
	b.SetBytes(int64(len(tree.Entries)) * layer.BlockSize)
	var buf []byte
	for b.Loop() {
		buf = buf[:0]
		for i := range tree.Entries {
			var err error
			if buf, err = layer.AppendHeader(buf, &tree.Entries[i].Entry); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCompress compresses one chunk of text with one worker.
func BenchmarkCompress(b *testing.B) {
	chunk := []byte(text(1, 1<<20))
	for _, c := range benchCompressions() {
		b.Run(layer.EncodingOf(c), func(b *testing.B) {
			enc, err := newEncoder(c)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(chunk)))
			var out []byte
			for b.Loop() {
				if out, err = enc.encode(out[:0], chunk); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWrite builds the layer, walk included.
func BenchmarkWrite(b *testing.B) {
	for _, c := range benchCompressions() {
		b.Run(layer.EncodingOf(c), func(b *testing.B) {
			root, l := benchTree(b, c)
			for b.Loop() {
				tree := observe(b, root, l, source.Options{}).Tree
				r, err := writeAll(context.Background(), io.Discard, root, tree, Options{Compression: c})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(r.Stats.Tar)
				b.ReportMetric(float64(r.Stats.Written), "blob-bytes")
			}
		})
	}
}

// BenchmarkReuse builds the layer from an earlier blob that has all its chunks.
func BenchmarkReuse(b *testing.B) {
	for _, c := range benchCompressions() {
		b.Run(layer.EncodingOf(c), func(b *testing.B) {
			root, l := benchTree(b, c)
			tree := observe(b, root, l, source.Options{}).Tree
			var blob bytes.Buffer
			first, err := writeAll(context.Background(), &blob, root, tree, Options{Compression: c})
			if err != nil {
				b.Fatal(err)
			}
			reuse := []Reuse{{TOC: first.TOC, Blob: bytes.NewReader(blob.Bytes())}}
			b.SetBytes(first.Stats.Tar)
			for b.Loop() {
				if _, err := Write(context.Background(), io.Discard, root, tree, Options{Compression: c, Reuse: reuse}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDerive makes the table of contents of a blob again.
func BenchmarkDerive(b *testing.B) {
	for _, c := range benchCompressions() {
		b.Run(layer.EncodingOf(c), func(b *testing.B) {
			root, l := benchTree(b, c)
			tree := observe(b, root, l, source.Options{}).Tree
			var blob bytes.Buffer
			first, err := writeAll(context.Background(), &blob, root, tree, Options{Compression: c})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(first.Stats.Tar)
			for b.Loop() {
				if _, err := layer.DeriveTOC(context.Background(), bytes.NewReader(blob.Bytes()), mediaTypeOf(c)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLong writes one long file, whose memory must not grow with it.
func BenchmarkLong(b *testing.B) {
	for _, mib := range []int{64, 256} {
		b.Run(fmt.Sprintf("%dMiB", mib), func(b *testing.B) {
			_, root := folder(b, map[string]string{"long": text(1, mib<<20)})
			l := copyOf(imagespec.Compression{Algorithm: imagespec.Zstd})
			b.SetBytes(int64(mib) << 20)
			for b.Loop() {
				tree := observe(b, root, l, source.Options{}).Tree
				if _, err := Write(context.Background(), io.Discard, root, tree, Options{Compression: l.Compression}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkImport takes a compressed archive as it is, and a plain one to be
// compressed.
func BenchmarkImport(b *testing.B) {
	for _, c := range benchCompressions() {
		b.Run(string(c.Algorithm), func(b *testing.B) {
			root, l := benchTree(b, c)
			var blob bytes.Buffer
			first, err := writeAll(context.Background(), &blob, root, observe(b, root, l, source.Options{}).Tree, Options{Compression: c})
			if err != nil {
				b.Fatal(err)
			}
			_, at := folder(b, map[string]string{"layer": blob.String()})
			archive := &spec.Layer{Archive: "layer", Compression: imagespec.Compression{Algorithm: imagespec.Gzip}}
			seen := observe(b, at, archive, source.Options{}).File
			b.SetBytes(first.Stats.Tar)
			for b.Loop() {
				if _, err := Import(context.Background(), io.Discard, at, seen, archive, Options{Compression: archive.Compression}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
