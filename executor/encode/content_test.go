package encode

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// counting counts the bytes that are read at random.
type counting struct {
	r io.ReaderAt
	n int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

func mediaTypeOf(c imagespec.Compression) string {
	switch c.Algorithm {
	case imagespec.Zstd:
		return "application/vnd.oci.image.layer.v1.tar+zstd"
	case imagespec.Uncompressed:
		return "application/vnd.oci.image.layer.v1.tar"
	}
	return "application/vnd.oci.image.layer.v1.tar+gzip"
}

// TestOpen reads every file of a layer on its own.
func TestOpen(t *testing.T) {
	root, layerOf := goldenTree(t)
	l := layerOf(imagespec.Compression{})
	tree := observe(t, root, l, source.Options{Hash: true}).Tree
	for _, c := range compressions {
		blob, r := build(t, root, layerOf(c), Options{})
		derived, err := DeriveTOC(context.Background(), bytes.NewReader(blob), mediaTypeOf(c))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.TOC.Entries, derived.Entries); diff != "" {
			t.Errorf("%s: derived entries differ: %s", source.EncodingOf(c), diff)
		}
		for i, e := range tree.Entries {
			if e.Type != layer.Regular || i%40 != 0 && e.Size < 1<<20 {
				continue
			}
			at := &counting{r: bytes.NewReader(blob)}
			file, err := Open(context.Background(), at, r.TOC, mediaTypeOf(c), e.Path)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := io.Copy(&got, file); err != nil {
				t.Error(err)
			}
			if err := file.Close(); err != nil {
				t.Error(err)
			}
			if int64(got.Len()) != e.Size {
				t.Errorf("%s: %q has %d bytes, want %d", source.EncodingOf(c), e.Path, got.Len(), e.Size)
			}
			if limit := e.Size + 2*ruleOf(c.Algorithm).most; at.n > limit {
				t.Errorf("%s: %d bytes were read for %q of %d", source.EncodingOf(c), at.n, e.Path, e.Size)
			}
		}
	}
}

func TestOpenWithoutChunks(t *testing.T) {
	root, layerOf := goldenTree(t)
	c := imagespec.Compression{Algorithm: imagespec.Zstd}
	blob, _ := build(t, root, layerOf(c), Options{})
	toc, err := DeriveTOC(context.Background(), bytes.NewReader(blob), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"etc/motd", "a-link"} {
		file, err := Open(context.Background(), bytes.NewReader(blob), toc, "", path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(file); err != nil || string(got) != "hello\n" {
			t.Errorf("%q is %q, %v", path, got, err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	root, layerOf := goldenTree(t)
	c := imagespec.Compression{Algorithm: imagespec.Uncompressed}
	blob, r := build(t, root, layerOf(c), Options{})
	read := func(blob []byte, toc *layer.TOC, path string) error {
		file, err := Open(context.Background(), bytes.NewReader(blob), toc, mediaTypeOf(c), path)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, file)
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		return err
	}
	var motd layer.Entry
	for _, e := range r.TOC.Entries {
		if e.Path == "etc/motd" {
			motd = e
		}
	}
	damaged := flipped(bytes.Clone(blob), int(motd.Offset))
	for _, c := range []struct {
		err  error
		want string
	}{
		{read(blob, r.TOC, "nope"), `no entry "nope"`},
		{read(blob, r.TOC, "etc"), "is a directory"},
		{read(damaged, r.TOC, "etc/motd"), "damaged"},
		{read(blob[:motd.Offset+2], r.TOC, "etc/motd"), "ends"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("the error is %v, want %q", c.err, c.want)
		}
	}
}

// paths of a view, each with its layer.
func viewLines(view []File) []string {
	var out []string
	for _, f := range view {
		out = append(out, f.Path+" "+string(f.Type)+" "+string(rune('0'+f.Layer)))
	}
	return out
}

func tocOf(entries ...string) *layer.TOC {
	toc := &layer.TOC{}
	for _, e := range entries {
		s := layer.Entry{Path: e, Type: layer.Regular}
		if dir, ok := strings.CutSuffix(e, "/"); ok {
			s.Path, s.Type = dir, layer.Directory
		}
		if name, target, ok := strings.Cut(e, "->"); ok {
			s.Path, s.Type, s.Linkname = name, layer.Symlink, target
		}
		toc.Entries = append(toc.Entries, s)
	}
	return toc
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
		if diff := cmp.Diff(c.want, viewLines(View([]*layer.TOC{base, tocOf(c.top...)}))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestLookup(t *testing.T) {
	view := View([]*layer.TOC{tocOf("lib->usr/lib", "abs->/usr/./lib/so", "usr/", "usr/lib/", "usr/lib/so", "usr/up->../../../../usr/lib", "loop->loop", "gone->nothing")})
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
		if f, err := Lookup(view, c.name, c.follow); err != nil || f.Path != c.want {
			t.Errorf("%q is %q, %v; want %q", c.name, f.Path, err, c.want)
		}
	}
	// A directory needs no entry of its own, and a link of the image leads
	// nowhere else, whichever layer writes below it.
	view = View([]*layer.TOC{tocOf("l->/etc", "usr/lib/so", "usr/lib-x", "loop->loop", "gone->nothing", "long->"+strings.Repeat("../", 2000)), tocOf("l/passwd", "etc/motd")})
	for name, want := range map[string]string{"usr": "usr", "usr/lib": "usr/lib", "usr/lib/so": "usr/lib/so", "l/motd": "etc/motd"} {
		if f, err := Lookup(view, name, true); err != nil || f.Path != want {
			t.Errorf("%q is %q, %v; want %q", name, f.Path, err, want)
		}
	}
	for name, want := range map[string]string{"long": "longer than Linux allows", "l/passwd": `no "/etc/passwd"`, "us": `no "/us"`, "usr/li": "no ", "nope": `no "/nope"`, "usr/lib/so/x": "no ", "loop": "too many", "gone": `no "/nothing"`} {
		if f, err := Lookup(view, name, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %q, %v; want %q", name, f.Path, err, want)
		}
	}
}
