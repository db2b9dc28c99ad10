//go:build unix

package executor_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
)

// TestAnnouncedBlobs lets a run die around the moment in which its first blob
// gets its name. The next run, for which that blob is of no use, removes what the
// dead one put there, and nothing that somebody else did.
func TestAnnouncedBlobs(t *testing.T) {
	push := func(t *testing.T, blob string, content []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(blob+".new", content, 0o444); err != nil {
			t.Fatal(err)
		}
		// Where the number of the dead run's file is used again, the time differs.
		if err := os.Chtimes(blob+".new", time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(blob+".new", blob); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		// named is set when the blob got its name before the run died.
		named bool
		// since is what happens to the layout before the next run.
		since func(t *testing.T, out, blob string, content []byte)
		stays bool
	}{
		{name: "not named", since: func(*testing.T, string, string, []byte) {}},
		{name: "named", named: true, since: func(*testing.T, string, string, []byte) {}},
		{name: "not named, pushed by somebody", stays: true,
			since: func(t *testing.T, _, blob string, content []byte) { push(t, blob, content) }},
		{name: "not named, temporary gone, pushed by somebody", stays: true,
			since: func(t *testing.T, out, blob string, content []byte) {
				if err := os.RemoveAll(filepath.Join(out, ".layform", "ingest")); err != nil {
					t.Fatal(err)
				}
				push(t, blob, content)
			}},
		{name: "named, replaced by somebody", named: true, stays: true,
			since: func(t *testing.T, _, blob string, content []byte) { push(t, blob, content) }},
		{name: "named, announced by an older layform", named: true,
			since: func(t *testing.T, out, _ string, _ []byte) {
				journal := filepath.Join(out, ".layform", "stage", "default.journal")
				data, err := os.ReadFile(journal)
				if err != nil {
					t.Fatal(err)
				}
				old := regexp.MustCompile(`"from":\[[^]]*\]`).ReplaceAll(data, []byte(`"created":true`))
				if string(old) == string(data) {
					t.Fatalf("the journal announces nothing: %s", data)
				}
				if err := os.WriteFile(journal, old, 0o644); err != nil {
					t.Fatal(err)
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := imageWorld(t)
			whole := copyTree(t, w.dir)
			if err := applyWith(t.Context(), whole, false, layout.Options{}, nil); err != nil {
				t.Fatal(err)
			}
			var name string
			err := applyWith(t.Context(), w.dir, false, layout.Options{Fault: func(s layouttest.Step) error {
				switch {
				case name != "":
					return syscall.EIO
				case s.Op == layouttest.OpRename && strings.HasPrefix(s.Name, "blobs/"):
					name = s.Name
					if !tt.named {
						return syscall.EIO
					}
				}
				return nil
			}}, nil)
			if name == "" || !errors.Is(err, syscall.EIO) {
				t.Fatalf("the run did not die: %v", err)
			}
			out := filepath.Join(w.dir, "out")
			blob := filepath.Join(out, name)
			if _, err := os.Stat(blob); tt.named != (err == nil) {
				t.Fatalf("named: %v", err)
			}
			content, err := os.ReadFile(filepath.Join(whole, "out", name))
			if err != nil {
				t.Fatal(err)
			}
			tt.since(t, out, blob, content)
			w.write("app/run", "#!/bin/walk\n")
			w.write("lib/a", "library A")
			w.apply()
			if _, err := os.Stat(blob); tt.stays != (err == nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the blob stays: %v, want %v", err, tt.stays)
			}
			w.accepted()
		})
	}
}
