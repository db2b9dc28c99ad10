package layer

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// viewLines are the files of an image, each with its layer.
func viewLines(image *Overlay) []string {
	var out []string
	for f := range image.Files() {
		out = append(out, f.Path+" "+string(f.Type)+" "+string(rune('0'+f.Layer)))
	}
	return out
}

func tocOf(entries ...string) *TOC {
	toc := &TOC{}
	for _, e := range entries {
		s := Entry{Path: e, Type: Regular}
		if dir, ok := strings.CutSuffix(e, "/"); ok {
			s.Path, s.Type = dir, Directory
		}
		if name, target, ok := strings.Cut(e, "=="); ok {
			s.Path, s.Type, s.Linkname = name, Hardlink, target
		}
		if name, target, ok := strings.Cut(e, "->"); ok {
			s.Path, s.Type, s.Linkname = name, Symlink, target
		}
		toc.Entries = append(toc.Entries, s)
	}
	return toc
}

// imageOf lays layers over each other.
func imageOf(layers ...*TOC) (*Overlay, error) {
	var image Overlay
	for _, toc := range layers {
		if err := image.Add(toc); err != nil {
			return &image, err
		}
	}
	return &image, nil
}

func TestView(t *testing.T) {
	base := tocOf("bin/", "bin/a", "bin/b", "etc/", "etc/conf/", "etc/conf/x", "etc/conf/y", "etc/conf-d", "lib->usr/lib", "usr/", "usr/lib/", "usr/lib/so")
	for _, c := range []struct {
		name string
		top  []string
		want []string
	}{
		{"nothing", nil, []string{"bin directory 0", "bin/a file 0", "bin/b file 0", "etc directory 0", "etc/conf directory 0", "etc/conf/x file 0", "etc/conf/y file 0", "etc/conf-d file 0", "lib symlink 0", "usr directory 0", "usr/lib directory 0", "usr/lib/so file 0"}},
		{"whiteouts", []string{"bin/.wh.a", "etc/.wh.conf", ".wh.usr", ".wh.lib"}, []string{"bin directory 0", "bin/b file 0", "etc directory 0", "etc/conf-d file 0"}},
		{"opaque", []string{"etc/conf/.wh..wh..opq", "etc/conf/z", "bin/.wh..wh..opq", ".wh.usr", ".wh.lib"}, []string{"bin directory 0", "etc directory 0", "etc/conf directory 0", "etc/conf/z file 1", "etc/conf-d file 0"}},
		{"opaque root", []string{".wh..wh..opq", "new"}, []string{"new file 1"}},
		{"replaced", []string{"etc", "usr/", "bin/a/", "bin/a/n", "lib", "new", "new"}, []string{"bin directory 0", "bin/a directory 1", "bin/a/n file 1", "bin/b file 0", "etc file 1", "lib file 1", "new file 1", "usr directory 1", "usr/lib directory 0", "usr/lib/so file 0"}},
		{"hidden and new", []string{"etc/.wh.conf", "etc/conf/", "etc/conf/z", "bin/.wh.a", "bin/.wh.b", ".wh.usr", ".wh.lib"}, []string{"bin directory 0", "etc directory 0", "etc/conf directory 1", "etc/conf/z file 1", "etc/conf-d file 0"}},
	} {
		if diff := cmp.Diff(c.want, viewLines(mustImage(t, base, tocOf(c.top...)))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestOverlay: layers are laid over each other as umoci and buildah unpack them.
func TestOverlay(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []*TOC
		want   []string
	}{
		{"through a link", []*TOC{tocOf("lib->usr/lib", "usr/lib/a"), tocOf("lib/x")}, []string{"lib symlink 0", "usr/lib/a file 0", "usr/lib/x file 1"}},
		{"through a link to nothing", []*TOC{tocOf("lib->usr/lib"), tocOf("lib/x")}, []string{"lib symlink 0", "usr/lib/x file 1"}},
		{"through an absolute link", []*TOC{tocOf("a->/b/c", "b/c/"), tocOf("a/d/e")}, []string{"a symlink 0", "b/c directory 0", "b/c/d/e file 1"}},
		{"through a link out of the root", []*TOC{tocOf("a->../../../etc"), tocOf("a/x")}, []string{"a symlink 0", "etc/x file 1"}},
		{"through two links", []*TOC{tocOf("a->b", "b->c", "c/"), tocOf("a/x")}, []string{"a symlink 0", "b symlink 0", "c directory 0", "c/x file 1"}},
		{"whiteout through a link", []*TOC{tocOf("lib->usr/lib", "usr/lib/a", "usr/lib/b"), tocOf("lib/.wh.a")}, []string{"lib symlink 0", "usr/lib/b file 0"}},
		{"opaque through a link", []*TOC{tocOf("lib->usr/lib", "usr/lib/a"), tocOf("lib/.wh..wh..opq", "lib/n")}, []string{"lib symlink 0", "usr/lib/n file 1"}},
		{"a directory over a link", []*TOC{tocOf("lib->usr/lib", "usr/lib/a"), tocOf("lib/", "lib/x")}, []string{"lib directory 1", "lib/x file 1", "usr/lib/a file 0"}},
		{"a link over a directory", []*TOC{tocOf("lib/", "lib/a", "usr/lib/b"), tocOf("lib->usr/lib", "lib/x")}, []string{"lib symlink 1", "usr/lib/b file 0", "usr/lib/x file 1"}},
		{"a file over a link", []*TOC{tocOf("l->usr", "usr/a"), tocOf("l")}, []string{"l file 1", "usr/a file 0"}},
		{"a link in the same layer", []*TOC{tocOf("usr/", "lib->usr", "lib/x")}, []string{"lib symlink 0", "usr directory 0", "usr/x file 0"}},
		{"a whiteout behind its sibling", []*TOC{tocOf("d/", "d/a"), tocOf("d/n", "d/.wh.a")}, []string{"d directory 0", "d/n file 1"}},
		{"a whiteout of the own layer", []*TOC{tocOf("a"), tocOf("a", ".wh.a")}, []string{"a file 1"}},
		{"a whiteout of nothing", []*TOC{tocOf("a"), tocOf("b/.wh.c", ".wh.d")}, []string{"a file 0"}},
		{"a whiteout below a file", []*TOC{tocOf("a"), tocOf("a/.wh.c")}, []string{"a file 0"}},
		{"a whiteout of the directory itself", []*TOC{tocOf("d/", "d/a"), tocOf("d/.wh..", "d/.wh...", "d/.wh.")}, []string{"d directory 0", "d/a file 0"}},
		{"a whiteout with something new", []*TOC{tocOf("d/", "d/a", "d/e/f"), tocOf("d/e/n", ".wh.d")}, []string{"d/e/n file 1"}},
		{"opaque behind its siblings", []*TOC{tocOf("d/", "d/a"), tocOf("d/n", "d/.wh..wh..opq")}, []string{"d directory 0", "d/n file 1"}},
		{"two layers of whiteouts", []*TOC{tocOf("a", "b"), tocOf(".wh.a"), tocOf("a", ".wh.b")}, []string{"a file 2"}},
		{"one path twice", []*TOC{tocOf("d/", "d/a", "d/", "d/a")}, []string{"d directory 0", "d/a file 0"}},
		{"the root", []*TOC{tocOf("./", "a"), tocOf("./")}, []string{". directory 1", "a file 0"}},
		{"names beside each other", []*TOC{tocOf("a/", "a-b", "a/c", "a.d")}, []string{"a directory 0", "a/c file 0", "a-b file 0", "a.d file 0"}},
		{"a link that is replaced meanwhile", []*TOC{tocOf("l->a", "l/x", "l->b", "l/y")}, []string{"a/x file 0", "b/y file 0", "l symlink 0"}},
		{"a directory that is replaced meanwhile", []*TOC{tocOf("d/", "d/e/x", "d", "d/", "d/e/y")}, []string{"d directory 0", "d/e/y file 0"}},
		{"nothing", nil, nil},
	} {
		if diff := cmp.Diff(c.want, viewLines(mustImage(t, c.layers...))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	deep := "l->" + strings.Repeat("d/", 2000)
	for name, layers := range map[string][]*TOC{
		"too many symlinks":        {tocOf("loop->loop"), tocOf("loop/x")},
		`below "/a", which is a`:   {tocOf("a"), tocOf("a/b")},
		"longer than Linux allows": {tocOf("long->" + strings.Repeat("../", 2000)), tocOf("long/x")},
		"cannot be a file":         {tocOf(".")},
		"comes to lie at a path":   {tocOf(deep), tocOf("l/" + strings.Repeat("e/", 300) + "x")},
	} {
		if _, err := imageOf(layers...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error is %v, want %q", err, name)
		}
	}
}

// TestOverlayBounds: layers that are made to take all memory or time are given up.
func TestOverlayBounds(t *testing.T) {
	wide, links := &TOC{}, &TOC{}
	for i := range 400 {
		wide.Entries = append(wide.Entries, Entry{Path: strconv.Itoa(i) + strings.Repeat("/d", 2000), Type: Regular})
	}
	links = tocOf("l->" + strings.Repeat("./", 2000) + "m")
	for i := range 40_000 {
		links.Entries = append(links.Entries, Entry{Path: "l/" + strconv.Itoa(i) + "/x", Type: Regular})
	}
	for _, toc := range []*TOC{wide, links} {
		if _, err := imageOf(toc); err == nil {
			t.Error("it is taken")
		}
	}
}

// TestOverlayMemory: a list of files takes no more memory than it is given, whatever
// fills it, and has room for a million files of usual names without their digests.
func TestOverlayMemory(t *testing.T) {
	long := strings.Repeat("x", 250)
	many := func(n int, e func(i int) Entry) func(func(*Entry) error) error {
		return func(add func(*Entry) error) error {
			for i := range n {
				file := e(i)
				if err := add(&file); err != nil {
					return err
				}
			}
			return nil
		}
	}
	usual := func(i int) Entry {
		return Entry{Path: fmt.Sprintf("usr/lib/d%d/file%d", i/100, i), Type: Regular, Mode: 0o644, Mtime: 1_700_000_000, Size: 5000, Digest: digest.FromString("x"), Offset: 1 << 40}
	}
	for name, c := range map[string]struct {
		omit    bool
		most    int
		entries func(int) Entry
	}{
		"usual names": {true, 1_000_000, usual},
		"and digests": {false, 650_000, usual},
		"long names":  {true, 150_000, func(i int) Entry { return Entry{Path: strconv.Itoa(i) + long, Type: Regular} }},
		"long targets": {true, 10_000, func(i int) Entry {
			return Entry{Path: strconv.Itoa(i), Type: Symlink, Linkname: strings.Repeat(long, 16)}
		}},
		"one directory":  {true, 1_000_000, func(int) Entry { return Entry{Path: "d", Type: Directory, Mode: 0o755} }},
		"replaced files": {true, 1_000_000, func(int) Entry { return Entry{Path: "d", Type: Regular, Mode: 0o755} }},
		"xattrs": {true, 1000, func(i int) Entry {
			return Entry{Path: strconv.Itoa(i), Type: Regular, Xattrs: map[string]string{"user.x": strings.Repeat("x", 40_000)}}
		}},
	} {
		o := Overlay{OmitDigests: c.omit}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		if err := o.AddLayer(many(c.most, c.entries)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := o.AddLayer(many(8*c.most, c.entries)); err == nil || !strings.Contains(err.Error(), "too many files") {
			t.Errorf("%s: %v", name, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if took := int64(after.HeapAlloc) - int64(before.HeapAlloc); took > MaxOverlay*5/4 {
			t.Errorf("%s: it takes %d MiB", name, took>>20)
		}
		runtime.KeepAlive(&o)
	}
}

// TestOverlayContent: a hard link has the content that its target had when it was
// made, whatever layer has it.
func TestOverlayContent(t *testing.T) {
	image := mustImage(t, tocOf("lib->usr/lib", "usr/lib/a", "b==usr/lib/a"), tocOf("lib/a", "c==lib/a", "d==b", "e==nothing", "f==usr"), tocOf("usr/lib/a", ".wh.b"))
	for name, want := range map[string]struct {
		layer int
		path  string
	}{"usr/lib/a": {2, "usr/lib/a"}, "c": {1, "lib/a"}, "d": {0, "usr/lib/a"}, "e": {}, "f": {}} {
		f, err := image.Lookup(name, true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		path := ""
		if f.Content != nil {
			path = f.Content.Path
		}
		if path != want.path || f.ContentLayer != want.layer {
			t.Errorf("%s has the content of %q in layer %d, want %+v", name, path, f.ContentLayer, want)
		}
	}
}

func TestLookup(t *testing.T) {
	view := mustImage(t, tocOf("lib->usr/lib", "abs->/usr/./lib/so", "usr/", "usr/lib/", "usr/lib/so", "usr/up->../../../../usr/lib", "loop->loop", "gone->nothing"))
	for _, c := range []struct {
		name   string
		follow bool
		want   string
	}{
		{"/", true, "."},
		{"/usr/lib/so", false, "usr/lib/so"},
		{"lib/so", false, "usr/lib/so"},
		{"lib", false, "lib"},
		{"lib", true, "usr/lib"},
		{"abs", true, "usr/lib/so"},
		{"usr/up/so", true, "usr/lib/so"},
		{"../../lib/../lib/so", true, "usr/lib/so"},
	} {
		if f, err := view.Lookup(c.name, c.follow); err != nil || f.Path != c.want {
			t.Errorf("%q is %q, %v; want %q", c.name, f.Path, err, c.want)
		}
	}
	// A directory needs no entry of its own, and a link of the image leads
	// nowhere else, whichever layer writes below it.
	view = mustImage(t, tocOf("l->/etc", "usr/lib/so", "usr/lib-x", "loop->loop", "gone->nothing", "long->"+strings.Repeat("../", 2000)), tocOf("l/passwd", "etc/motd"))
	for name, want := range map[string]string{"usr": "usr", "usr/lib": "usr/lib", "usr/lib/so": "usr/lib/so", "l/motd": "etc/motd", "l/passwd": "etc/passwd"} {
		if f, err := view.Lookup(name, true); err != nil || f.Path != want {
			t.Errorf("%q is %q, %v; want %q", name, f.Path, err, want)
		}
	}
	for name, want := range map[string]string{"long": "longer than Linux allows", "us": `no "/us"`, "usr/li": "no ", "nope": `no "/nope"`, "usr/lib/so/x": "no ", "loop": "too many", "gone": `no "/nothing"`} {
		if f, err := view.Lookup(name, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %q, %v; want %q", name, f.Path, err, want)
		}
	}
}

func mustImage(t *testing.T, layers ...*TOC) *Overlay {
	t.Helper()
	image, err := imageOf(layers...)
	if err != nil {
		t.Fatal(err)
	}
	return image
}
