//go:build unix

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layform/layform/layout/registrytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"layform": main, "measured": measured})
}

// TestScripts runs testdata/script of the repository. Its commands beyond those
// of testscript are:
//
//	fails [-built] layform ARG...    must exit with 1 and change nothing below $WORK; with
//	                                 -built it may have built blobs that the next apply takes up
//	exits N layform ARG...           must exit with N
//	snapshot DIR NAME                remembers names, modes, sizes, inodes, times and digests below DIR
//	[!] same DIR NAME                must be as it was
//	kept DIR NAME REGEXP             what matches must be as it was
//	gone DIR NAME N                  exactly N files of the snapshot are gone or differ
//	edit FILE OLD NEW                replaces the first OLD, which must be there
//	times DIR SECONDS                sets the times of all files below DIR
//	flip FILE                        inverts the last byte of a file, whatever its mode
//	registry                         starts a registry, whose HOST:PORT is then $REGISTRY
//	serve ARG...                     runs layform serve, whose HOST:PORT is then $SERVED
//	stops                            ends it, which it does with exit code 0
//	requests N METHOD PART           it got N such requests whose path holds PART, and forgets them
//	findblob DIR REGEXP              sets $BLOB to the one blob of a layout that matches, and $DIGEST
func TestScripts(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "script")
	scripts, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(scripts) < 10 {
		t.Fatalf("found %d scripts in %s: %v", len(scripts), dir, err)
	}
	w := newWitnesses()
	var ran atomic.Int64
	// The scripts run in parallel, after this function has returned.
	t.Cleanup(func() {
		least := 20
		if int(ran.Load()) < len(scripts) {
			least = 0 // -run asked for some of them
		}
		w.report(t, least)
	})
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			ran.Add(1)
			env.Defer(func() { w.look(env.WorkDir) })
			env.Values[snapshots{}] = map[string]fileTree{}
			env.Values[servedKey{}] = new(*served)
			env.Values[registryKey{}] = map[string]*registrytest.Registry{}
			env.Setenv("GOMAXPROCS", os.Getenv("GOMAXPROCS"))
			// Caches of others, and of the script's own last run, are none of its.
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":    cmdFails,
			"exits":    cmdExits,
			"snapshot": cmdSnapshot,
			"same":     cmdSame,
			"kept":     cmdKept,
			"gone":     cmdGone,
			"edit":     cmdEdit,
			"times":    cmdTimes,
			"flip":     cmdFlip,
			"findblob": cmdFindBlob,
			"registry": func(ts *testscript.TestScript, neg bool, args []string) {
				reg := registrytest.New(t)
				registries(ts)[reg.Host()] = reg
				ts.Setenv("REGISTRY", reg.Host())
			},
			"requests": cmdRequests,
			"serve":    cmdServe,
			"stops":    cmdStops,
		},
		RequireUniqueNames: true,
	})
}

// registryKey is the key of the registries of a script, by their addresses.
type registryKey struct{}

func registries(ts *testscript.TestScript) map[string]*registrytest.Registry {
	return ts.Value(registryKey{}).(map[string]*registrytest.Registry)
}

func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: requests N METHOD PART")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	reg := registries(ts)[ts.Getenv("REGISTRY")]
	if got := reg.Count(args[1], args[2]); got != want {
		ts.Fatalf("the registry got %d requests %s %s, want %d", got, args[1], args[2], want)
	}
	reg.Forget()
}

// snapshots is the key of the snapshots of a script.
type snapshots struct{}

// fileTree is a directory tree at one moment: what is to be said of each file, by path.
type fileTree map[string]string

// takeSnapshot describes everything below dir. The lock file, whose content
// names its last holder, and the stat cache are left out: neither is part of
// what a layout holds.
func takeSnapshot(ts *testscript.TestScript, dir string) fileTree {
	seen := fileTree{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		switch {
		case rel == ".tmp":
			return fs.SkipDir
		case strings.HasSuffix(rel, ".layform/lock"), strings.HasSuffix(rel, ".layform/stat.cache"):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		seen[rel], err = describe(name, info)
		return err
	})
	ts.Check(err)
	return seen
}

// describe says what a file is. Of a directory only name and mode count: a
// temporary file that comes and goes in it does not matter.
func describe(name string, info fs.FileInfo) (string, error) {
	switch {
	case info.Mode().IsRegular():
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return "", errors.New("no inode numbers on this system")
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%v %d bytes inode %d %v %x", info.Mode(), info.Size(), stat.Ino, info.ModTime().UTC(), sha256.Sum256(data)), nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		return "link to " + target, err
	}
	return info.Mode().String(), nil
}

