package source

import (
	"context"
	"math/rand/v2"
	"os"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/spec"
)

// TestKnown: a layer of any blocks comes Unchanged when its fingerprint is known.
// What takes more to settle comes with its entries.
func TestKnown(t *testing.T) {
	_, root := folder(t, map[string]string{
		"app/bin/run": "#!", "app/etc/a.conf": "a", "app/etc/x/y/z": "z", "app/lib/": "", "app/link": "->etc", "conf/b": "b", "conf/x/w": "w", "one": "1",
	})
	copyOf := func(from, to string) spec.FileOp { return spec.FileOp{Kind: spec.OpCopy, From: from, To: to} }
	file := func(to string) spec.FileOp {
		return spec.FileOp{Kind: spec.OpFile, To: to, HasContent: true, Content: to}
	}
	directory := func(to string) spec.FileOp {
		return spec.FileOp{Kind: spec.OpDirectory, To: to, Mode: ptr(uint32(0o700))}
	}
	opaque := func(to string) spec.FileOp { return spec.FileOp{Kind: spec.OpWhiteout, To: to, Opaque: true} }
	for name, c := range map[string]struct {
		ops   []spec.FileOp
		quick bool
	}{
		"an empty copy":               {[]spec.FileOp{copyOf("app/lib", "")}, true},
		"no copy":                     {[]spec.FileOp{file("b/c"), file("a"), directory("b"), opaque("b"), directory("")}, true},
		"beside a copy":               {[]spec.FileOp{file("etc/z"), copyOf("app", "srv"), file("tmp/a"), file("srv.d/f")}, true},
		"inside a copy":               {[]spec.FileOp{copyOf("app", "srv"), file("srv/etc/b"), file("srv/etc/x/a"), file("srv/new/f"), file("srv/zz"), file("srv/a")}, true},
		"in the root":                 {[]spec.FileOp{copyOf("app", ""), file("etc/b"), directory(""), file("zz")}, true},
		"a directory of a copy":       {[]spec.FileOp{directory("srv/etc"), copyOf("app", "srv"), directory("srv"), directory("srv/etc/x/y")}, true},
		"whiteouts":                   {[]spec.FileOp{copyOf("app", "srv"), opaque("srv/etc"), {Kind: spec.OpWhiteout, To: "srv/etc/old"}, opaque("")}, true},
		"a source":                    {[]spec.FileOp{copyOf("app", "srv"), {Kind: spec.OpFile, To: "srv/one", Source: "one"}}, true},
		"a copy in a copy":            {[]spec.FileOp{copyOf("conf", "srv/etc/conf"), copyOf("app", "srv"), copyOf("one", "srv/bin/uno"), copyOf("one", "srv/uno")}, true},
		"copies side by side":         {[]spec.FileOp{copyOf("app", "srv/c"), copyOf("conf", "srv/a"), copyOf("conf", "srv")}, true},
		"copies of one directory":     {[]spec.FileOp{copyOf("app/etc", "etc"), copyOf("conf", "etc"), file("etc/x/f")}, true},
		"a copy over one's directory": {[]spec.FileOp{copyOf("app", "srv"), copyOf("conf", "srv/etc")}, true},
		"copies to the root":          {[]spec.FileOp{copyOf("app", ""), copyOf("conf", ""), copyOf("conf", "etc")}, true},
		"a hard link":                 {[]spec.FileOp{copyOf("app", "srv"), {Kind: spec.OpHardlink, To: "srv/h", Target: "srv/bin/run"}}, false},
	} {
		t.Run(name, func(t *testing.T) { checkKnown(t, root, at(c.ops...), c.quick) })
	}
}

// checkKnown: a layer whose fingerprint is known comes Unchanged where that can
// be told quickly, and otherwise with its entries.
func checkKnown(t *testing.T, root *os.Root, l *spec.Layer, quick bool) {
	t.Helper()
	opts := Options{Hash: true, Digests: &memory{known: map[string]digest.Digest{}}}
	observe := func() (*Tree, digest.Digest) {
		t.Helper()
		o, diags := Observe(context.Background(), root, l, opts)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		sum, ok := o.Fingerprint(l)
		if !ok {
			t.Fatal("no fingerprint although all is hashed")
		}
		return o.Tree, sum
	}
	want, sum := observe()
	opts.Known = sum
	got, again := observe()
	if again != sum {
		t.Errorf("the fingerprint is %s, and %s once it is known", sum, again)
	}
	if got.Unchanged != quick {
		t.Errorf("unchanged: %v", got.Unchanged)
	}
	opts.Known = digest.FromString("another")
	if got, _ := observe(); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

// TestKnownAtRandom: whatever blocks meet, a layer whose fingerprint is known has
// the same one again.
func TestKnownAtRandom(t *testing.T) {
	_, root := folder(t, map[string]string{"p/a/b/c": "1", "p/a/d": "2", "p/e": "3", "p/f/": "", "q/a/b/x": "4", "q/g/h": "5", "q/z": "->a", "r": "6"})
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	unchanged := 0
	for range 500 {
		var ops []spec.FileOp
		for range 1 + random.IntN(5) {
			to := path.Join(pick("", "a", "g", "s"), pick("", "a", "b"), pick("", "c", "x"))
			ops = append(ops, []spec.FileOp{
				{Kind: spec.OpCopy, From: pick("p", "q", "p/a", "q/a", "r"), To: to, Exclude: []string{pick("none", "a", "**/b")}},
				{Kind: spec.OpDirectory, To: to},
				{Kind: spec.OpFile, To: to + "f", HasContent: true, Content: to},
				{Kind: spec.OpWhiteout, To: to, Opaque: true},
			}[random.IntN(4)])
		}
		l, opts := at(ops...), Options{Hash: true, Digests: &memory{known: map[string]digest.Digest{}}}
		first, diags := Observe(context.Background(), root, l, opts)
		if diags.HasErrors() {
			continue
		}
		opts.Known, _ = first.Fingerprint(l)
		again, diags := Observe(context.Background(), root, l, opts)
		if diags.HasErrors() {
			t.Fatalf("%+v: %v", ops, diags)
		}
		if sum, _ := again.Fingerprint(l); sum != opts.Known {
			t.Errorf("%+v: another fingerprint once it is known", ops)
		}
		if again.Tree.Unchanged {
			unchanged++
		}
	}
	if unchanged < 100 {
		t.Errorf("%d layers were unchanged", unchanged)
	}
}

// TestProblemsOnce: what is wrong is told once, also where the fingerprint of an
// earlier layer was looked for first.
func TestProblemsOnce(t *testing.T) {
	dir, root := folder(t, map[string]string{"d/a": "a", "d/b": "b"})
	l := at(spec.FileOp{Kind: spec.OpCopy, From: "d"})
	opts := Options{Hash: true, Digests: &memory{known: map[string]digest.Digest{}}, Known: digest.FromString("another")}
	observeTree(t, root, l, opts)
	l.Tree[0].Capabilities = "cap_no_such=+ep"
	if _, diags := Observe(context.Background(), root, l, opts); len(diags) != 2 {
		t.Errorf("%d problems of two files: %v", len(diags), diags)
	}
	put(t, dir, "d/.wh.c", "")
	if _, diags := Observe(context.Background(), root, l, opts); len(diags) != 3 {
		t.Errorf("%d problems with another of the third: %v", len(diags), diags)
	}
}
