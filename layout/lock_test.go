//go:build unix

package layout_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/internal/disk"
)

// TestMain lets the test binary play the part of other processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == "process" {
		if err := process(os.Args[2], os.Args[3], os.Args[4:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is what another process does.
func process(part, dir string, args []string) error {
	if part == "crash" {
		return crash(dir, args)
	}
	s, err := layout.Open(dir, layout.Options{LockTimeout: time.Hour, NoSync: true})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := context.Background()
	switch part {
	case "tags":
		rounds, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		for i := range rounds {
			tag := fmt.Sprintf("w%s-%d", args[0], i)
			desc, _, err := s.PutBytes(ctx, "text/plain", []byte(tag), nil)
			if err != nil {
				return err
			}
			if err := s.Tag(ctx, desc, tag); err != nil {
				return err
			}
		}
		return nil
	case "validate":
		return validateAll(s, args[0])
	case "hold":
		if _, err := s.Lock(ctx, layout.Holder{Operation: "apply", Who: "alice"}, 0); err != nil {
			return err
		}
		in, err := s.Ingest(ctx)
		if err != nil {
			return err
		}
		if _, err := in.Write([]byte("half a blob")); err != nil {
			return err
		}
		fmt.Println("held")
		_, err = bufio.NewReader(os.Stdin).ReadString('\n')
		return err
	}
	return fmt.Errorf("no part %q", part)
}

func startProcess(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"process"}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestConcurrentProcessesLoseNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	const writers, rounds = 8, 25
	var cmds []*exec.Cmd
	for w := range writers {
		cmd := startProcess(t, "tags", dir, strconv.Itoa(w), strconv.Itoa(rounds))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	// A reader never sees anything but a whole index, and never waits.
	done := make(chan struct{})
	reads := make(chan error, 1)
	go func() {
		var bad error
		for {
			select {
			case <-done:
				reads <- bad
				return
			default:
			}
			if s, err := layout.Open(dir, layout.Options{}); err != nil {
				bad = err
			} else {
				if _, err := s.Index(t.Context()); err != nil {
					bad = err
				}
				s.Close()
			}
		}
	}()
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	if err := <-reads; err != nil {
		t.Errorf("while others wrote: %v", err)
	}
	s := open(t, dir, layout.Options{})
	for w := range writers {
		for i := range rounds {
			tag := fmt.Sprintf("w%d-%d", w, i)
			desc, err := s.Resolve(t.Context(), tag)
			if err != nil {
				t.Errorf("%s: %v", tag, err)
				continue
			}
			if state, err := s.Check(t.Context(), desc); state != layout.Intact || err != nil {
				t.Errorf("%s: %s, %v", tag, state, err)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".layform/ingest/*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLockNamesItsHolderAndDiesWithIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	cmd := startProcess(t, "hold", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	s := open(t, dir, layout.Options{})
	_, err = s.Lock(t.Context(), layout.Holder{Operation: "gc"}, 20*time.Millisecond)
	var locked *layout.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("got %v, want a *LockedError", err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := layout.Holder{Operation: "apply", Who: "alice", Host: host, PID: cmd.Process.Pid, Since: locked.Holder.Since}
	if diff := cmp.Diff(want, locked.Holder); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(locked.Error(), `"apply" of "alice" (process `+strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("got %q", locked)
	}
	temps := func() []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, ".layform/ingest/*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if n := len(temps()); n != 1 {
		t.Errorf("%d temporary files while the writer lives", n)
	}
	// Somebody who needs no lock leaves the files of a live writer alone.
	put(t, s, "x", []byte("x"))
	lockFile := filepath.Join(dir, ".layform/lock")
	before, err := os.Stat(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the holder was not killed")
	}
	lock(t, s)()
	after, err := os.Stat(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the lock file was replaced")
	}
	if left := temps(); len(left) != 0 {
		t.Errorf("left behind by the dead: %v", left)
	}
}

func TestLockOfOneStore(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, layout.Options{}), open(t, dir, layout.Options{LockTimeout: time.Millisecond})
	unlock := lock(t, a)
	if _, err := a.Lock(t.Context(), layout.Holder{}, 0); err == nil {
		t.Error("one Store got its lock twice")
	}
	var locked *layout.LockedError
	if _, err := b.Lock(t.Context(), layout.Holder{}, 0); !errors.As(err, &locked) {
		t.Errorf("got %v", err)
	}
	putImage(t, a, "a", "latest") // a Store that holds the lock does not wait for itself
	if err := b.Tag(t.Context(), descriptor("x", ""), "x"); err == nil {
		t.Error("tagged what does not exist")
	}
	desc := put(t, b, "x", []byte("x"))
	if err := b.Tag(t.Context(), desc, "x"); !errors.As(err, &locked) {
		t.Errorf("tagged under another's lock: %v", err)
	}
	unlock()
	unlock() // twice is fine
	if err := b.Tag(t.Context(), desc, "x"); err != nil {
		t.Error(err)
	}
	unlock = lock(t, b)
	unlock()
}

// Files of a live ingest survive the cleaning of another holder of the lock.
func TestLiveIngestSurvivesLock(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, layout.Options{}), open(t, dir, layout.Options{})
	in := begin(t, a)
	if _, err := in.Write([]byte("live")); err != nil {
		t.Fatal(err)
	}
	lock(t, b)()
	if _, _, created, err := in.Commit(t.Context()); err != nil || !created {
		t.Errorf("created %v, %v", created, err)
	}
}

func TestBuildKitLockIsHonoured(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, layout.Options{LockTimeout: 30 * time.Millisecond})
	putImage(t, s, "a", "a")
	name := filepath.Join(dir, "index.json.lock")
	if _, err := os.Stat(name); err == nil {
		t.Error("index.json.lock was made")
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var locked *layout.LockedError
	if err := s.Tag(t.Context(), put(t, s, "x", nil), "b"); !errors.As(err, &locked) || !strings.Contains(err.Error(), "index.json.lock") {
		t.Errorf("got %v", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := s.Tag(t.Context(), put(t, s, "x", nil), "b"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Error("index.json.lock was removed")
	}
}

func TestLockIsNoFile(t *testing.T) {
	for name, place := range map[string]func(*testing.T, string){
		"pipe": mkfifo, "directory": mkdir,
		"link": func(t *testing.T, name string) {
			writeFile(t, filepath.Join(filepath.Dir(filepath.Dir(name)), "victim"), "precious")
			symlink(t, "../victim", name)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mkdir(t, filepath.Join(dir, ".layform"))
			mkdir(t, filepath.Join(dir, "blobs"))
			writeFile(t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
			place(t, filepath.Join(dir, ".layform/lock"))
			s := open(t, dir, layout.Options{Inspect: true})
			if _, err := s.Lock(t.Context(), layout.Holder{}, 0); !errors.Is(err, layout.ErrNotPlain) {
				t.Errorf("got %v", err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "victim")); err == nil && string(data) != "precious" {
				t.Error("a link was followed and written through")
			}
		})
	}
}

// A file system without flock is refused by name before anything is written to
// the layout, and read as ever.
func TestNoFlock(t *testing.T) {
	dir := t.TempDir()
	img := putImage(t, open(t, dir, layout.Options{}), "a", "latest")
	junk := put(t, open(t, dir, layout.Options{}), "x", []byte("junk"))
	before := snapshot(t, dir)
	for _, errno := range []error{syscall.ENOLCK, syscall.EOPNOTSUPP, syscall.ENOSYS, errors.ErrUnsupported} {
		s := open(t, dir, layout.Options{Fault: func(step disk.Step) error {
			if step.Op == disk.OpLock {
				return errno
			}
			return nil
		}})
		_, lockErr := s.Lock(t.Context(), layout.Holder{Operation: "apply"}, -1)
		_, gcErr := s.GC(t.Context(), layout.GCOptions{MinAge: -1})
		for name, err := range map[string]error{"lock": lockErr, "gc": gcErr, "tag": s.Tag(t.Context(), junk, "new")} {
			if !errors.Is(err, errno) || !strings.Contains(err.Error(), "the file system of "+dir+" has no working locks (flock)") {
				t.Errorf("%v: %s: got %v", errno, name, err)
			}
		}
		if got := resolve(t, s, "latest"); got.Digest != img.manifest.Digest {
			t.Errorf("%v: got %s", errno, got.Digest)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("changed: %s", diff)
	}
}

func TestHolderCannotForgeOutput(t *testing.T) {
	h := layout.Holder{Operation: "a\x1b[2J", Who: "b\nc", Host: "\r"}
	if s := h.String(); strings.ContainsAny(s, "\x1b\n\r") {
		t.Errorf("control characters in %q", s)
	}
}

// Reading is never in the way of a writer: each read gives a whole index.
func TestReadsWhileTheIndexIsReplaced(t *testing.T) {
	dir := t.TempDir()
	w, r := open(t, dir, layout.Options{NoSync: true}), open(t, dir, layout.Options{})
	desc := put(t, w, "text/plain", []byte("x"))
	done := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := w.Tag(context.Background(), desc, strconv.Itoa(i%10)); err != nil {
				done <- err
				return
			}
			if _, _, err := w.Swap(context.Background(), func(x *layout.Index) error { x.Remove(strconv.Itoa(i % 10)); return nil }); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 10_000 {
		if _, err := r.Index(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
