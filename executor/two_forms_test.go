//go:build unix

package executor_test

import (
	"strings"
	"testing"

	"github.com/layform/layform/planner"
)

// A layer that goes through a symlink below it has another form where nothing is below it:
// that is refused, also where the layer was built before.
func TestLayerThroughSymlinkAndAtTheBottom(t *testing.T) {
	w := newWorld(t, map[string]string{"x": "x"})
	text := `
layout { path = "out" }
layer "root" {
  directory "/usr/bin" {}
  symlink "/bin" { target = "usr/bin" }
}
layer "app" {
  LINK
  file "/bin/x" { source = "x" }
}
manifest "over" {
  artifact_type = "a/b"
  layers        = [layer.root, layer.app]
}
`
	bottom := `
manifest "bottom" {
  artifact_type = "a/c"
  layers        = [layer.app]
}
`
	follow := strings.Replace(text, "LINK", "", 1)
	w.write("layform.hcl", follow+bottom)
	refused := func() {
		t.Helper()
		_, err := w.tryPlan(planner.Options{})
		if err == nil || !strings.Contains(err.Error(), "Layer with two forms") || !strings.Contains(err.Error(), "manifest.bottom") {
			t.Errorf("got %v", err)
		}
	}
	refused()
	w.write("layform.hcl", follow)
	w.apply()
	w.write("layform.hcl", follow+bottom)
	refused()
	w.write("layform.hcl", strings.Replace(text, "LINK", `on_symlink_parent = "replace"`, 1)+bottom)
	w.agree("the link is replaced", planner.Options{})
}
