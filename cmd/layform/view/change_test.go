package view

import (
	"testing"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner"
)

// TestNewEntries: a plan shows the mode, owner and target of what is new, but
// for the mode and owner that most entries have.
func TestNewEntries(t *testing.T) {
	for _, c := range []struct {
		p    layer.Properties
		want string
	}{
		{layer.Properties{Type: layer.Regular, Mode: 0o644, Size: 15}, "15 B"},
		{layer.Properties{Type: layer.Regular, Mode: 0o755}, "0 B"},
		{layer.Properties{Type: layer.Regular, Mode: 0o600, Size: 2}, "2 B  mode 0600"},
		{layer.Properties{Type: layer.Regular, Mode: 0o4755, UID: 5}, "0 B  mode 4755  owner 5:0"},
		{layer.Properties{Type: layer.Directory, Mode: 0o755}, ""},
		{layer.Properties{Type: layer.Directory, Mode: 0o1777, GID: 7}, "mode 1777  owner 0:7"},
		{layer.Properties{Type: layer.Symlink, Mode: 0o777, Target: "a\x1bb"}, `symlink → a\x1bb`},
		{layer.Properties{Type: layer.Hardlink, Mode: 0o600, Target: "etc/x"}, "hardlink → etc/x"},
		{layer.Properties{Type: layer.Char, Mode: 0o666, Devmajor: 1, Devminor: 3}, "char  mode 0666  1,3"},
		{layer.Properties{Type: layer.Fifo, Mode: 0o644}, "fifo  mode 0644"},
	} {
		if got := newFileText(planner.FileChange{Action: planner.Create, After: &c.p}); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.p, got, c.want)
		}
	}
}
