//go:build unix

package stage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// An announced blob is its writer's only as the file that was announced.
func TestAnnounce(t *testing.T) {
	s := open(t, t.TempDir())
	want := desc("content")
	blob := filepath.Join(s.Dir(), "blobs", "sha256", want.Digest.Encoded())
	check := func(when string, created bool) {
		t.Helper()
		records, err := stage.Journalled(s, "web")
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 1 || records[0].Key != "layer.a" || len(records[0].From) != 1 || records[0].Created != created {
			t.Errorf("%s: %+v, want one record from one file with created %v", when, records, created)
		}
	}
	in, err := s.Ingest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	j, err := stage.OpenJournal(s, "web")
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = in.CommitAfter(t.Context(), func(_ ocispec.Descriptor, file *layout.FileID) (func() error, error) {
		if file == nil {
			t.Skip("the system does not tell files apart")
		}
		// What the caller hopes does not count.
		durable, err := j.Announce(stage.Record{Key: "layer.a", Descriptor: want, Created: true}, file)
		if err == nil {
			check("announced", false)
		}
		return durable, err
	})
	if err := errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
	check("committed", true)
	info, err := os.Stat(blob)
	if err != nil {
		t.Fatal(err)
	}
	touch := func(name string, at time.Time) {
		t.Helper()
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	touch(blob, info.ModTime().Add(time.Second))
	check("with the number of the announced file, but written later", false)
	touch(blob, info.ModTime())
	check("as it was", true)
	// A copy made by somebody else, who keeps the times.
	if err := os.WriteFile(blob+".copy", []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	touch(blob+".copy", info.ModTime())
	if err := os.Rename(blob+".copy", blob); err != nil {
		t.Fatal(err)
	}
	check("replaced by a copy", false)
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	check("removed", false)
}
