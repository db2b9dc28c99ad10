package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// underneath is an image as one that debootstrap makes: links of a merged /usr, a
// sticky /tmp, directories of users.
func underneath(t *testing.T) *layer.Overlay {
	t.Helper()
	dir := func(p string, mode uint32, id int, xattrs ...string) layer.Entry {
		e := layer.Entry{Path: p, Type: layer.Directory, Mode: mode, UID: id, GID: id}
		if len(xattrs) > 0 {
			e.Xattrs = map[string]string{"user.x": xattrs[0]}
		}
		return e
	}
	link := func(p, to string) layer.Entry {
		return layer.Entry{Path: p, Type: layer.Symlink, Mode: 0o777, Linkname: to}
	}
	var o layer.Overlay
	if err := o.Add(&layer.TOC{Entries: []layer.Entry{
		dir("usr", 0o755, 0), dir("usr/bin", 0o755, 7, "kept"), link("bin", "usr/bin"), link("lib64", "/usr/lib/64"), link("loop", "loop"), link("var/run", "/run"),
		dir("tmp", 0o1777, 0), dir("root", 0o700, 0), dir("home/app", 0o700, 1000), {Path: "etc/file", Type: layer.Regular}, link("tofile", "etc/file"),
	}}); err != nil {
		t.Fatal(err)
	}
	return &o
}

// TestPlace places trees on the same image below.
func TestPlace(t *testing.T) {
	mode, id := uint32(0o711), 5
	tree := []spec.FileOp{
		{Kind: spec.OpFile}, {Kind: spec.OpDirectory}, {Kind: spec.OpCopy, Metadata: spec.Normalize}, {Kind: spec.OpCopy, Metadata: spec.Preserve},
		{Kind: spec.OpCopy, DirMode: &mode, UID: &id},
	}
	for i := range tree {
		tree[i].Range = hcl.Range{Filename: "x.hcl", Start: hcl.Pos{Line: i + 1}}
	}
	const implied, file, declared, copied, preserved, explicit = -1, 0, 1, 2, 3, 4
	dir := func(p string, node int32) source.Entry {
		return source.Entry{Op: node, Entry: layer.Entry{Path: p, Type: layer.Directory, Mode: 0o755}}
	}
	regular := func(p string, node int32) source.Entry {
		return source.Entry{Op: node, File: "src/" + p, Entry: layer.Entry{Path: p, Type: layer.Regular, Mode: 0o644}}
	}
	hard := func(p, to string) source.Entry {
		return source.Entry{Op: file, Entry: layer.Entry{Path: p, Type: layer.Hardlink, Linkname: to, Mode: 0o644}}
	}
	for name, c := range map[string]struct {
		entries []source.Entry
		policy  spec.SymlinkParent
		want    string // the entries; empty for those that were there
		wrong   string
	}{
		"nothing below":          {entries: []source.Entry{dir("opt", implied), regular("opt/x", file)}},
		"the same below":         {entries: []source.Entry{dir("usr", implied), regular("usr/x", file)}},
		"a parent":               {entries: []source.Entry{dir("tmp", implied), regular("tmp/x", file)}, want: "tmp 1777 0:0, tmp/x 0644 0:0"},
		"an owner":               {entries: []source.Entry{dir("home", implied), dir("home/app", implied)}, want: "home 0755 0:0, home/app 0700 1000:1000"},
		"a copied directory":     {entries: []source.Entry{dir("root", copied), regular("root/.profile", copied)}, want: "root 0700 0:0, root/.profile 0644 0:0"},
		"a declared directory":   {entries: []source.Entry{dir("tmp", declared)}},
		"a preserved directory":  {entries: []source.Entry{dir("tmp", preserved)}},
		"an explicit mode":       {entries: []source.Entry{dir("home", implied), dir("home/app", explicit)}, want: "home 0755 0:0, home/app 0755 0:1000"},
		"xattrs":                 {entries: []source.Entry{dir("usr", implied), dir("usr/bin", implied)}, want: "usr 0755 0:0, usr/bin 0755 7:7 kept"},
		"through a link":         {entries: []source.Entry{dir("bin", implied), regular("bin/x", file)}, want: "usr 0755 0:0, usr/bin 0755 7:7 kept, usr/bin/x 0644 0:0"},
		"deeper":                 {entries: []source.Entry{dir("bin", copied), dir("bin/a", copied), regular("bin/a/x", copied)}, want: "usr 0755 0:0, usr/bin 0755 7:7 kept, usr/bin/a 0755 0:0, usr/bin/a/x 0644 0:0"},
		"to what is not there":   {entries: []source.Entry{dir("lib64", implied), regular("lib64/x", file)}, want: "usr 0755 0:0, usr/lib 0755 0:0, usr/lib/64 0755 0:0, usr/lib/64/x 0644 0:0"},
		"a link in a directory":  {entries: []source.Entry{dir("var", implied), dir("var/run", implied), regular("var/run/x", file)}, want: "var 0755 0:0, run 0755 0:0, run/x 0644 0:0"},
		"hard links move along":  {entries: []source.Entry{dir("bin", implied), regular("bin/b", file), hard("bin/a", "bin/b")}, want: "usr 0755 0:0, usr/bin 0755 7:7 kept, usr/bin/b 0644 0:0, usr/bin/a 0644 0:0 = usr/bin/b"},
		"both ways":              {entries: []source.Entry{dir("bin", implied), regular("bin/x", file), dir("usr", implied), dir("usr/bin", implied), regular("usr/bin/y", file)}, want: "usr 0755 0:0, usr/bin 0755 7:7 kept, usr/bin/x 0644 0:0, usr/bin/y 0644 0:0"},
		"both ways, declared":    {entries: []source.Entry{dir("bin", implied), regular("bin/x", file), dir("usr", implied), dir("usr/bin", declared)}, want: "usr 0755 0:0, usr/bin 0755 0:0, usr/bin/x 0644 0:0"},
		"two files at one path":  {entries: []source.Entry{dir("bin", implied), regular("bin/x", file), dir("usr", implied), dir("usr/bin", implied), regular("usr/bin/x", file)}, wrong: `"/usr/bin/x" is a file from src/usr/bin/x`},
		"a whiteout":             {entries: []source.Entry{dir("bin", implied), regular("bin/.wh.x", file)}, want: "usr 0755 0:0, usr/bin 0755 7:7 kept, usr/bin/.wh.x 0644 0:0"},
		"a link itself":          {entries: []source.Entry{regular("bin", file)}},
		"replaced":               {policy: spec.SymlinkReplace, entries: []source.Entry{dir("bin", implied), regular("bin/x", file)}},
		"refused":                {policy: spec.SymlinkError, entries: []source.Entry{dir("bin", implied), regular("bin/x", file)}, wrong: `"/bin" is a directory here, and below this layer a symlink to "usr/bin"`},
		"a declared one over it": {policy: spec.SymlinkError, entries: []source.Entry{dir("bin", declared), regular("bin/x", file)}},
		"a circle":               {entries: []source.Entry{dir("loop", implied), regular("loop/x", file)}, wrong: "cannot be followed"},
		"a link to a file":       {entries: []source.Entry{dir("tofile", implied), regular("tofile/x", file)}, wrong: "which is a file"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &spec.Layer{Tree: tree, OnSymlinkParent: c.policy}
			given := &source.Tree{Entries: c.entries, Sum: "x"}
			before := written(c.entries)
			placed, diags := source.Place(given, l, underneath(t), source.Options{Range: hcl.Range{Filename: "x.hcl"}})
			if c.wrong != "" {
				if !strings.Contains(diags.Error(), c.wrong) || diags[0].Subject == nil {
					t.Errorf("%v; want %q", diags, c.wrong)
				}
				return
			}
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if (c.want == "") != (placed == given) {
				t.Errorf("it is the same tree: %v", placed == given)
			}
			if want := c.want; want != "" {
				if diff := cmp.Diff(sorted(want), sorted(written(placed.Entries))); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for i := 1; i < len(placed.Entries); i++ {
					a, b := placed.Entries[i-1], placed.Entries[i]
					if b.Type != layer.Hardlink && a.Type != layer.Hardlink && layer.Compare(a.Path, b.Path) >= 0 {
						t.Errorf("%s is before %s", a.Path, b.Path)
					}
				}
			}
			if got := written(c.entries); got != before {
				t.Errorf("the tree that was given became %s", got)
			}
		})
	}
}

