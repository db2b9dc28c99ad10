package planner

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// resetWarnings are the warnings about the layers of a stack, bottom first.
func resetWarnings(layers []layerContents) []string {
	var p overlayBuilder
	var warnings []string
	for i := range layers {
		p.addWhiteouts(&layers[i])
		if text := p.resets(&layers[i]); text != "" {
			warnings = append(warnings, text)
		}
		p.addRemaining(&layers[i])
	}
	return warnings
}

// TestResetWarnings: a layer that gives a directory of a layer below another
// mode or owner, or replaces a symlink by one, warns once, with both places;
// what a block says explicitly does not.
func TestResetWarnings(t *testing.T) {
	at := func(line int) hcl.Range { return hcl.Range{Filename: "l.hcl", Start: hcl.Pos{Line: line}} }
	mode, id := uint32(0o755), 0
	object := func(name string, line int) *spec.Object {
		a, err := addr.Parse("layer." + name)
		if err != nil {
			t.Fatal(err)
		}
		return &spec.Object{Address: a, Range: at(line), Body: &spec.Layer{Tree: []spec.FileOp{
			{Kind: spec.OpDirectory, Range: at(line + 1)},
			{Kind: spec.OpDirectory, Range: at(line + 2), Mode: &mode, UID: &id, GID: &id},
			{Kind: spec.OpCopy, Range: at(line + 3)},
			{Kind: spec.OpCopy, Range: at(line + 4), Metadata: spec.Preserve},
			{Kind: spec.OpCopy, Range: at(line + 5), DirMode: &mode, UID: &id, GID: &id},
		}}}
	}
	rootfs := layerContents{object: object("rootfs", 10), toc: &layer.TOC{Entries: []layer.Entry{
		{Path: "tmp", Type: layer.Directory, Mode: 0o1777}, {Path: "home/app", Type: layer.Directory, Mode: 0o700, UID: 1000, GID: 1000},
		{Path: "bin", Type: layer.Symlink, Mode: 0o777, Linkname: "usr/bin"}, {Path: "sbin", Type: layer.Symlink, Linkname: "usr"}, {Path: "usr", Type: layer.Directory, Mode: 0o755}, {Path: "usr/file", Type: layer.Regular},
	}}}
	dir := func(path string, node int) source.Entry {
		return source.Entry{Op: int32(node), Entry: layer.Entry{Path: path, Type: layer.Directory, Mode: 0o755}}
	}
	file := func(path string) source.Entry {
		return source.Entry{Op: 0, Entry: layer.Entry{Path: path, Type: layer.Regular}}
	}
	link := func(path string) source.Entry {
		return source.Entry{Op: 0, Entry: layer.Entry{Path: path, Type: layer.Symlink, Linkname: "elsewhere"}}
	}
	for _, c := range []struct {
		name    string
		entries []source.Entry
		want    string
	}{
		{"nothing", []source.Entry{dir("usr", -1), file("usr/x"), dir("new", -1)}, ""},
		{"a parent", []source.Entry{dir("tmp", -1), file("tmp/x")}, `l.hcl:20: layer.app makes "/tmp" 0755 0:0 where layer.rootfs (l.hcl:10) has 1777 0:0. Declare it with a directory block`},
		{"an owner", []source.Entry{dir("home", -1), dir("home/app", -1)}, `"/home/app" 0755 0:0 where layer.rootfs (l.hcl:10) has 0700 1000:1000`},
		{"a symlink first", []source.Entry{dir("bin", -1), dir("tmp", -1)}, `makes "/bin" a directory where layer.rootfs (l.hcl:10) has a symlink to "usr/bin", which it replaces. Write to the path that the symlink leads to. The same goes for 1 more path.`},
		{"a block without a mode", []source.Entry{dir("tmp", 0)}, "l.hcl:21: layer.app makes"},
		{"a block that says it", []source.Entry{dir("tmp", 1), dir("home/app", 1)}, ""},
		{"a block over a symlink", []source.Entry{dir("bin", 1)}, "replaces"},
		{"a copy", []source.Entry{dir("tmp", 2)}, "l.hcl:23: "},
		{"a copy that preserves its mode", []source.Entry{dir("tmp", 3)}, ""},
		{"a copy that says it", []source.Entry{dir("tmp", 4)}, ""},
		{"a whiteout first", []source.Entry{file(".wh.tmp"), file(".wh.bin"), dir("bin", -1), dir("tmp", -1)}, ""},
		{"an opaque directory above", []source.Entry{dir("home", -1), file("home/.wh..wh..opq"), dir("home/app", -1)}, ""},
		{"an opaque root", []source.Entry{file(".wh..wh..opq"), dir("tmp", -1)}, ""},
		{"an opaque directory itself", []source.Entry{dir("tmp", -1), file("tmp/.wh..wh..opq")}, "1777"},
		{"a file over a directory", []source.Entry{dir("home", -1), file("home/app")}, `l.hcl:21: layer.app makes "/home/app" a file where layer.rootfs (l.hcl:10) has a directory, which is lost with all that it holds. Write to a path in the directory.`},
		{"a file over a directory without an entry", []source.Entry{file("home")}, `makes "/home" a file where layer.rootfs (l.hcl:10) has a directory`},
		{"a file over a link to a directory", []source.Entry{file("sbin")}, `makes "/sbin" a file where layer.rootfs (l.hcl:10) has a symlink to "usr", a directory, which it replaces`},
		{"a file over a link to nothing", []source.Entry{file("bin")}, ""},
		{"a file over a file", []source.Entry{dir("usr", -1), file("usr/file")}, ""},
		{"a link over a link", []source.Entry{link("sbin")}, ""},
		{"a link over a directory", []source.Entry{link("tmp")}, `makes "/tmp" a symlink where layer.rootfs (l.hcl:10) has a directory, which is lost`},
		{"a file over what is whited out", []source.Entry{file(".wh.tmp"), file("tmp")}, ""},
	} {
		got := strings.Join(resetWarnings([]layerContents{rootfs, {object: object("app", 20), entries: c.entries}}), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	// Through a symlink below, a directory is what the link leads to.
	linked := layerContents{object: object("rootfs", 10), toc: &layer.TOC{Entries: []layer.Entry{
		{Path: "lib", Type: layer.Symlink, Linkname: "usr/lib"}, {Path: "usr/lib", Type: layer.Directory, Mode: 0o755}, {Path: "usr/lib/x", Type: layer.Directory, Mode: 0o700},
	}}}
	through := resetWarnings([]layerContents{linked, {object: object("app", 20), entries: []source.Entry{dir("lib/x", -1)}}})
	if len(through) != 1 || !strings.Contains(through[0], `"/lib/x" 0755 0:0 where layer.rootfs (l.hcl:10) has 0700`) {
		t.Errorf("through a link: %q", through)
	}
	replaced := resetWarnings([]layerContents{linked, {object: object("app", 20), entries: []source.Entry{dir("lib", -1), dir("lib/x", -1)}}})
	if len(replaced) != 1 || strings.Contains(replaced[0], "more path") {
		t.Errorf("in place of a link: %q", replaced)
	}
	// What a layer in between left is what counts.
	middle := layerContents{object: object("middle", 30), entries: []source.Entry{file(".wh.bin"), file("tmp")}}
	top := layerContents{object: object("app", 20), entries: []source.Entry{dir("bin", -1), dir("tmp", -1)}}
	if got := resetWarnings([]layerContents{rootfs, middle, top}); len(got) != 1 || !strings.Contains(got[0], "layer.middle") {
		t.Errorf("a layer in between: %q", got)
	}
}

// TestDifferenceOfXattrs: two forms of a layer that differ in the value of an xattr alone
// are two forms.
func TestDifferenceOfXattrs(t *testing.T) {
	form := func(value string) []source.Entry {
		return []source.Entry{{Entry: layer.Entry{Path: "d", Type: layer.Directory, Xattrs: map[string]string{"user.a": value}}}}
	}
	if at, _, _ := firstDifference(form("1"), form("2")); at != "d" {
		t.Errorf("the difference is at %q", at)
	}
	if at, _, _ := firstDifference(form("1"), form("1")); at != "" {
		t.Errorf("equal forms differ at %q", at)
	}
}