func remembered(ts *testscript.TestScript) map[string]fileTree {
	return ts.Value(snapshots{}).(map[string]fileTree)
}

func cmdSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: snapshot DIR NAME")
	}
	remembered(ts)[args[1]] = takeSnapshot(ts, ts.MkAbs(args[0]))
}

// recalled gives the snapshot of a name and the tree as it is now.
func recalled(ts *testscript.TestScript, dir, name string) (was, now fileTree) {
	was, ok := remembered(ts)[name]
	if !ok {
		ts.Fatalf("there is no snapshot %q", name)
	}
	return was, takeSnapshot(ts, ts.MkAbs(dir))
}

func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] same DIR NAME")
	}
	was, now := recalled(ts, args[0], args[1])
	diff := cmp.Diff(was, now)
	if neg && diff == "" {
		ts.Fatalf("%s did not change", args[0])
	}
	if !neg && diff != "" {
		ts.Fatalf("%s changed (-was +now):\n%s", args[0], diff)
	}
}

func cmdKept(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: kept DIR NAME REGEXP")
	}
	was, now := recalled(ts, args[0], args[1])
	re, err := regexp.Compile(args[2])
	ts.Check(err)
	n := 0
	for name, what := range was {
		if !re.MatchString(name) {
			continue
		}
		n++
		if now[name] != what {
			ts.Fatalf("%s changed: was %s, is %s", name, what, now[name])
		}
	}
	if n == 0 {
		ts.Fatalf("nothing in the snapshot matches %s", args[2])
	}
}

func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: gone DIR NAME N")
	}
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	was, now := recalled(ts, args[0], args[1])
	var gone []string
	for name, what := range was {
		if strings.Contains(name, "blobs/sha256/") && now[name] != what {
			gone = append(gone, name)
		}
	}
	if len(gone) != want {
		ts.Fatalf("%d blobs are gone or changed, want %d: %q", len(gone), want, gone)
	}
}

func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	built := len(args) > 0 && args[0] == "-built"
	if built {
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: fails [-built] COMMAND ARG...")
	}
	work := ts.Getenv("WORK")
	was := takeSnapshot(ts, work)
	checkExit(ts, 1, args)
	now := takeSnapshot(ts, work)
	if built {
		// What was there stays; new are blobs, directories, and what is in our folder.
		ours := func(name, _ string) bool { return strings.Contains(name, ".layform") }
		maps.DeleteFunc(was, ours)
		maps.DeleteFunc(now, ours)
		maps.DeleteFunc(now, func(name, what string) bool {
			_, old := was[name]
			return !old && (strings.Contains(name, "blobs/sha256/") || strings.HasPrefix(what, "d"))
		})
	}
	if diff := cmp.Diff(was, now); diff != "" {
		ts.Fatalf("a command that failed changed something (-was +now):\n%s", diff)
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	checkExit(ts, want, args[1:])
}

// checkExit runs a command and compares its exit code.
func checkExit(ts *testscript.TestScript, want int, args []string) {
	err := ts.Exec(args[0], args[1:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%q exits with %d, want %d", args, got, want)
	}
}

func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	if !strings.Contains(string(data), args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(name, []byte(strings.Replace(string(data), args[1], args[2], 1)), 0o644))
}

func cmdTimes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: times DIR SECONDS")
	}
	seconds, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	at := time.Unix(seconds, 0)
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(name, at, at)
	}))
}

func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	name := ts.MkAbs(args[0])
	info, err := os.Stat(name)
	ts.Check(err)
	data, err := os.ReadFile(name)
	ts.Check(err)
	data[len(data)-1] ^= 0xff
	ts.Check(os.Chmod(name, 0o644))
	ts.Check(os.WriteFile(name, data, 0o644))
	ts.Check(os.Chmod(name, info.Mode()))
}

func cmdFindBlob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: findblob LAYOUT REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	blobs, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "blobs", "sha256", "*"))
	ts.Check(err)
	found := ""
	for _, name := range blobs {
		data, err := os.ReadFile(name)
		ts.Check(err)
		if !re.Match(data) {
			continue
		}
		if found != "" {
			ts.Fatalf("several blobs match %s", args[1])
		}
		found = name
	}
	if found == "" {
		ts.Fatalf("no blob matches %s", args[1])
	}
	ts.Setenv("BLOB", found)
	ts.Setenv("DIGEST", "sha256:"+filepath.Base(found))
}