// written are entries in words.
func written(entries []source.Entry) string {
	var all []string
	for _, e := range entries {
		text := fmt.Sprintf("%s %04o %d:%d", e.Path, e.Mode, e.UID, e.GID)
		if e.Linkname != "" {
			text += " = " + e.Linkname
		}
		for _, v := range e.Xattrs {
			text += " " + v
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// sorted takes the words of entries apart. Their order is looked at apart.
func sorted(text string) map[string]bool {
	all := map[string]bool{}
	for _, e := range strings.Split(text, ", ") {
		all[e] = true
	}
	return all
}

// TestWhiteouts warns about those that hide nothing, through links too.
func TestWhiteouts(t *testing.T) {
	l := &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpWhiteout, Range: hcl.Range{Filename: "x.hcl", Start: hcl.Pos{Line: 3}}}}}
	var entries []source.Entry
	for _, p := range []string{"home/.wh.app", ".wh.nothing", "bin/.wh.nothing", "tmp/.wh..wh..opq", "opt/.wh..wh..opq", ".wh..wh..opq", "var/.wh.run"} {
		entries = append(entries, source.Entry{Entry: layer.Entry{Path: p, Type: layer.Regular}})
	}
	diags := source.Whiteouts(&source.Tree{Entries: entries}, l, underneath(t), source.Options{})
	var got []string
	for _, d := range diags {
		if d.Severity != hcl.DiagWarning || d.Subject.Start.Line != 3 {
			t.Errorf("%+v", d)
		}
		got = append(got, strings.Split(d.Detail, `"`)[1])
	}
	if diff := cmp.Diff([]string{"/nothing", "/bin/nothing", "/opt"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
