//go:build unix

package executor_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/source"
)

// TestSourceThatMovesDuringAnApply: a file that moves once the apply has found it
// as the plan says is named with what to do, and the plan is not called stale.
func TestSourceThatMovesDuringAnApply(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		move       func(t *testing.T, file string)
	}{
		{"grows", "app/run", func(t *testing.T, file string) { rewrite(t, file, "#!/bin/run, run\n") }},
		{"other content of the same length", "app/run", func(t *testing.T, file string) { rewrite(t, file, "#!/bin/fly\n") }},
		{"other content, the time put back", "app/run", func(t *testing.T, file string) {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			rewrite(t, file, "#!/bin/fly\n")
			if err := os.Chtimes(file, time.Time{}, info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}},
		{"is gone", "app/run", func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
		{"becomes a directory", "app/run", func(t *testing.T, file string) {
			if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o755)); err != nil {
				t.Fatal(err)
			}
		}},
		{"an archive grows", "rootfs.tar", func(t *testing.T, file string) { rewrite(t, file, strings.Repeat("\x00", 20480)) }},
		{"a blob is gone", "model", func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		for _, saved := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", a saved plan"}[saved], func(t *testing.T) {
				w := imageWorld(t)
				w.write("rootfs.tar", strings.Repeat("\x00", 10240))
				w.write("model", "m")
				w.write("layform.hcl", image+`
layer "rootfs" {
  archive = "rootfs.tar"
}
layer "model" {
  blob       = "model"
  media_type = "a/b"
}
manifest "more" {
  artifact_type = "a/b"
  layers        = [layer.rootfs, layer.model]
}
`)
				made, err := w.result(planner.Options{})
				if err != nil {
					t.Fatal(err)
				}
				moved := false
				opts := executor.Options{Dir: w.dir, Parallelism: 1, Progress: func(executor.Event) {
					if !moved {
						tt.move(t, filepath.Join(w.dir, tt.file))
						moved = true
					}
				}}
				if !saved {
					opts.Planned = made
				}
				before := indexOf(t, w.dir)
				_, err = executor.Apply(t.Context(), w.open(), made.Plan, opts)
				var changed *executor.ChangedError
				var file *source.ChangedError
				if !errors.As(err, &changed) || !errors.As(err, &file) || file.Path != tt.file || changed.Saved != saved {
					t.Fatalf("got %v", err)
				}
				want := map[bool]string{false: "; run apply again once nothing writes there", true: "; make a new plan once nothing writes there, and apply that"}[saved]
				if text := err.Error(); !strings.HasSuffix(text, want) || strings.Contains(text, "stale") {
					t.Errorf("got %q", text)
				}
				if diff := cmp.Diff(before, indexOf(t, w.dir)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
