//go:build unix

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// The promise is two seconds. This tells what hangs from a machine that is busy.
const stopsWithin = 2 * time.Minute

const oneLayer = `
layout { path = "out" }
layer "x" {
  file "/x" { source = "x" }
}
config "x" { platform = "linux/amd64" }
manifest "x" {
  config = config.x
  layers = [layer.x]
  tags   = ["x"]
}
`

// process is layform at work.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
}

// start runs layform in dir. What it prints is kept where nothing else is set.
func start(t *testing.T, dir string, set func(*exec.Cmd), args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("layform", args...)}
	p.Dir, p.Stdout, p.Stderr = dir, &p.out, &p.err
	if set != nil {
		set(p.Cmd)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// end waits for the end, for a while, and gives the exit code; -1 for a process
// that a signal ended.
func (p *process) end(t *testing.T) int {
	t.Helper()
	hung := time.AfterFunc(stopsWithin, func() { _ = p.Process.Kill() })
	defer hung.Stop()
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// exits waits for the end and checks code and message.
func (p *process) exits(t *testing.T, code int, message string) {
	t.Helper()
	if got := p.end(t); got != code {
		t.Errorf("%q: %s, want exit code %d:\n%s", p.Args[1:], p.ProcessState, code, &p.err)
	}
	if !strings.Contains(p.err.String(), message) {
		t.Errorf("%q says %q, want %q", p.Args[1:], &p.err, message)
	}
}

// contents are the files and directories of a layout, but for the lock, the stat cache and the
// staging state, whose serial counts tries.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(name, dir)
		if rel == "/.layform/lock" || rel == "/.layform/stat.cache" || rel == "/.layform/stage/default.json" {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if files[rel] = info.Mode().String(); d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(name)
		files[rel] = info.Mode().String() + " " + digest.FromBytes(data).String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// valid checks a layout in full.
func valid(t *testing.T, dir string) {
	t.Helper()
	store, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for f, err := range validate.Layout(t.Context(), store.Reader, validate.Options{}) {
		if err != nil || f.Severity == validate.Must {
			t.Errorf("%v %+v", err, f)
		}
	}
}
