//go:build unix

package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSpecialFiles reads what is no regular file, and what leads outside.
func TestSpecialFiles(t *testing.T) {
	outside := files(t, map[string]string{"secret": "x"})
	dir := files(t, map[string]string{"real": "inside", "big": strings.Repeat("x", MaxReadSize+1)})
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": filepath.Join(outside, "secret"), "up": "../../secret", "in": "real", "null": "/dev/null", "dir": outside} {
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
	mustFail(t, dir, LoadOptions{File: "fifo"}, "is a FIFO")
	mustFail(t, dir, LoadOptions{File: "out"}, "leads out of the directory")
	mustFail(t, dir, LoadOptions{File: "big"}, "is larger than")
	if got := values(t, mustLoad(t, dir, source(`output "o" { value = file("in") }`)))["o"]; got != `"inside"` {
		t.Errorf("a symlink inside gives %s", got)
	}
	opts := source("variable \"v\" { default = 1 }")
	opts.VarFiles = []string{filepath.Join(dir, "fifo")}
	mustFail(t, dir, opts, "is a FIFO")
	if got := values(t, mustLoad(t, dir, source(`output "o" { value = fileset(".", "**") }`)))["o"]; got != `["big","real"]` {
		t.Errorf("fileset lists %s", got)
	}
}
