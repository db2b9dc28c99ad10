package source

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// TestDecomposedNames: a file whose name is written with combining characters is
// never silently missed: what names it in composed form is an error that says so,
// and what matches it by a wildcard has its name as it is, byte for byte.
func TestDecomposedNames(t *testing.T) {
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	dir, root := folder(t, map[string]string{"d/" + decomposed + "/f": "x", "d/plain": "y", decomposed + ".tar": "z"})
	if _, err := root.Lstat("d/" + composed); err == nil {
		t.Skipf("the file system of %s composes names", dir)
	}
	for name, l := range map[string]*spec.Layer{
		"from":            at(spec.FileOp{Kind: spec.OpCopy, From: "d/" + composed, To: "x"}),
		"from, deeper":    at(spec.FileOp{Kind: spec.OpCopy, From: "d/" + composed + "/f", To: "x"}),
		"source":          at(spec.FileOp{Kind: spec.OpFile, To: "x", Source: "d/" + composed + "/f"}),
		"archive":         {Archive: composed + ".tar"},
		"blob":            {Blob: composed + ".tar"},
		"include":         at(spec.FileOp{Kind: spec.OpCopy, From: "d", Include: []string{composed}}),
		"include, deeper": at(spec.FileOp{Kind: spec.OpCopy, From: "d", Include: []string{"plain", composed + "/*"}}),
		"exclude":         at(spec.FileOp{Kind: spec.OpCopy, From: "d", Exclude: []string{composed}}),
		"an exception":    at(spec.FileOp{Kind: spec.OpCopy, From: "d", Exclude: []string{"*", "!" + composed}}),
		"hard link":       at(spec.FileOp{Kind: spec.OpCopy, From: "d"}, spec.FileOp{Kind: spec.OpHardlink, To: "l", Target: composed + "/f"}),
	} {
		o, diags := Observe(context.Background(), root, l, Options{Hash: true})
		if o != nil || !diags.HasErrors() || !strings.Contains(diags.Error(), "combining characters") {
			t.Errorf("%s: %v, %v", name, o, diags)
		}
	}
	got := paths(observeTree(t, root, at(spec.FileOp{Kind: spec.OpCopy, From: "d", Include: []string{"caf*"}}), Options{}))
	if want := []string{decomposed, decomposed + "/f"}; !slices.Equal(got, want) {
		t.Errorf("a wildcard gives %+q, want %+q", got, want)
	}
	both := at(spec.FileOp{Kind: spec.OpCopy, From: "d"}, spec.FileOp{Kind: spec.OpFile, To: composed, HasContent: true})
	if got := paths(observeTree(t, root, both, Options{})); !slices.Contains(got, composed) || !slices.Contains(got, decomposed) {
		t.Errorf("two names of other bytes give %+q", got)
	}
}

// paths are the paths of entries, hard links left out.
func paths(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		if e.Type != layer.Hardlink {
			out = append(out, e.Path)
		}
	}
	return out
}
