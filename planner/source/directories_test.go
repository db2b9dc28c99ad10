package source

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/spec"
)

// TestDirectoriesOnce: layers of one plan list each directory once, and stat only
// what they include, however they are read.
func TestDirectoriesOnce(t *testing.T) {
	const n = 40
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("d/sub/f%02d", i)] = fmt.Sprint(i)
	}
	_, root := folder(t, files)
	for name, c := range map[string]struct {
		node         func(i int) spec.FileOp
		opts         Options
		lists, stats int64
	}{
		// The directory d and d/sub are listed; each layer stats sub and its file.
		"paths":      {func(i int) spec.FileOp { return spec.FileOp{Include: []string{fmt.Sprintf("sub/f%02d", i)}} }, Options{}, 2, 2 * n},
		"wildcards":  {func(i int) spec.FileOp { return spec.FileOp{Include: []string{fmt.Sprintf("s*/?%02d", i)}} }, Options{}, 2, 2 * n},
		"exclude":    {func(i int) spec.FileOp { return spec.FileOp{Exclude: []string{"sub/*0", "sub/*[1-9]"}} }, Options{}, 2, n},
		"everything": {func(int) spec.FileOp { return spec.FileOp{} }, Options{}, 2, n * (n + 1)},
		"metadata": {func(i int) spec.FileOp {
			return spec.FileOp{Include: []string{fmt.Sprintf("sub/f%02d", i)}, Metadata: spec.Preserve}
		}, Options{}, 2, 2 * n},
		"one's cache": {func(i int) spec.FileOp { return spec.FileOp{Include: []string{fmt.Sprintf("sub/f%02d", i)}} }, Options{Hash: true, Digests: &memory{known: map[string]digest.Digest{}}}, 2, 2 * n},
	} {
		t.Run(name, func(t *testing.T) {
			opts := c.opts
			opts.Directories = &Directories{}
			for i := range n {
				node := c.node(i)
				node.Kind, node.From = spec.OpCopy, "d"
				alone := lines(observeTree(t, root, at(node), c.opts))
				if got := lines(observeTree(t, root, at(node), opts)); fmt.Sprint(got) != fmt.Sprint(alone) {
					t.Fatalf("layer %d has %v, and %v alone", i, got, alone)
				}
			}
			if lists, stats := opts.Directories.Counts(); lists != c.lists || stats != c.stats {
				t.Errorf("%d directories were listed and %d files stat'ed, want %d and %d", lists, stats, c.lists, c.stats)
			}
		})
	}
}
