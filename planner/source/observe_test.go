package source

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// folder makes a directory with files and opens it as a root. A name that ends
// with a slash is a directory; content that begins with "->" is a symlink.
func folder(t testing.TB, files map[string]string) (string, *os.Root) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		put(t, dir, name, content)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return dir, root
}

func put(t testing.TB, dir, name, content string) {
	t.Helper()
	full := filepath.Join(dir, name)
	if strings.HasSuffix(name, "/") {
		must(t, os.MkdirAll(full, 0o755))
		return
	}
	must(t, os.MkdirAll(filepath.Dir(full), 0o755))
	if target, ok := strings.CutPrefix(content, "->"); ok {
		must(t, os.Symlink(target, full))
		return
	}
	must(t, os.WriteFile(full, []byte(content), 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }

// at gives nodes ranges of their own: the line is the index plus one.
func at(nodes ...spec.FileOp) *spec.Layer {
	for i := range nodes {
		nodes[i].Range = hcl.Range{Filename: "layform.hcl", Start: hcl.Pos{Line: i + 1}}
	}
	return &spec.Layer{Tree: nodes}
}

func observeTree(t testing.TB, root *os.Root, l *spec.Layer, opts Options) []Entry {
	t.Helper()
	o, diags := Observe(context.Background(), root, l, opts)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return o.Tree.Entries
}

// lines says entries in short: "path type mode", "-> target", and so on.
func lines(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		s := fmt.Sprintf("%s %s %o", e.Path, e.Type, e.Mode)
		if e.UID != 0 || e.GID != 0 {
			s += fmt.Sprintf(" %d:%d", e.UID, e.GID)
		}
		if e.Mtime != 0 {
			s += fmt.Sprintf(" @%d", e.Mtime)
		}
		if e.Linkname != "" {
			s += " -> " + e.Linkname
		}
		if e.Op < 0 {
			s += " implicit"
		}
		out = append(out, s)
	}
	return out
}

func TestObserve(t *testing.T) {
	files := map[string]string{
		"app/bin/run": "#!", "app/etc/a.conf": "a", "app/etc/b.txt": "b", "app/lib/": "", "app/link": "->../../outside",
		"app/.git/config": "x", "app/z": "z", "one": "1", "current": "->app", "other/etc/a.conf": "o",
	}
	copyApp := spec.FileOp{Kind: spec.OpCopy, From: "app", To: "srv"}
	for _, c := range []struct {
		name  string
		nodes []spec.FileOp
		want  []string
	}{
		{"copy", []spec.FileOp{copyApp}, []string{
			"srv directory 755", "srv/.git directory 755", "srv/.git/config file 644", "srv/bin directory 755", "srv/bin/run file 755",
			"srv/etc directory 755", "srv/etc/a.conf file 644", "srv/etc/b.txt file 644", "srv/lib directory 755",
			"srv/link symlink 777 -> ../../outside", "srv/z file 644",
		}},
		{"to the root", []spec.FileOp{{Kind: spec.OpCopy, From: "app/etc"}}, []string{"a.conf file 644", "b.txt file 644"}},
		{"through a link", []spec.FileOp{{Kind: spec.OpCopy, From: "current/etc", To: "e"}}, []string{"e directory 755", "e/a.conf file 644", "e/b.txt file 644"}},
		{"include", []spec.FileOp{{Kind: spec.OpCopy, From: "app", To: "srv", Include: []string{"**/*.conf", "bin/*"}}}, []string{
			"srv directory 755", "srv/bin directory 755", "srv/bin/run file 755", "srv/etc directory 755", "srv/etc/a.conf file 644",
		}},
		{"include a directory alone", []spec.FileOp{{Kind: spec.OpCopy, From: "app", Include: []string{"lib"}}}, []string{"lib directory 755"}},
		{"exclude wins", []spec.FileOp{{Kind: spec.OpCopy, From: "app", Include: []string{"etc/*"}, Exclude: []string{"**/b.*", ".git"}}}, []string{
			"etc directory 755", "etc/a.conf file 644",
		}},
		{"attributes", []spec.FileOp{{
			Kind: spec.OpCopy, From: "app", To: "srv", Include: []string{"etc/a.conf", "link"}, Mode: ptr(uint32(0o600)), DirMode: ptr(uint32(0o700)),
			UID: ptr(7), GID: ptr(8), Mtime: ptr(time.Unix(99, 5)),
		}}, []string{
			"srv directory 700 7:8 @99", "srv/etc directory 700 7:8 @99", "srv/etc/a.conf file 600 7:8 @99", "srv/link symlink 777 7:8 @99 -> ../../outside",
		}},
		{"a file to a path", []spec.FileOp{{Kind: spec.OpCopy, From: "one", To: "usr/bin/uno"}}, []string{"usr directory 755 implicit", "usr/bin directory 755 implicit", "usr/bin/uno file 644"}},
		{"a file into a directory", []spec.FileOp{{Kind: spec.OpCopy, From: "one", To: "usr", Into: true}}, []string{"usr directory 755 implicit", "usr/one file 644"}},
		{"a file into the root", []spec.FileOp{{Kind: spec.OpCopy, From: "one"}}, []string{"one file 644"}},
		{"a directory block wins", []spec.FileOp{copyApp, {Kind: spec.OpDirectory, To: "srv/etc", Mode: ptr(uint32(0o750)), UID: ptr(5)}, {Kind: spec.OpCopy, From: "other/etc", To: "srv/etc", Include: []string{"none*", "*"}, Exclude: []string{"a.conf"}}}, nil},
		{"copies merge", []spec.FileOp{{Kind: spec.OpCopy, From: "app/etc", To: "etc"}, {Kind: spec.OpCopy, From: "app/bin", To: "etc"}}, []string{
			"etc directory 755", "etc/a.conf file 644", "etc/b.txt file 644", "etc/run file 755",
		}},
		{"single entries", []spec.FileOp{
			{Kind: spec.OpFile, To: "f", HasContent: true, Content: "x", Mode: ptr(uint32(0o4755))},
			{Kind: spec.OpFile, To: "e/g", Source: "app/z"},
			{Kind: spec.OpFile, To: "e/run", Source: "app/bin/run"},
			{Kind: spec.OpFile, To: "e/set", Source: "app/bin/run", Mode: ptr(uint32(0o640))},
			{Kind: spec.OpDirectory, To: "", Mode: ptr(uint32(0o700))},
			{Kind: spec.OpSymlink, To: "s", Target: "../f"},
			{Kind: spec.OpHardlink, To: "a", Target: "f"},
			{Kind: spec.OpHardlink, To: "z", Target: "f"},
			{Kind: spec.OpWhiteout, To: "e/old"},
			{Kind: spec.OpWhiteout, To: "e/dir", Opaque: true},
		}, []string{
			". directory 700", "e directory 755 implicit", "e/.wh.old file 644", "e/dir directory 755 implicit", "e/dir/.wh..wh..opq file 644",
			"e/g file 644", "e/run file 755", "e/set file 640", "f file 4755", "a hardlink 4755 -> f", "s symlink 777 -> ../f", "z hardlink 4755 -> f",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, root := folder(t, files)
			must(t, os.Chmod(filepath.Join(dir, "app/bin/run"), 0o700))
			l := at(c.nodes...)
			if c.want == nil {
				o, diags := Observe(context.Background(), root, l, Options{})
				if o != nil || !strings.Contains(fmt.Sprint(diags.Errs()), "none*") {
					t.Errorf("a pattern without a match gives %v", diags)
				}
				l.Tree = l.Tree[:2]
				if got := lines(observeTree(t, root, l, Options{})); !slices.Contains(got, "srv/etc directory 750 5:0") {
					t.Errorf("the directory block does not win: %v", got)
				}
				return
			}
			if diff := cmp.Diff(c.want, lines(observeTree(t, root, l, Options{}))); diff != "" {
				t.Error(diff)
			}
			checkKnown(t, root, l, c.name != "single entries") // which have hard links
		})
	}
}

func TestObserveProblems(t *testing.T) {
	files := map[string]string{
		"d/a": "a", "d/sub/b": "b", "wh/.wh.x": "", "utf/a\xff": "", "out": "->../elsewhere", "abs": "->/etc", "loop": "->loop", "dangling": "->nothing",
		"e/sub/b": "other", "plain": "text", "d2/sub": "->x",
	}
	file := func(to string) spec.FileOp {
		return spec.FileOp{Kind: spec.OpFile, To: to, HasContent: true}
	}
	for _, c := range []struct {
		name string
		// line is the line of the block that the diagnostic names.
		line  int
		want  string
		nodes []spec.FileOp
	}{
		{"missing", 1, `Nothing can be copied from "nothing": no such file or directory.`, []spec.FileOp{{Kind: spec.OpCopy, From: "nothing", To: "x"}}},
		{"dangling", 1, "no such file", []spec.FileOp{{Kind: spec.OpCopy, From: "dangling", To: "x"}}},
		{"link out", 1, "it leads out of the spec's directory", []spec.FileOp{{Kind: spec.OpCopy, From: "out", To: "x"}}},
		{"absolute link", 1, "leads out of the spec's directory", []spec.FileOp{{Kind: spec.OpFile, To: "x", Source: "abs"}}},
		{"parent", 1, "leads out of the spec's directory", []spec.FileOp{{Kind: spec.OpCopy, From: "../x", To: "x"}}},
		{"loop", 1, "it leads through too many symlinks", []spec.FileOp{{Kind: spec.OpCopy, From: "loop", To: "x"}}},
		{"source is a directory", 1, "cannot be read: it is a directory, not a regular file", []spec.FileOp{{Kind: spec.OpFile, To: "x", Source: "d"}}},
		{"no match", 2, `"*.go" matches nothing`, []spec.FileOp{file("f"), {Kind: spec.OpCopy, From: "d", Include: []string{"*.go"}}}},
		{"bad pattern", 1, `"[" is not a valid glob`, []spec.FileOp{{Kind: spec.OpCopy, From: "d", Exclude: []string{"["}}}},
		{"patterns for a file", 1, "include, exclude and ignore_file choose", []spec.FileOp{{Kind: spec.OpCopy, From: "plain", Include: []string{"*"}}}},
		{"whiteout name", 1, ".wh.", []spec.FileOp{{Kind: spec.OpCopy, From: "wh"}}},
		{"invalid name", 1, "not valid UTF-8", []spec.FileOp{{Kind: spec.OpCopy, From: "utf"}}},
		{"long name", 1, "longer than Linux allows", []spec.FileOp{file(strings.Repeat("x", 256))}},
		{"two files", 2, `"/d/a" is a file (file at layform.hcl:2), and a file from d/a (copy at layform.hcl:1) as well`, []spec.FileOp{{Kind: spec.OpCopy, From: "d", To: "d"}, file("d/a")}},
		{"two directories", 2, `"/x" is a directory (directory at layform.hcl:2), and a directory (directory at layform.hcl:1)`, []spec.FileOp{{Kind: spec.OpDirectory, To: "x"}, {Kind: spec.OpDirectory, To: "x"}}},
		{"file over directory", 2, "and a directory", []spec.FileOp{{Kind: spec.OpCopy, From: "d", To: "x"}, file("x/sub")}},
		{"copies disagree", 2, "declare it with a directory block", []spec.FileOp{{Kind: spec.OpCopy, From: "d", To: "x", Exclude: []string{"sub/b"}}, {Kind: spec.OpCopy, From: "e", To: "x", UID: ptr(3)}}},
		{"below a file", 2, `"/f/g" lies below "/f", which is a file (file at layform.hcl:1)`, []spec.FileOp{file("f"), file("f/g")}},
		{"below a symlink", 2, `lies below "/d/sub", which is a symlink`, []spec.FileOp{{Kind: spec.OpCopy, From: "d2", To: "d"}, file("d/sub/q")}},
		{"no link target", 1, `no entry "/t" for "/l"`, []spec.FileOp{{Kind: spec.OpHardlink, To: "l", Target: "t"}}},
		{"link to directory", 2, "cannot be hard-linked", []spec.FileOp{{Kind: spec.OpDirectory, To: "t"}, {Kind: spec.OpHardlink, To: "l", Target: "t"}}},
		{"link to link", 3, "name its target", []spec.FileOp{file("f"), {Kind: spec.OpHardlink, To: "t", Target: "f"}, {Kind: spec.OpHardlink, To: "l", Target: "t"}}},
		{"whiteout of the root", 1, "cannot hide the root", []spec.FileOp{{Kind: spec.OpWhiteout}}},
		{"capabilities", 1, `The capabilities "net_bind=+ep" cannot be set: in "net_bind=+ep", the capability "net_bind" does not exist.`, []spec.FileOp{{Kind: spec.OpFile, To: "f", HasContent: true, Capabilities: "net_bind=+ep"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, root := folder(t, files)
			o, diags := Observe(context.Background(), root, at(c.nodes...), Options{Hash: true})
			if o != nil || !diags.HasErrors() {
				t.Fatal("no error")
			}
			d := diags[0]
			if !strings.Contains(d.Summary+": "+d.Detail, c.want) {
				t.Errorf("the diagnostic is %q: %q, want %q", d.Summary, d.Detail, c.want)
			}
			if d.Subject == nil || d.Subject.Start.Line != c.line {
				t.Errorf("the subject is %v, want line %d", d.Subject, c.line)
			}
		})
	}
}

// TestManyProblems: one broken tree does not drown the rest.
func TestManyProblems(t *testing.T) {
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("d/.wh.%d", i)] = ""
	}
	_, root := folder(t, files)
	l := at(spec.FileOp{Kind: spec.OpCopy, From: "d"}, spec.FileOp{Kind: spec.OpCopy, From: "nothing"})
	_, diags := Observe(context.Background(), root, l, Options{})
	if len(diags) != maxProblems+1 {
		t.Errorf("%d diagnostics", len(diags))
	}
}

