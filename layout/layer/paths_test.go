package layer_test

import (
	"strconv"
	"testing"

	"github.com/layform/layform/layout/layer"
)

func TestOutside(t *testing.T) {
	for name, want := range map[string]bool{
		"a/b": false, "./a": false, "..a/b": false, "a/..b": false, "": false,
		"..": true, "/a": true, "a/../../b": true, "a/..": true,
	} {
		if got := layer.Outside(name); got != want {
			t.Errorf("%q: Outside is %v", name, got)
		}
	}
}

func TestPaths(t *testing.T) {
	p := layer.NewPaths[int]()
	all := func(int) bool { return true }
	if dir, _, ok := p.Above("a/b", all); ok {
		t.Errorf("%q stands above in nothing", dir)
	}
	for i, name := range []string{"a", "a/b/c", "x/y", "a"} {
		if added := p.Add(name, i); added != (i < 3) {
			t.Errorf("%q: new is %v", name, added)
		}
	}
	if p.Value("a/b/c") != 1 || p.Value("a/b") != 0 {
		t.Error("it has other paths than were added")
	}
	for _, c := range []struct {
		path  string
		least int
		dir   string
		value int
	}{
		{"a/b/c/d", 0, "a", 0}, {"a/b/c/d", 1, "a/b/c", 1}, {"a/b/c", 1, "", 0}, {"a", 0, "", 0}, {"ab/c", 0, "", 0},
		{"x/y/z", 0, "x/y", 2}, {"x/yz/z", 0, "", 0},
	} {
		dir, v, ok := p.Above(c.path, func(v int) bool { return v >= c.least })
		if dir != c.dir || v != c.value || ok != (c.dir != "") {
			t.Errorf("above %q is %q, %d, %v; want %q, %d", c.path, dir, v, ok, c.dir, c.value)
		}
	}
}

func TestManyPaths(t *testing.T) {
	p := layer.NewPaths[uint8]()
	name := func(i int) string { return strconv.Itoa(i) }
	for i := range 100_000 {
		if !p.Add(name(i), uint8(i)) || p.Add(name(i), 0) {
			t.Fatalf("%d is not new once", i)
		}
		p.Set(name(i/2), uint8(i))
	}
	for i := range 100_000 {
		want := uint8(i)
		if i < 50_000 {
			want = uint8(2*i + 1)
		}
		if got := p.Value(name(i)); got != want {
			t.Fatalf("%d has the value %d, not %d", i, got, want)
		}
	}
}
