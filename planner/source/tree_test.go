package source

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

func TestCompare(t *testing.T) {
	sorted := []string{
		".", ".wh.x", "a", "a/.wh..wh..opq", "a/.wh.z", "a/.wg", "a/b", "a/b/c", "a/b-c", "a-b", "a.b", "ab", "b", "é",
	}
	for i, a := range sorted {
		for j, b := range sorted {
			got, want := layer.Compare(a, b), 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got != want {
				t.Errorf("layer.Compare(%q, %q) is %d, want %d", a, b, got, want)
			}
		}
	}
}

// differences lists what Diff gives for two lists.
func differences(before, after []layer.Entry) []Difference {
	pointers := func(all []layer.Entry) (out []*layer.Entry) {
		for i := range all {
			out = append(out, &all[i])
		}
		return out
	}
	return slices.Collect(Diff(pointers(before), pointers(after)))
}

func TestDiff(t *testing.T) {
	base := layer.Entry{Path: "f", Type: layer.Regular, Mode: 0o644, Size: 1, Digest: digest.FromString("x"), Mtime: 5}
	change := func(edit func(*layer.Entry)) layer.Entry {
		e := base
		edit(&e)
		return e
	}
	for _, c := range []struct {
		name  string
		after layer.Entry
		want  []layer.Property
	}{
		{"same", base, nil},
		{"content", change(func(e *layer.Entry) { e.Digest = digest.FromString("y") }), []layer.Property{layer.PropertyContent}},
		{"unhashed", change(func(e *layer.Entry) { e.Digest = "" }), []layer.Property{layer.PropertyContent}},
		{"mode", change(func(e *layer.Entry) { e.Mode = 0o600 }), []layer.Property{layer.PropertyMode}},
		{"owner and time", change(func(e *layer.Entry) { e.GID, e.Mtime = 3, 6 }), []layer.Property{layer.PropertyOwner, layer.PropertyMtime}},
		{"xattrs", change(func(e *layer.Entry) { e.Xattrs = map[string]string{"user.a": "1"} }), []layer.Property{layer.PropertyXattrs}},
		{"type", change(func(e *layer.Entry) { e.Type, e.Linkname, e.Digest, e.Mode = layer.Symlink, "t", "", 0o777 }), []layer.Property{layer.PropertyType, layer.PropertyMode}},
		{"offset", change(func(e *layer.Entry) { e.Offset = 512 }), nil},
	} {
		var got []layer.Property
		if d := differences([]layer.Entry{base}, []layer.Entry{c.after}); len(d) > 0 {
			got = d[0].What
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	link := func(target string) layer.Entry { return layer.Entry{Path: "l", Type: layer.Symlink, Linkname: target} }
	device := func(minor int64) layer.Entry { return layer.Entry{Path: "n", Type: layer.Char, Devminor: minor} }
	if d := differences([]layer.Entry{link("a"), device(1)}, []layer.Entry{link("b"), device(2)}); len(d) != 2 || d[0].What[0] != layer.PropertyTarget || d[1].What[0] != layer.PropertyDevice {
		t.Errorf("targets and devices: %v", d)
	}
}

// TestDiffOrder: additions and removals are found in lists of any order, and
// the last of several entries for a path counts.
func TestDiffOrder(t *testing.T) {
	list := func(paths ...string) []layer.Entry {
		var out []layer.Entry
		for i, p := range paths {
			out = append(out, layer.Entry{Path: p, Type: layer.Directory, Mode: uint32(i)})
		}
		for i := range out {
			out[i].Mode = 0o755
		}
		return out
	}
	var got []string
	for _, d := range differences(list("a", "b", "d", "d/e"), list("d", "c", "a/x", "a")) {
		got = append(got, d.Path+" "+string(d.Kind))
	}
	if diff := cmp.Diff([]string{"a/x added", "b removed", "c added", "d/e removed"}, got); diff != "" {
		t.Error(diff)
	}
	before, after := list("a", "b"), list("b", "a", "b")
	after[0].Mode = 1
	if d := differences(before, after); len(d) != 0 {
		t.Errorf("the last entry does not count: %v", d)
	}
}

// TestFingerprint: everything that decides bytes changes the fingerprint, and
// nothing else does.
func TestFingerprint(t *testing.T) {
	tree := func(edit func(*Entry)) *Observed {
		e := Entry{Entry: layer.Entry{Path: "f", Type: layer.Regular, Mode: 0o644, Size: 1, Digest: digest.FromString("x")}}
		edit(&e)
		return &Observed{Tree: &Tree{Entries: []Entry{e, {Entry: layer.Entry{Path: "g", Type: layer.Directory}}}}}
	}
	print := func(o *Observed, c imagespec.Compression) digest.Digest {
		d, ok := o.Fingerprint(&spec.Layer{Compression: c})
		if !ok {
			t.Error("no fingerprint")
		}
		return d
	}
	base := print(tree(func(*Entry) {}), imagespec.Compression{})
	seen := []digest.Digest{base}
	for i, edit := range []func(*Entry){
		func(e *Entry) { e.Path = "F" },
		func(e *Entry) { e.Type = layer.Fifo },
		func(e *Entry) { e.Mode = 0o600 },
		func(e *Entry) { e.UID = 1 },
		func(e *Entry) { e.GID = 1 },
		func(e *Entry) { e.Mtime = 1 },
		func(e *Entry) { e.Size = 2 },
		func(e *Entry) { e.Digest = digest.FromString("y") },
		func(e *Entry) { e.Linkname = "l" },
		func(e *Entry) { e.Xattrs = map[string]string{"a": "b"} },
		func(e *Entry) { e.Xattrs = map[string]string{"ab": ""} },
		func(e *Entry) { e.Devmajor = 1 },
		func(e *Entry) { e.Devminor = 1 },
	} {
		d := print(tree(edit), imagespec.Compression{})
		if slices.Contains(seen, d) {
			t.Errorf("edit %d does not change the fingerprint", i)
		}
		seen = append(seen, d)
	}
	for _, c := range []imagespec.Compression{{Algorithm: imagespec.Zstd}, {Algorithm: imagespec.Gzip, Level: 9}, {Algorithm: imagespec.Uncompressed}} {
		if d := print(tree(func(*Entry) {}), c); slices.Contains(seen, d) {
			t.Errorf("%v does not change the fingerprint", c)
		}
	}
	if print(tree(func(*Entry) {}), imagespec.Compression{Algorithm: imagespec.Gzip, Level: layer.DefaultGzipLevel}) != base {
		t.Error("the default level, written out, changes the fingerprint")
	}
	if print(tree(func(e *Entry) { e.Op, e.File = 3, "elsewhere" }), imagespec.Compression{}) != base {
		t.Error("where content comes from changes the fingerprint")
	}
	if _, ok := tree(func(e *Entry) { e.Digest = "" }).Fingerprint(&spec.Layer{}); ok {
		t.Error("an unhashed file has a fingerprint")
	}
	file := func(a imagespec.Algorithm) *Observed {
		return &Observed{File: &File{Digest: digest.FromString("t"), Compression: a}}
	}
	archive := func(c imagespec.Algorithm) *spec.Layer {
		return &spec.Layer{Archive: "a", Compression: imagespec.Compression{Algorithm: c}}
	}
	one, _ := file(imagespec.Gzip).Fingerprint(archive(imagespec.Gzip))
	two, _ := file(imagespec.Gzip).Fingerprint(archive(imagespec.Zstd))
	if one != two {
		t.Error("the compression of the spec decides an archive that is used as it is")
	}
	one, _ = file(imagespec.Uncompressed).Fingerprint(archive(imagespec.Gzip))
	two, _ = file(imagespec.Uncompressed).Fingerprint(archive(imagespec.Zstd))
	if one == two {
		t.Error("the compression of the spec does not decide a plain archive")
	}
}
