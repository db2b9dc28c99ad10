package spec

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

// TestNoClock names functions that would make a spec mean something else each time.
func TestNoClock(t *testing.T) {
	for _, name := range []string{"timestamp", "uuid", "bcrypt", "env", "pathexpand", "abspath"} {
		mustFail(t, t.TempDir(), source("output \"o\" { value = "+name+"() }"), "There is no function named", "No function of a spec reads")
	}
}

// TestInputs checks that everything that functions read is recorded, and that a
// second evaluation sees what the first one saw.
func TestInputs(t *testing.T) {
	dir := files(t, map[string]string{"a.txt": "a", "b.tftpl": "b", "sub/c": ""})
	s := mustLoad(t, dir, source(`
layer "a" {
  file "/a" { content = file("a.txt") }
  file "/b" { content = templatefile("b.tftpl", {}) }
  file "/c" { content = join(",", fileset("sub", "*")) }
  file "/d" { content = tostring(fileexists("none")) }
  file "/e" { content = filesha256("./a.txt") }
}
manifest "a" {
  artifact_type = "a/b"
  layers        = [layer.a]
}
`))
	var got []string
	for _, in := range s.Inputs() {
		if in.Digest.Validate() != nil {
			t.Errorf("digest %q", in.Digest)
		}
		got = append(got, strings.TrimSpace(in.Function+" "+in.Path+" "+in.Pattern))
	}
	if diff := cmp.Diff([]string{"file a.txt", "filesha256 a.txt", "templatefile b.tftpl", "fileexists none", "fileset sub *"}, got); diff != "" {
		t.Errorf("inputs:\n%s", diff)
	}
	before, inputs := object(t, s, "layer.a", nil), s.Inputs()
	write(t, dir, "a.txt", "changed")
	write(t, dir, "b.tftpl", "changed")
	write(t, dir, "none", "")
	write(t, dir, "sub/d", "")
	if diff := cmp.Diff(before, object(t, s, "layer.a", nil)); diff != "" {
		t.Errorf("a second evaluation differs:\n%s", diff)
	}
	if diff := cmp.Diff(inputs, s.Inputs()); diff != "" {
		t.Errorf("inputs:\n%s", diff)
	}
	fresh := mustLoad(t, dir, LoadOptions{Sources: s.Sources})
	if cmp.Equal(inputs, fresh.Inputs()) {
		t.Error("inputs do not show that files changed")
	}
}

// TestSensitiveOutput: an output that shows something sensitive says so.
func TestSensitiveOutput(t *testing.T) {
	mustFail(t, t.TempDir(), source("output \"o\" { value = sensitive(\"x\") }"), "comes from something sensitive")
}

func TestDynamicBlocks(t *testing.T) {
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"fil\" {\n for_each = []\n content {}\n }\n}"), `Did you mean "file"?`)
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"file\" {\n for_each = [\"/a\"]\n content { content = \"\" }\n }\n}"), "labels must be a list of 1 strings")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"file\" {\n for_each = 5\n labels = [\"/a\"]\n content { content = \"\" }\n }\n}"), "must be a list, set, map or object")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"copy\" {\n for_each = []\n iterator = layer\n content { from = \".\" }\n }\n}"), "Invalid iterator name")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"copy\" {\n for_each = [1]\n }\n}"), "exactly one content block")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"copy\" {\n for_each = [1]\n content { from = copi.value }\n }\n}"), `nothing named "copi"`)
}
