package text

import (
	"testing"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner"
)

// fileLine is the line of one file that changes.
func fileLine(f planner.FileChange) string {
	f.Path = "/x"
	plan := &planner.Plan{Changes: []planner.Change{{Action: planner.Update, Files: []planner.FileChange{f}}}}
	return Lines(view.PlanReport(plan, 1).Sections[0].Rows[0].Sections[0], Style{})[0].Text
}

// TestNewEntries: a plan shows the mode, owner and target of what is new, but
// for the mode and owner that most entries have.
func TestNewEntries(t *testing.T) {
	for _, c := range []struct {
		p    layer.Properties
		want string
	}{
		{layer.Properties{Type: layer.Regular, Mode: 0o644, Size: 15}, "/x  15 B"},
		{layer.Properties{Type: layer.Regular, Mode: 0o755}, "/x  0 B"},
		{layer.Properties{Type: layer.Regular, Mode: 0o600, Size: 2}, "/x  2 B  mode 0600"},
		{layer.Properties{Type: layer.Regular, Mode: 0o4755, UID: 5}, "/x  0 B  mode 4755  owner 5:0"},
		{layer.Properties{Type: layer.Directory, Mode: 0o755}, "/x/"},
		{layer.Properties{Type: layer.Directory, Mode: 0o1777, GID: 7}, "/x/  mode 1777  owner 0:7"},
		{layer.Properties{Type: layer.Symlink, Mode: 0o777, Target: "a\x1bb"}, `/x  symlink → a\x1bb`},
		{layer.Properties{Type: layer.Hardlink, Mode: 0o600, Target: "etc/x"}, "/x  hardlink → etc/x"},
		{layer.Properties{Type: layer.Char, Mode: 0o666, Devmajor: 1, Devminor: 3}, "/x  char  mode 0666  1,3"},
		{layer.Properties{Type: layer.Fifo, Mode: 0o644}, "/x  fifo  mode 0644"},
	} {
		if got := fileLine(planner.FileChange{Action: planner.Create, After: &c.p}); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.p, got, c.want)
		}
		if got := fileLine(planner.FileChange{Action: planner.Delete, Before: &c.p}); got != c.want {
			t.Errorf("%+v deleted: got %q, want %q", c.p, got, c.want)
		}
	}
}

// TestChangedEntries: every property that can differ is named with what it is on
// both sides.
func TestChangedEntries(t *testing.T) {
	before := layer.Properties{
		Type: layer.Regular, Mode: 0o644, Size: 10, Target: "a", Devmajor: 1, Devminor: 2,
		Xattrs: map[string][]byte{"user.b": {0xff}, "user.a": nil},
	}
	after := before
	after.Type, after.Mode, after.UID, after.Mtime, after.Size = layer.Symlink, 0o4755, 7, 1_600_000_000, 2000
	after.Target, after.Devminor, after.Xattrs = "b\n", 3, map[string][]byte{"user.a": {1}}
	for what, want := range map[layer.Property]string{
		layer.PropertyType:    "/x  type file → symlink",
		layer.PropertyContent: "/x  content 10 B → 2.0 kB",
		layer.PropertyMode:    "/x  mode 0644 → 4755",
		layer.PropertyOwner:   "/x  owner 0:0 → 7:0",
		layer.PropertyMtime:   "/x  mtime 1970-01-01T00:00:00Z → 2020-09-13T12:26:40Z",
		layer.PropertyTarget:  `/x  target a → b\n`,
		layer.PropertyXattrs:  "/x  xattrs user.a user.b → user.a",
		layer.PropertyDevice:  "/x  device 1,2 → 1,3",
		"shape":               "/x  shape",
	} {
		f := planner.FileChange{Action: planner.Update, What: []layer.Property{what}, Before: &before, After: &after}
		if got := fileLine(f); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	f := planner.FileChange{Action: planner.Update, What: []layer.Property{layer.PropertyContent, layer.PropertyMode}, Before: &before, After: &after, Unknown: true}
	if got, want := fileLine(f), "/x  content 10 B → (known after apply), mode 0644 → 4755"; got != want {
		t.Errorf("unknown content: got %q, want %q", got, want)
	}
	f = planner.FileChange{Action: planner.Update, What: []layer.Property{layer.PropertyContent, layer.PropertyXattrs}, Before: &before, After: &before}
	if got, want := fileLine(f), "/x  content (10 B), xattrs (user.a user.b)"; got != want {
		t.Errorf("the same size: got %q, want %q", got, want)
	}
}
