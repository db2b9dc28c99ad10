//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// twoLayers is a spec of several files in several directories.
func twoLayers() map[string]string {
	files := map[string]string{"layform.hcl": `
layout { path = "out" }
layer "x" {
  copy { from = "tree" }
}
layer "y" {
  compression = "zstd"
  copy { from = "tree" }
}
config "x" { platform = "linux/amd64" }
manifest "x" {
  config = config.x
  layers = [layer.x, layer.y]
  tags   = ["x"]
}
`}
	for i := range 10 {
		for j := range 3 {
			files[fmt.Sprintf("tree/d%d/e/f%d", i, j)] = fmt.Sprint(i, j)
		}
	}
	return files
}

// TestSurroundings applies one spec in 24 environments: every file of the layout
// is the same in all of them, mode and content.
func TestSurroundings(t *testing.T) {
	dir, other := memoryDir(t), t.TempDir()
	write(t, dir, twoLayers())
	path := "PATH=" + os.Getenv("PATH")
	places := map[string][]string{
		"nothing set":         nil,
		"missing directories": {"HOME=/nowhere/home", "TMPDIR=/nowhere/tmp", "XDG_CACHE_HOME=/nowhere/cache"},
		"elsewhere":           {"HOME=" + other, "TMPDIR=" + other, "TZ=Asia/Kathmandu", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8"},
		"nonsense":            {"TZ=no/such/zone", "LANG=\xff", "LC_ALL=C", "TERM=", "SOURCE_DATE_EPOCH=", "USER=nobody"},
	}
	var want map[string]string
	for _, umask := range []string{"000", "022", "077"} {
		for _, procs := range []string{"1", "4"} {
			for place, environ := range places {
				if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command("sh", "-c", "umask "+umask+"; exec layform apply --auto-approve")
				cmd.Dir, cmd.Env = dir, append([]string{path, "GOMAXPROCS=" + procs}, environ...)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s, umask %s, %s processors: %v\n%s", place, umask, procs, err, out)
				}
				got := contents(t, filepath.Join(dir, "out"))
				if want == nil {
					valid(t, filepath.Join(dir, "out"))
					want = got
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, umask %s, %s processors: (-want +got):\n%s", place, umask, procs, diff)
				}
			}
		}
	}
}

// TestFewFiles updates a layout with ever more files that may be open at once,
// until that is enough. Before, it says what is wrong and leaves a valid
// layout with the old index or the new one, and one more run without the limit
// comes to the same result.
func TestFewFiles(t *testing.T) {
	dir := memoryDir(t)
	out := filepath.Join(dir, "out")
	files := twoLayers()
	apply := func(limit string) *process {
		return start(t, dir, func(c *exec.Cmd) {
			c.Path = "/bin/sh"
			c.Args = []string{"sh", "-c", limit + "exec layform apply --auto-approve --parallelism 2"}
		})
	}
	prepare := func() (index string) {
		write(t, dir, files)
		apply("").exits(t, exitOK, "")
		write(t, dir, map[string]string{"tree/d3/e/f1": "changed"})
		return contents(t, out)["/index.json"]
	}
	old := prepare()
	apply("").exits(t, exitOK, "")
	want := contents(t, out)
	inLayout := 0
	for n := 10; ; n++ { // with less than that not even the runtime of Go starts
		prepare()
		p := apply(fmt.Sprintf("ulimit -n %d; ", n))
		code, said := p.end(t), p.err.String()
		if code == exitOK {
			if diff := cmp.Diff(want, contents(t, out)); diff != "" {
				t.Errorf("%d files: success, and yet (-want +got):\n%s", n, diff)
			}
			break
		}
		if code != exitError || !strings.Contains(said, "layform: error: ") || !strings.Contains(said, "too many open files") || n > 100 {
			t.Fatalf("%d files: %s\n%s", n, p.ProcessState, said)
		}
		if strings.Contains(said, ".layform/") {
			inLayout++
		}
		valid(t, out)
		if is := contents(t, out)["/index.json"]; is != old && is != want["/index.json"] {
			t.Errorf("%d files: index.json is neither the old nor the new one", n)
		}
		apply("").exits(t, exitOK, "")
		if diff := cmp.Diff(want, contents(t, out)); diff != "" {
			t.Errorf("%d files: the next apply comes to another result (-want +got):\n%s", n, diff)
		}
	}
	if inLayout == 0 {
		t.Error("no limit was met while the layout was written")
	}
}

// TestWithoutRoot does everything as a user without any privilege, and says why
// it cannot write where it may not.
func TestWithoutRoot(t *testing.T) {
	dir, err := os.MkdirTemp("", "layform")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	write(t, dir, twoLayers())
	program := filepath.Join(dir, "layform")
	copyProgram(t, program)
	if err := os.Chmod(dir, 0o777); err != nil { // for other users
		t.Fatal(err)
	}
	run := func(code int, message string, args ...string) {
		t.Helper()
		cmd := &process{Cmd: exec.Command(program, args...)}
		cmd.Args[0] = "layform"
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &cmd.out, &cmd.err
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		if err := cmd.Start(); err != nil {
			t.Skipf("no other user can be had here: %v", err)
		}
		cmd.exits(t, code, message)
	}
	run(exitOK, "", "apply", "--auto-approve")
	run(exitOK, "", "plan", "--detailed-exitcode")
	run(exitOK, "", "layout", "validate", "out")
	run(exitOK, "", "layout", "gc", "out")
	run(exitOK, "", "layout", "repair", "out")
	out := filepath.Join(dir, "out")
	write(t, dir, map[string]string{"tree/new": "new"})
	chmodAll(t, out, func(m fs.FileMode) fs.FileMode { return m &^ 0o222 })
	before := contents(t, out)
	run(exitChanges, "", "plan", "--detailed-exitcode")
	run(exitOK, "", "layout", "validate", "out")
	run(exitError, "out cannot be written to: ", "apply", "--auto-approve")
	if diff := cmp.Diff(before, contents(t, out)); diff != "" {
		t.Errorf("changed: %s", diff)
	}
	chmodAll(t, out, func(m fs.FileMode) fs.FileMode { return m | 0o200 })
	run(exitOK, "", "apply", "--auto-approve")
	run(exitOK, "", "destroy", "--auto-approve")
}

// chmodAll gives the directories below dir, and dir, other modes.
func chmodAll(t *testing.T, dir string, change func(fs.FileMode) fs.FileMode) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(name, change(info.Mode()))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyProgram puts layform where every user can run it.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := exec.LookPath("layform")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
