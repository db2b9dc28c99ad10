package layer_test

import (
	"testing"

	"github.com/layform/layform/layout/layer"
)

func TestResolve(t *testing.T) {
	var o layer.Overlay
	if got, err := o.Resolve("a/b"); err != nil || got != "a/b" {
		t.Errorf("of nothing: %q, %v", got, err)
	}
	link := func(p, to string) layer.Entry { return layer.Entry{Path: p, Type: layer.Symlink, Linkname: to} }
	err := o.Add(&layer.TOC{Entries: []layer.Entry{
		{Path: "usr/bin", Type: layer.Directory}, link("bin", "usr/bin"), link("sbin", "/usr/bin"), link("usr/lib64", "lib"), {Path: "usr/lib", Type: layer.Directory},
		link("var/run", "../run"), link("up", "../../.."), link("a", "b"), link("b", "a"), {Path: "file", Type: layer.Regular}, link("to", "file"), link("deep", "bin/../lib64"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		".": ".", "usr": "usr", "bin": "usr/bin", "sbin/x/y": "usr/bin/x/y", "usr/lib64": "usr/lib", "var/run/lock": "run/lock", "up": ".", "up/bin": "usr/bin",
		"new/dir": "new/dir", "deep": "usr/lib", "a": "", "b/c": "", "file": "", "to/x": "", "file/x": "",
	} {
		if got, err := o.Resolve(dir); got != want || (err == nil) != (want != "") {
			t.Errorf("%s is %q, %v; want %q", dir, got, err, want)
		}
	}
}
