//go:build unix

package main

import (
	"bufio"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout"
)

// noise is a text that does not get any shorter.
func noise(n int) string {
	rng := rand.NewChaCha8([32]byte{1})
	data := make([]byte, n)
	_, _ = rng.Read(data) // never fails, says math/rand
	return string(data)
}

// temporaries are the files of writers that have not finished.
func temporaries(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "out/.layform/ingest/*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestSignals stops an apply in the middle of a layer. It ends soon, with 1 and
// a message; the layout is the one from before, nothing half-done lies about, and
// the next apply comes to the same result as one that nobody stopped.
func TestSignals(t *testing.T) {
	dir := memoryDir(t)
	out := filepath.Join(dir, "out")
	apply := func(t *testing.T) map[string]string {
		t.Helper()
		start(t, dir, nil, "apply", "--auto-approve").exits(t, exitOK, "")
		return contents(t, out)
	}
	write(t, dir, map[string]string{"layform.hcl": oneLayer, "x": "small"})
	small := apply(t)
	write(t, dir, map[string]string{"x": noise(24 << 20)})
	want := apply(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skip("it is ignored here")
			}
			write(t, dir, map[string]string{"x": "small"})
			apply(t)
			write(t, dir, map[string]string{"x": noise(24 << 20)})
			p := start(t, dir, nil, "apply", "--auto-approve", "--parallelism", "1")
			for since := time.Now(); growing(t, dir) < 1<<20; time.Sleep(time.Millisecond) {
				if time.Since(since) > stopsWithin {
					t.Fatal("no layer was seen to grow")
				}
			}
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			p.exits(t, exitError, "layform: error: interrupted\n")
			if left := temporaries(t, dir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			valid(t, out)
			now := contents(t, out)
			delete(now, "/.layform/stage/default.journal") // what the next apply goes on from
			if diff := cmp.Diff(small, now); diff != "" {
				t.Errorf("the layout is not as it was (-was +is):\n%s", diff)
			}
			if diff := cmp.Diff(want, apply(t)); diff != "" {
				t.Errorf("the next apply comes to another result (-want +got):\n%s", diff)
			}
		})
	}
}

// growing is the length of the longest temporary file.
func growing(t *testing.T, dir string) (size int64) {
	t.Helper()
	for _, name := range temporaries(t, dir) {
		if info, err := os.Stat(name); err == nil { // it may be gone by now
			size = max(size, info.Size())
		}
	}
	return size
}

// TestStopsAlthoughNothingMoves stops commands whose output nobody takes.
func TestStopsAlthoughNothingMoves(t *testing.T) {
	for name, set := range map[string]func(*exec.Cmd, *os.File){
		"standard output": func(c *exec.Cmd, full *os.File) { c.Stdout = full },
		"both":            func(c *exec.Cmd, full *os.File) { c.Stdout, c.Stderr = full, full },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits until the command gives up
			dir := t.TempDir()
			write(t, dir, map[string]string{"layform.hcl": oneLayer, "x": "x"})
			full := fullPipe(t)
			// A signal that comes before the program listens ends it at once.
			for pause := 200 * time.Millisecond; ; pause *= 4 {
				p := start(t, dir, func(c *exec.Cmd) { set(c, full) }, "apply", "--auto-approve")
				time.Sleep(pause)
				if err := p.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if code := p.end(t); code == -1 && pause < stopsWithin/4 {
					continue
				} else if code != exitError {
					t.Errorf("it ends with %s", p.ProcessState)
				}
				if p.Stderr != full && !strings.Contains(p.err.String(), "layform: error: interrupted, and stopped") {
					t.Errorf("it says %q", &p.err)
				}
				break
			}
			if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
				t.Error("the layout was made before its plan could be shown")
			}
		})
	}
}

// fullPipe is the end of a pipe that takes nothing more.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	t.Cleanup(func() { _ = syscall.Close(fds[0]) })
	if err := syscall.SetNonblock(fds[1], true); err != nil {
		t.Fatal(err)
	}
	for n := 4096; n > 0; {
		if _, err := syscall.Write(fds[1], make([]byte, n)); err == syscall.EAGAIN {
			n /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fds[1], false); err != nil {
		t.Fatal(err)
	}
	full := os.NewFile(uintptr(fds[1]), "full pipe")
	t.Cleanup(func() { _ = full.Close() })
	return full
}

// TestLostOutput takes away standard output before an apply says anything: it
// fails with a message, and nothing was done.
func TestLostOutput(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	write(t, dir, map[string]string{"layform.hcl": oneLayer, "x": "x"})
	for name, message := range map[string]string{"/dev/full": "no space left", "/closed/pipe": "broken pipe"} {
		lost, err := os.OpenFile(name, os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) { // as /dev/full does not on some systems
			var r *os.File
			if r, lost, err = os.Pipe(); err == nil {
				err, message = r.Close(), "broken pipe"
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		start(t, dir, func(c *exec.Cmd) { c.Stdout = lost }, "apply", "--auto-approve").exits(t, exitError, message)
		if err := lost.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: the layout was made before its plan could be shown", name)
		}
	}

	// With all three closed there is nobody to tell, and nothing of what is
	// said gets into the files that are opened in their place.
	closed := exec.Command("sh", "-c", "exec layform apply --auto-approve <&- >&- 2>&-")
	closed.Dir = dir
	if err := closed.Run(); err != nil {
		t.Error(err)
	}
	valid(t, out)
}

// TestLostResult takes away standard output between the plan of an apply and its
// result: it fails with a message, and the layout is the new one.
func TestLostResult(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	write(t, dir, map[string]string{"layform.hcl": oneLayer, "x": "x"})
	start(t, dir, nil, "apply", "--auto-approve").exits(t, exitOK, "")
	want := contents(t, out)
	start(t, dir, nil, "destroy", "--auto-approve").exits(t, exitOK, "")
	store, err := layout.Open(out, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	unlock, err := store.Lock(t.Context(), layout.Holder{Operation: "test"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, func(c *exec.Cmd) { c.Stdout = w }, "apply", "--auto-approve", "--lock-timeout", "1h")
	lines := bufio.NewScanner(r)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Plan: ") {
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, close := range []func() error{r.Close, w.Close, unlock} {
		if err := close(); err != nil {
			t.Fatal(err)
		}
	}
	p.exits(t, exitError, "broken pipe")
	valid(t, out)
	if diff := cmp.Diff(want, contents(t, out)); diff != "" {
		t.Errorf("the layout is not the new one (-want +got):\n%s", diff)
	}
}
