//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// traced runs layform under strace and gives its system calls in the order in
// which they began, with the files behind descriptors in <…>.
func traced(t *testing.T, dir string, options []string, args ...string) (calls []string, out string, err error) {
	t.Helper()
	need(t, "strace")
	program, err := exec.LookPath("layform")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command("strace", slices.Concat([]string{"-f", "-y", "-qq", "-o", log}, options, []string{program}, args)...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if out = string(text); strings.Contains(strings.ToLower(out), "ptrace") {
		t.Skipf("strace may not trace here: %s", out)
	}
	data, readErr := os.ReadFile(log)
	if readErr != nil {
		t.Fatal(readErr)
	}
	for line := range strings.Lines(string(data)) {
		if _, call, ok := strings.Cut(line, " "); ok {
			calls = append(calls, strings.TrimSpace(call))
		}
	}
	return calls, out, err
}

var (
	renames = regexp.MustCompile(`^renameat2?\(\d+<([^>]+)>, "([^"]+)", \d+<([^>]+)>, "([^"]+)"`)
	removes = regexp.MustCompile(`^unlinkat\(\d+<([^>]+)>, "([^"]+)"`)
)

// syncs follows what an apply syncs, and when.
type syncs struct {
	out string
	// synced are the files with nothing unwritten, unsynced the directories with
	// names that are not on the disk.
	synced, unsynced map[string]bool
	// What was seen.
	blobs, indexes, removed int
}

// see takes one system call and says what is wrong with it.
func (s *syncs) see(call string) string {
	name, _, _ := strings.Cut(call, "(")
	switch file := between(call, "<", ">"); name {
	case "write", "pwrite64":
		delete(s.synced, file)
	case "fsync", "fdatasync":
		s.synced[file] = true
		delete(s.unsynced, file)
	case "renameat", "renameat2":
		m := renames.FindStringSubmatch(call)
		if m == nil {
			return "a rename of an unknown form"
		}
		return s.rename(filepath.Join(m[1], m[2]), m[3], m[4])
	case "unlinkat":
		if m := removes.FindStringSubmatch(call); m != nil && m[1] == filepath.Join(s.out, "blobs/sha256") {
			s.removed++
			if s.indexes == 0 || s.unsynced[s.out] {
				return "a blob goes before the new index.json is synced"
			}
		}
	}
	return ""
}

func (s *syncs) rename(from, dir, name string) string {
	switch {
	case dir == s.out && name == "index.json":
		s.indexes++
		if len(s.unsynced) > 0 {
			return "index.json gets its name before others are synced"
		}
	case dir == filepath.Join(s.out, "blobs/sha256"):
		s.blobs++
	case dir == s.out, dir == filepath.Join(s.out, ".layform/stage"):
	default:
		return "" // what may be lost
	}
	s.unsynced[dir] = true
	if !s.synced[from] {
		return "a file gets its name before its content is synced"
	}
	return ""
}

// TestDurable: what an apply reports survives a power cut, because every file has
// its content on the disk before it gets its name, every name is on the disk
// before index.json leads to it, the new index.json is there before the blobs of
// the old one go, and all of it before the end.
func TestDurable(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	write(t, dir, map[string]string{"layform.hcl": oneLayer})
	for _, round := range []struct {
		content                 string
		blobs, indexes, removed int
	}{{"one", 3, 2, 0}, {"two", 3, 1, 3}} {
		write(t, dir, map[string]string{"x": round.content})
		calls, said, err := traced(t, dir, []string{"-e", "trace=write,pwrite64,fsync,fdatasync,renameat,renameat2,unlinkat"}, "apply", "--auto-approve")
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		s := &syncs{out: out, synced: map[string]bool{}, unsynced: map[string]bool{}}
		for _, call := range calls {
			if problem := s.see(call); problem != "" {
				t.Errorf("%s: %s", problem, call)
			}
		}
		if len(s.unsynced) > 0 {
			t.Errorf("not synced at the end: %v", s.unsynced)
		}
		if s.blobs != round.blobs || s.indexes != round.indexes || s.removed != round.removed {
			t.Errorf("%d blobs, %d times index.json and %d removed blobs were seen; want %+v", s.blobs, s.indexes, s.removed, round)
		}
	}
}

// between is the part of s between the first open and the next close.
func between(s, open, close string) string {
	_, s, _ = strings.Cut(s, open)
	s, _, _ = strings.Cut(s, close)
	return s
}

// TestFileSystemWithoutLocks takes flock away from a whole process: it refuses
// to write, names what is wrong, and still reads.
func TestFileSystemWithoutLocks(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	write(t, dir, map[string]string{"layform.hcl": oneLayer, "x": "one"})
	start(t, dir, nil, "apply", "--auto-approve").exits(t, exitOK, "")
	before := contents(t, out)
	write(t, dir, map[string]string{"x": "two"})
	without := []string{"-e", "trace=flock", "-e", "inject=flock:error=EOPNOTSUPP"}
	if _, said, err := traced(t, dir, without, "plan", "--detailed-exitcode"); err == nil || !strings.Contains(said, "Plan: ") {
		t.Errorf("plan: %v: %s", err, said)
	}
	for _, args := range [][]string{{"apply", "--auto-approve"}, {"destroy", "--auto-approve"}, {"layout", "gc", "out"}, {"layout", "repair", "out"}} {
		_, said, err := traced(t, dir, without, args...)
		if err == nil || !strings.Contains(said, "the file system of "+out+" has no working locks (flock)") {
			t.Errorf("%q: %v: %s", args, err, said)
		}
	}
	valid(t, out)
	now := contents(t, out)
	if before["/index.json"] != now["/index.json"] || len(before) != len(now) {
		t.Errorf("something was written: %v", now)
	}
}
