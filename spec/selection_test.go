package spec

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// chosen gives the files that a selection takes of a tree, walking it as a copy
// does: nothing below a directory is looked at unless the selection says so.
func chosen(t *testing.T, n FileOp, files []string) []string {
	t.Helper()
	s, err := NewSelection(&n)
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for _, name := range files {
		tree[name] = &fstest.MapFile{}
	}
	var out []string
	var walk func(dir string)
	walk = func(dir string) {
		at := dir
		if at == "" {
			at = "."
		}
		entries, err := tree.ReadDir(at)
		if err != nil {
			t.Fatal(err)
		}
		folder := s.Folder(dir)
		for _, e := range entries {
			included, descend := folder.Take(e.Name())
			if included && !descend {
				t.Errorf("%s is taken but nothing below it", below(dir, e.Name()))
			}
			if names, only := folder.Names(); only && (included || descend) && !slices.Contains(names, e.Name()) {
				t.Errorf("%s is taken and none of the only names %v", below(dir, e.Name()), names)
			}
			switch {
			case e.IsDir() && descend:
				walk(below(dir, e.Name()))
			case !e.IsDir() && included:
				out = append(out, below(dir, e.Name()))
			}
		}
	}
	walk("")
	return out
}

func TestSelection(t *testing.T) {
	files := []string{"a.log", "b.txt", "keep.log", "keep.md", "pkg/a.log", "pkg/b.txt", "pkg/sub/c.txt", "vendor/x/keep/k.txt", "vendor/x/y.txt"}
	for _, c := range []struct {
		name             string
		include, exclude []string
		want             string
	}{
		{"everything", nil, nil, strings.Join(files, " ")},
		{"all but one", nil, []string{"*", "!keep.md"}, "keep.md"},
		{"an exception", nil, []string{"*.log", "!keep.log", "pkg", "vendor"}, "b.txt keep.log keep.md"},
		{"the last match wins", nil, []string{"!keep.log", "*"}, ""},
		{"a directory is what is below it", []string{"pkg"}, nil, "pkg/a.log pkg/b.txt pkg/sub/c.txt"},
		{"and in exclude", nil, []string{"pkg", "vendor", "*.*"}, ""},
		{"an exception below a directory", nil, []string{"*", "!pkg/sub"}, "pkg/sub/c.txt"},
		{"deep down, by a glob", nil, []string{"*", "!vendor/*/keep"}, "vendor/x/keep/k.txt"},
		{"at any depth", nil, []string{"**", "!**/keep"}, "vendor/x/keep/k.txt"},
		{"exceptions of include", []string{"**", "!**/*.log"}, nil, "b.txt keep.md pkg/b.txt pkg/sub/c.txt vendor/x/keep/k.txt vendor/x/y.txt"},
		{"include a directory but for one below", []string{"pkg", "!pkg/sub"}, nil, "pkg/a.log pkg/b.txt"},
		{"and again", []string{"pkg", "!pkg/sub", "pkg/sub/c.*"}, nil, "pkg/a.log pkg/b.txt pkg/sub/c.txt"},
		{"include chooses among what exclude leaves", []string{"*.log"}, []string{"a*"}, "keep.log"},
		{"braces with slashes", []string{"{pkg/sub,vendor/x/keep}/*"}, nil, "pkg/sub/c.txt vendor/x/keep/k.txt"},
		{"one level alone is a directory too", []string{"vendor/*"}, nil, "vendor/x/keep/k.txt vendor/x/y.txt"},
	} {
		if got := strings.Join(chosen(t, FileOp{From: "src", Include: c.include, Exclude: c.exclude}, files), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSelectionWritten: what leads to the layout, or to its archive, is taken for what
// else is in it alone.
func TestSelectionWritten(t *testing.T) {
	s, err := NewSelection(&FileOp{From: ".", Exclude: []string{"dist/site", "*.log"}, Written: []string{"dist/site", "out/a/b.tar"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir, name         string
		included, descend bool
	}{
		{"", "dist", false, true}, {"", "dis", true, true}, {"", "distant", true, true}, {"dist", "site", false, false}, {"dist", "site2", true, true},
		{"dist", "x.txt", true, true}, {"src", "dist", true, true},
		{"", "out", false, true}, {"out", "a", false, true}, {"out", "b", true, true}, {"out/a", "b.tar", true, true},
	} {
		if included, descend := s.Folder(c.dir).Take(c.name); included != c.included || descend != c.descend {
			t.Errorf("%s in %q: %v, %v", c.name, c.dir, included, descend)
		}
	}
	if unused, _ := s.Unused(); !slices.Equal(unused, []string{"*.log"}) {
		t.Errorf("unused: %v", unused)
	}
}

func TestSelectionUnused(t *testing.T) {
	n := FileOp{From: "src", Exclude: []string{"*.log", ".evn", "!gone"}, Include: []string{"*", "other/**"}}
	s, err := NewSelection(&n)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".env", "a.log"} {
		s.Folder("").Take(name)
	}
	exclude, include := s.Unused()
	if diff := cmp.Diff([][]string{{".evn", "!gone"}, {"other/**"}}, [][]string{exclude, include}); diff != "" {
		t.Error(diff)
	}
	if _, err := NewSelection(&FileOp{Exclude: []string{"!["}}); err == nil {
		t.Error("a pattern that is none is taken")
	}
}

// TestIgnoreFile holds the cases of the reference of .dockerignore, each against
// the matcher itself, which sees whole paths and skips no directory.
func TestIgnoreFile(t *testing.T) {
	files := []string{
		".git/config", ".gitignore", "Dockerfile", "LICENSE.md", "README-secret.md", "README.md", "README1.md", "a/b/c.go", "a/b/x.tmp", "a/tempo",
		"docs/README.md", "docs/x.md", "foo/bar/baz", "foo/keep", "main.go", "somedir/subdir/temporary", "somedir/temporary.txt", "tempa", "tempb", "tempfile", "vendor/a.go", "vendor/keep/b.go",
	}
	for _, c := range []struct{ name, text, gone string }{
		{"comments and blank lines", "# comment\n\n  \n", ""},
		{"one and two levels down", "# comment\n*/temp*\n*/*/temp*\ntemp?\n", "a/tempo somedir/subdir/temporary somedir/temporary.txt tempa tempb"},
		{"a byte order mark and CRLF", "\ufeffmain.go\r\nREADME.md\r\n", "README.md main.go"},
		{"a directory, slashes around it", "/vendor/\n./foo/\n", "foo/bar/baz foo/keep vendor/a.go vendor/keep/b.go"},
		{"a leading slash is the root", "/foo/bar\n", "foo/bar/baz"},
		{"two stars", "**/*.go\n", "a/b/c.go main.go vendor/a.go vendor/keep/b.go"},
		{"exceptions", "*.md\n!README.md\n", "LICENSE.md README-secret.md README1.md"},
		{"the last line wins", "*.md\n!README*.md\nREADME-secret.md\n", "LICENSE.md README-secret.md"},
		{"the middle line has no effect", "*.md\nREADME-secret.md\n!README*.md\n", "LICENSE.md"},
		{"everything but", "*\n!main.go\n!a/b\n", ".git/config .gitignore Dockerfile LICENSE.md README-secret.md README.md README1.md a/tempo docs/README.md docs/x.md foo/bar/baz foo/keep somedir/subdir/temporary somedir/temporary.txt tempa tempb tempfile vendor/a.go vendor/keep/b.go"},
		{"an exception below a directory", "vendor\n!vendor/keep\n! foo\n", "vendor/a.go"},
		{"a range and an escape", "temp[ab]\n\\#x\n", "tempa tempb"},
		{"dots clean away", "foo/../docs/./x.md\n", "docs/x.md"},
		{"braces mean themselves", "{a,b}\n", ""},
	} {
		lines, err := ignorefile.ReadAll(strings.NewReader(c.text))
		if err != nil {
			t.Fatal(err)
		}
		left := chosen(t, FileOp{From: ".", IgnoreFile: ".dockerignore", Ignore: lines}, files)
		matcher, err := patternmatcher.New(lines)
		if err != nil {
			t.Fatal(err)
		}
		var gone []string
		for _, f := range files {
			dropped, err := matcher.MatchesOrParentMatches(f)
			if err != nil {
				t.Fatal(err)
			}
			if dropped == slices.Contains(left, f) {
				t.Errorf("%s: %s is dropped: %v by the matcher", c.name, f, dropped)
			}
			if !slices.Contains(left, f) {
				gone = append(gone, f)
			}
		}
		if got := strings.Join(gone, " "); got != c.gone {
			t.Errorf("%s: without %q, want %q", c.name, got, c.gone)
		}
	}
}

// TestIgnoreFileBase: lines are relative to the directory of their file where
// what is copied lies in it, else to what is copied; exclude has the last word.
func TestIgnoreFileBase(t *testing.T) {
	files := []string{"dist/a", "dist/b", "x"}
	for _, c := range []struct {
		from, file string
		lines      []string
		exclude    []string
		want       string
	}{
		{".", ".dockerignore", []string{"dist"}, nil, "x"},
		{"src", ".dockerignore", []string{"src/dist", "x"}, nil, "x"},
		{"src", ".dockerignore", []string{"src"}, nil, ""},
		{"src", ".dockerignore", []string{"*", "!src/x"}, nil, "x"},
		{"src", "src/.dockerignore", []string{"dist"}, nil, "x"},
		{".", "docker/app.dockerignore", []string{"dist"}, nil, "x"},
		{"other", "docker/app.dockerignore", []string{"dist"}, nil, "x"},
		{".", ".dockerignore", []string{"dist"}, []string{"!dist/a"}, "dist/a x"},
		{"src", ".dockerignore", []string{"src/dist"}, []string{"!dist/b", "x"}, "dist/b"},
	} {
		n := FileOp{From: c.from, IgnoreFile: c.file, Ignore: c.lines, Exclude: c.exclude}
		if got := strings.Join(chosen(t, n, files), " "); got != c.want {
			t.Errorf("%+v: got %q, want %q", c, got, c.want)
		}
	}
}

func TestSelectionSeesComposedNames(t *testing.T) {
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	for pattern, misread := range map[string]string{composed: decomposed, "caf?": "", "caf*": "", "other": "", composed + "/x": ""} {
		s, err := NewSelection(&FileOp{From: ".", Exclude: []string{pattern}})
		if err != nil {
			t.Fatal(err)
		}
		s.Folder("").Take(decomposed)
		s.Folder("").Take("plain")
		if got := s.Misread(); got != misread {
			t.Errorf("%q: misread %q, want %q", pattern, got, misread)
		}
	}
	s, _ := NewSelection(&FileOp{From: ".", Include: []string{composed + "/x"}})
	s.Folder(decomposed).Take("x")
	if got := s.Misread(); got != decomposed+"/x" {
		t.Errorf("misread %q", got)
	}
}

// TestSelectionNames: where paths alone are included, no other name is looked at.
func TestSelectionNames(t *testing.T) {
	for _, c := range []struct {
		op   FileOp
		rel  string
		want []string
		only bool
	}{
		{FileOp{}, "", nil, false},
		{FileOp{Include: []string{"a", "b/c", "b/d/e"}}, "", []string{"a", "b", "b"}, true},
		{FileOp{Include: []string{"a", "b/c", "b/d/e"}}, "b", []string{"c", "d"}, true},
		{FileOp{Include: []string{"a", "b/c"}}, "a", nil, false}, // all below it is taken
		{FileOp{Include: []string{"a", "b/c"}}, "b/c/d", nil, false},
		{FileOp{Include: []string{"a", "bb/c"}}, "b", nil, true},
		{FileOp{Include: []string{"a", "b*"}}, "", nil, false},
		{FileOp{Include: []string{"a", "!b"}}, "", nil, false},
		{FileOp{Include: []string{"a"}, Exclude: []string{"b"}}, "", nil, false},
		{FileOp{Include: []string{"a"}, Ignore: []string{"b"}}, "", nil, false},
		{FileOp{Include: []string{"ä"}}, "", nil, false}, // names in another form are reported
	} {
		s, err := NewSelection(&c.op)
		if err != nil {
			t.Fatal(err)
		}
		if got, only := s.Folder(c.rel).Names(); only != c.only || only && !slices.Equal(got, c.want) {
			t.Errorf("%v in %q: %v, %v", c.op.Include, c.rel, got, only)
		}
	}
}
