package source_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// randomEntries are the entries of a random layer, in canonical order.
func randomEntries(r *rand.Rand, n int) []source.Entry {
	all := map[string]layer.Entry{}
	names := []string{"a", "b", "c", "d"}
	for range n {
		p := names[r.IntN(4)]
		for range r.IntN(4) {
			p = path.Join(p, names[r.IntN(4)])
		}
		free := all[p].Path == ""
		for dir := path.Dir(p); dir != "." && free; dir = path.Dir(dir) {
			free = all[dir].Path == "" || all[dir].Type == layer.Directory
		}
		if !free {
			continue
		}
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			all[dir] = layer.Entry{Path: dir, Type: layer.Directory, Mode: 0o755}
		}
		all[p] = layer.Entry{Path: p, Type: layer.Regular, Mode: 0o644}
		switch r.IntN(4) {
		case 0:
			all[p] = layer.Entry{Path: p, Type: layer.Directory, Mode: 0o700}
		case 1:
			all[p] = layer.Entry{Path: p, Type: layer.Symlink, Linkname: "/nowhere"}
		}
	}
	var out []source.Entry
	for _, e := range all {
		out = append(out, source.Entry{Entry: e, Op: -1})
	}
	slices.SortFunc(out, func(a, b source.Entry) int { return layer.Compare(a.Path, b.Path) })
	return out
}

// TestExpand holds for random layers that explicit whiteouts leave the files that an opaque
// one leaves, and that none is for a path that the layer has itself.
func TestExpand(t *testing.T) {
	files := func(layers ...[]source.Entry) string {
		t.Helper()
		var o layer.Overlay
		for _, entries := range layers {
			toc := &layer.TOC{}
			for _, e := range entries {
				toc.Entries = append(toc.Entries, e.Entry)
			}
			if err := o.Add(toc); err != nil {
				t.Fatal(err)
			}
		}
		var out strings.Builder
		for f := range o.Files() {
			fmt.Fprintln(&out, f.Path, f.Type, f.Mode)
		}
		return out.String()
	}
	explicit := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		lower, own := randomEntries(r, 20), randomEntries(r, 5)
		l := &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpWhiteout, Opaque: true, Expand: true}}}
		dir := []string{".", "a", "a/b"}[r.IntN(3)]
		if slices.ContainsFunc(own, func(e source.Entry) bool {
			return e.Type != layer.Directory && (e.Path == dir || strings.HasPrefix(dir, e.Path+"/"))
		}) || slices.ContainsFunc(lower, func(e source.Entry) bool {
			return e.Type != layer.Directory && (e.Path == dir || strings.HasPrefix(dir, e.Path+"/"))
		}) {
			continue
		}
		own = append(own, source.Entry{Entry: layer.Entry{Path: imagespec.OpaquePath(dir), Type: layer.Regular}})
		slices.SortFunc(own, func(a, b source.Entry) int { return layer.Compare(a.Path, b.Path) })
		var below layer.Overlay
		toc := &layer.TOC{}
		for _, e := range lower {
			toc.Entries = append(toc.Entries, e.Entry)
		}
		if err := below.Add(toc); err != nil {
			t.Fatal(err)
		}
		tree := &source.Tree{Entries: own}
		got, ok := source.Expand(tree, l, source.FindLower(tree, l, &below))
		if !ok {
			t.Fatal("it stays opaque")
		}
		if diff := cmp.Diff(files(lower, own), files(lower, got.Entries)); diff != "" {
			t.Fatalf("seed %d, opaque %s (-opaque +explicit):\n%s", seed, dir, diff)
		}
		has := map[string]bool{}
		for _, e := range got.Entries {
			has[e.Path] = true
		}
		for p := range has {
			at, base := path.Split(p)
			if !imagespec.IsWhiteout(base) {
				continue
			}
			explicit++
			if hidden, err := imagespec.Hidden(base); err != nil || hidden == "" || has[path.Join(at, hidden)] {
				t.Fatalf("seed %d: the whiteout %s", seed, p)
			}
		}
	}
	if explicit < 1000 {
		t.Errorf("only %d whiteouts were seen", explicit)
	}
}
