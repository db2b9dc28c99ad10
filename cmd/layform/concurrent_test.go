//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// memoryDir is an empty directory, in memory where the system has such a place.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "layform")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestManySpecsAtOnce applies 16 specs into one layout at once, in 16 processes,
// round after round with other content, and finds all of them there each time.
func TestManySpecsAtOnce(t *testing.T) {
	const specs = 16
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	dir := memoryDir(t)
	for round := range rounds {
		for i := range specs {
			write(t, dir, map[string]string{fmt.Sprintf("s%d/layform.hcl", i): fmt.Sprintf(`
layform { name = "s%[1]d" }
layout { path = "../out" }
layer "x" {
  file "/x" { content = "spec %[1]d, round %[2]d" }
}
config "x" { platform = "linux/amd64" }
manifest "x" {
  config = config.x
  layers = [layer.x]
  tags   = ["t%[1]d"]
}
`, i, round)})
		}
		var wait sync.WaitGroup
		for i := range specs {
			wait.Go(func() {
				cmd := exec.Command("layform", "-C", filepath.Join(dir, fmt.Sprintf("s%d", i)), "apply", "--auto-approve", "--lock-timeout", "1h")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("round %d, spec %d: %v\n%s", round, i, err, out)
				}
			})
		}
		wait.Wait()
		store, err := layout.Open(filepath.Join(dir, "out"), layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for f, err := range validate.Layout(t.Context(), store.Reader, validate.Options{}) {
			if err != nil || f.Severity == validate.Must {
				t.Errorf("round %d: %v %+v", round, err, f)
			}
		}
		index, err := store.Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(index.Descriptors()); n != specs {
			t.Errorf("round %d: index.json has %d entries, want %d", round, n, specs)
		}
		blobs := 0
		for _, err := range store.Blobs(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			blobs++
		}
		if blobs != specs*3 {
			t.Errorf("round %d: %d blobs, want a layer, a config and a manifest for each of %d specs", round, blobs, specs)
		}
		store.Close()
		if t.Failed() {
			return
		}
	}
}

// TestSystemCalls watches plan and apply with strace: they write inside the
// layout alone, read nothing beside the spec, the layout and what the runtime
// reads, connect to nothing and start nothing.
func TestSystemCalls(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"tree/a": "a",
		"tree/b": "b",
		"layform.hcl": `
layout { path = "out" }
layer "x" {
  copy { from = "tree" }
}
config "x" { platform = "linux/amd64" }
manifest "x" {
  config = config.x
  layers = [layer.x]
  tags   = ["x"]
}
`})
	program, err := exec.LookPath("layform")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"plan"}, {"apply", "--auto-approve"}, {"plan"}, {"destroy", "--auto-approve"}} {
		log := filepath.Join(t.TempDir(), "log")
		cmd := exec.Command("strace", append([]string{"-f", "-y", "-qq", "-e", "trace=%file,%network,execve", "-o", log, program}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "PTRACE") || strings.Contains(string(out), "ptrace") {
				t.Skipf("strace may not trace here: %s", out)
			}
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(data), "\n")
		if len(lines) < 10 {
			t.Fatalf("%q: strace saw nothing:\n%s", args, data)
		}
		started := 0
		for _, line := range lines {
			if problem := suspicious(line, dir, &started); problem != "" {
				t.Errorf("%q: %s: %s", args, problem, line)
			}
		}
	}
}

// suspicious says what is wrong with a system call; started counts programs.
func suspicious(line, dir string, started *int) string {
	_, call, _ := strings.Cut(line, " ")
	call = strings.TrimSpace(call)
	name, _, _ := strings.Cut(call, "(")
	switch name {
	case "execve":
		if *started++; *started > 1 {
			return "starts a program"
		}
		return ""
	case "connect", "sendto", "bind", "socket":
		return "uses the network"
	case "openat", "open", "mkdirat", "mkdir", "renameat", "renameat2", "unlinkat", "linkat", "symlinkat", "fchmodat":
	default:
		return ""
	}
	// The folder descriptors that -y shows tell where a relative name lies.
	inLayout := strings.Contains(call, dir+"/out") || name == "mkdirat" && strings.Contains(call, `"out"`)
	writes := name != "openat" && name != "open" || strings.Contains(call, "O_WRONLY") || strings.Contains(call, "O_RDWR") || strings.Contains(call, "O_CREAT")
	switch {
	case writes && !inLayout && !strings.Contains(call, "/dev/null"):
		return "writes outside of the layout"
	case !writes && !strings.Contains(call, dir) && !runtimeFile(call) && strings.Contains(call, `"/`):
		return "reads outside of the spec and the layout"
	}
	return ""
}

// runtimeFile reports whether the runtime of Go reads the file for itself.
func runtimeFile(call string) bool {
	for _, name := range []string{"/sys/", "/proc/", "/etc/ld.so", "/lib", "/usr/lib", "/dev/null", "/etc/localtime", "/usr/share/zoneinfo", "/etc/nsswitch.conf", "/etc/passwd"} {
		if strings.Contains(call, `"`+name) {
			return true
		}
	}
	return false
}
