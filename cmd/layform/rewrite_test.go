//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const rewrittenSpec = `
layout { path = "out" }
layer "l" {
  for_each    = toset(["a", "b"])
  compression = "none"
  copy {
    from = "src"
    to   = "/${each.key}"
  }
}
layer "blob" {
  blob       = "src/x"
  media_type = "application/x"
}
manifest "m" {
  artifact_type = "application/x"
  layers        = [layer.l["a"], layer.l["b"], layer.blob]
  tags          = ["m"]
}
`

// TestRewrittenSource applies while a source is rewritten in place and its time is
// put back, as cp -p and rsync -t do: an apply that succeeds has built no layer or
// blob of two states of the file, and one that fails names the file.
// LAYFORM_TEST_ROUNDS sets the number of rewrites that must begin during an apply.
func TestRewrittenSource(t *testing.T) {
	t.Parallel()
	rewrites := 8
	if text := os.Getenv("LAYFORM_TEST_ROUNDS"); text != "" {
		if _, err := fmt.Sscan(text, &rewrites); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	states := [2][]byte{bytes.Repeat([]byte("a"), 5<<20), bytes.Repeat([]byte("b"), 5<<20)}
	write(t, dir, map[string]string{"layform.hcl": rewrittenSpec, "src/x": string(states[0])})
	file, err := os.OpenFile(filepath.Join(dir, "src/x"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// A rewrite begins at any moment of an apply: took is how long the last one was.
	took := 100 * time.Millisecond
	during, succeeded, refused := 0, 0, 0
	for try := 1; during < rewrites; try++ {
		if try > 20*rewrites {
			t.Fatalf("only %d rewrites began during %d applies", during, try)
		}
		if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
			t.Fatal(err)
		}
		ended, rewritten := make(chan struct{}), make(chan error, 1)
		go func(content []byte, wait time.Duration) { rewritten <- rewriteIn(file, content, wait, ended) }(states[(during+1)%2], rand.N(took))
		began := time.Now()
		cmd := exec.Command("layform", "apply", "--auto-approve")
		cmd.Dir = dir
		out, applyErr := cmd.CombinedOutput()
		took = time.Since(began)
		close(ended)
		switch err := <-rewritten; {
		case err == nil:
			during++
		case !errors.Is(err, errLate):
			t.Fatal(err)
		}
		if applyErr != nil {
			if refused++; !strings.Contains(string(out), `"src/x" changed while it was read`) && !strings.Contains(string(out), "changed during this apply") {
				t.Errorf("apply %d: %v: %s", try, applyErr, out)
			}
			continue
		}
		succeeded++
		for _, name := range mixed(t, filepath.Join(dir, "out/blobs/sha256")) {
			t.Errorf("apply %d exits with 0, and the blob %s is of both states", try, name)
		}
	}
	t.Logf("%d rewrites during applies: %d succeeded, %d were refused", during, succeeded, refused)
}

// errLate says that an apply ended before the source was rewritten.
var errLate = errors.New("too late")

// rewriteIn waits, gives the file other content in one write, and puts its time back.
func rewriteIn(file *os.File, content []byte, wait time.Duration, ended <-chan struct{}) error {
	select {
	case <-ended:
		return errLate
	case <-time.After(wait):
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		return err
	}
	return os.Chtimes(file.Name(), time.Time{}, time.Unix(1700000000, 0))
}

// mixed lists the files of a directory that hold both states.
func mixed(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, bytes.Repeat([]byte("a"), 128)) && bytes.Contains(data, bytes.Repeat([]byte("b"), 128)) {
			names = append(names, e.Name())
		}
	}
	return names
}