func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	dir, root := folder(t, map[string]string{"d/a": "a"})
	must(t, os.Chmod(filepath.Join(dir, "d/a"), 0))
	_, diags := Observe(context.Background(), root, at(spec.FileOp{Kind: spec.OpCopy, From: "d"}), Options{Hash: true})
	if !strings.Contains(diags.Error(), "permission denied") {
		t.Errorf("the diagnostics are %v", diags)
	}
}

func TestCancelled(t *testing.T) {
	_, root := folder(t, map[string]string{"d/a": "a"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if o, diags := Observe(ctx, root, at(spec.FileOp{Kind: spec.OpCopy, From: "d"}), Options{}); o != nil || !diags.HasErrors() {
		t.Errorf("a cancelled observation gives %v, %v", o, diags)
	}
}

// TestEnvironment: neither mtimes nor the order in which a directory was
// filled, nor the number of workers, change what is observed.
func TestEnvironment(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("t/d%d/f%d", i%17, i))
	}
	observe := func(workers int, reverse bool) *Tree {
		if reverse {
			slices.Reverse(names)
		}
		dir, root := folder(t, nil)
		for _, n := range names {
			put(t, dir, n, n)
			must(t, os.Chtimes(filepath.Join(dir, n), time.Now(), time.Unix(int64(len(n)+workers), 0)))
		}
		o, diags := Observe(context.Background(), root, at(spec.FileOp{Kind: spec.OpCopy, From: "t"}), Options{Hash: true, Parallelism: workers, Epoch: 17})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return o.Tree
	}
	want := observe(1, false)
	for _, workers := range []int{2, 8} {
		if diff := cmp.Diff(want, observe(workers, true)); diff != "" {
			t.Errorf("%d workers observe something else: %s", workers, diff)
		}
	}
	if e := want.Entries[0]; e.Mtime != 17 {
		t.Errorf("the mtime is %d", e.Mtime)
	}
}

