//go:build unix

package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/layform/layform/spec/eval"
)

// TestSpecialFiles reads what is no regular file, and what leads outside.
func TestSpecialFiles(t *testing.T) {
	outside := files(t, map[string]string{"secret": "x"})
	dir := files(t, map[string]string{"real": "inside", "big": strings.Repeat("x", eval.MaxReadSize+1)})
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": filepath.Join(outside, "secret"), "up": "../../secret", "in": "real", "null": "/dev/null", "dir": outside, "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"fifo": "is a FIFO", "out": "leads out of the directory", "up": "leads out of the directory", "null": "leads out of the directory",
		"dir/secret": "leads out of the directory", "big": "is larger than",
	} {
		mustFail(t, dir, source(`output "o" { value = file("`+name+`") }`), want)
	}
	for expression, want := range map[string]string{
		`fileset("fifo", "*")`: `"fifo" cannot be read: not a directory`, `fileset(".", "fifo/*")`: `"fifo" cannot be read: not a directory`,
		`fileset(".", "{fifo,real}/*")`: `"fifo" cannot be read: not a directory`, `fileset("dir", "*")`: "leads out of the directory",
		`fileset(".", "dir/*")`: "leads out of the directory", `file("fifo/x")`: `"fifo/x" cannot be read: not a directory`,
		`file("loop")`: `"loop" cannot be read: too many levels of symbolic links`,
	} {
		mustFail(t, dir, source("output \"o\" { value = "+expression+" }"), want)
	}
	mustFail(t, filepath.Join(dir, "fifo"), LoadOptions{File: "layform.hcl"}, "of the spec cannot be read: not a directory")
	mustFail(t, filepath.Join(dir, "fifo"), LoadOptions{}, "cannot be read")
	mustFail(t, dir, LoadOptions{File: "fifo"}, "is a FIFO")
	mustFail(t, dir, LoadOptions{File: "out"}, "leads out of the directory")
	mustFail(t, dir, LoadOptions{File: "big"}, "is larger than")
	if got := values(t, mustLoad(t, dir, source(`output "o" { value = file("in") }`)))["o"]; got != `"inside"` {
		t.Errorf("a symlink inside gives %s", got)
	}
	opts := source("variable \"v\" { default = 1 }")
	opts.Arguments = fromFiles(filepath.Join(dir, "fifo"))
	mustFail(t, dir, opts, "is a FIFO")
	if got := values(t, mustLoad(t, dir, source(`output "o" { value = fileset(".", "**/*[gl]") }`)))["o"]; got != `["big","real"]` {
		t.Errorf("fileset lists %s", got)
	}
}
