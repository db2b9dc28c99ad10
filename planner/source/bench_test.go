package source

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/spec"
)

// benchTree is the tree of the Go toolchain, a real one of some 15,000 files,
// or the directory that LAYFORM_BENCH_TREE names.
func benchTree(b *testing.B) *os.Root {
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
	return root
}

// BenchmarkObserve walks a tree; with hashing, reads all of it, or nothing
// where a cache knows every file.
func BenchmarkObserve(b *testing.B) {
	l := &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpCopy, From: ".", To: "tree"}}}
	for _, c := range []struct {
		name string
		opts Options
	}{
		{"walk", Options{}},
		{"hash", Options{Hash: true}},
		{"cached", Options{Hash: true, Digests: &memory{known: map[string]digest.Digest{}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			root := benchTree(b)
			observeTree(b, root, l, c.opts) // fills the cache
			for b.Loop() {
				if n := len(observeTree(b, root, l, c.opts)); n == 0 {
					b.Fatal("the tree is empty")
				}
			}
		})
	}
}

// BenchmarkFingerprint hashes the entries of 2,000 files.
func BenchmarkFingerprint(b *testing.B) {
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("d%d/f%d", i%50, i)] = ""
	}
	_, root := folder(b, files)
	tree := &Tree{Entries: observeTree(b, root, &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpCopy, From: "."}}}, Options{Hash: true})}
	for b.Loop() {
		if _, ok := tree.Fingerprint(); !ok {
			b.Fatal("no fingerprint")
		}
	}
}