// memory is a Digester that trusts size and mtime.
type memory struct {
	mu     sync.Mutex
	known  map[string]digest.Digest
	stored int
}

func (m *memory) key(path string, info fs.FileInfo) string {
	return fmt.Sprint(path, info.Size(), info.ModTime().UnixNano())
}

// Folder gives nothing: files are known by their paths alone.
func (*memory) Folder(string) *stage.Folder { return nil }

func (m *memory) Lookup(path string, info fs.FileInfo) (digest.Digest, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.known[m.key(path, info)]
	return d, ok
}

func (m *memory) Store(path string, info fs.FileInfo, d digest.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[m.key(path, info)] = d
	m.stored++
}

func TestDigests(t *testing.T) {
	dir, root := folder(t, map[string]string{"d/a": "a", "d/b": "b", "x.bin": "blob"})
	m := &memory{known: map[string]digest.Digest{}}
	opts := Options{Hash: true, Digests: m}
	l := at(spec.FileOp{Kind: spec.OpCopy, From: "d"})
	for _, e := range observeTree(t, root, l, opts) {
		if want := digest.FromString(e.Path); e.Digest != want {
			t.Errorf("%s has digest %s", e.Path, e.Digest)
		}
	}
	if m.stored != 2 {
		t.Errorf("%d digests were stored", m.stored)
	}
	observeTree(t, root, l, opts)
	if m.stored != 2 {
		t.Errorf("files were hashed again: %d", m.stored)
	}
	put(t, dir, "d/a", "changed")
	if e := observeTree(t, root, l, opts)[0]; e.Digest != digest.FromString("changed") || m.stored != 3 {
		t.Errorf("%s has digest %s after a change, %d stored", e.Path, e.Digest, m.stored)
	}
	for range 2 {
		o, diags := Observe(context.Background(), root, &spec.Layer{Blob: "x.bin"}, opts)
		if diags.HasErrors() || o.File.Digest != digest.FromString("blob") {
			t.Errorf("the blob is %v, %v", o, diags)
		}
	}
	if m.stored != 4 {
		t.Errorf("the blob was hashed again: %d", m.stored)
	}
}

func TestFill(t *testing.T) {
	_, root := folder(t, nil)
	l := at(spec.FileOp{Kind: spec.OpFile, To: "f", ContentUnknown: true}, spec.FileOp{Kind: spec.OpFile, To: "g", HasContent: true, Content: "g"})
	o, diags := Observe(context.Background(), root, l, Options{Hash: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if _, ok := o.Fingerprint(l); ok || o.Tree.TarSize() != 0 {
		t.Error("unknown content has a fingerprint or a size")
	}
	if still := o.Tree.Fill(l); !still.Entries[0].Unknown {
		t.Error("content became known from nothing")
	}
	known := at(spec.FileOp{Kind: spec.OpFile, To: "f", HasContent: true, Content: "now known"}, l.Tree[1])
	filled := o.Tree.Fill(known)
	want, diags := Observe(context.Background(), root, known, Options{Hash: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if diff := cmp.Diff(want.Tree, filled); diff != "" {
		t.Errorf("the filled tree differs: %s", diff)
	}
	if !o.Tree.Entries[0].Unknown || o.Tree.Entries[0].Type != layer.Regular {
		t.Error("Fill changed its receiver")
	}
}
