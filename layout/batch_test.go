//go:build unix

package layout_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/internal/disk"
)

// steps logs what a Store does to blobs and their temporary files, and may prevent one
// of the syncs.
type steps struct {
	mu     sync.Mutex
	synced map[string]bool
	named  int
	// early are the blobs that got their names while one of the batch was not durable.
	early []string
	// size is the number of blobs of the batch, and fail the sync that does not work.
	size, fail int
}

func (s *steps) step(step disk.Step) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case step.Op == disk.OpSync && strings.Contains(step.Name, "ingest/blob-"):
		if s.synced[step.Name] = true; len(s.synced) == s.fail {
			return syscall.EIO
		}
	case step.Op == disk.OpRename && strings.HasPrefix(step.Name, "blobs/"):
		if s.named++; len(s.synced) < s.size {
			s.early = append(s.early, step.Name)
		}
	}
	return nil
}

// putBatch puts n blobs, each with its number, and returns their descriptors.
func putBatch(t *testing.T, b *layout.Batch, n int) (descs []ocispec.Descriptor) {
	t.Helper()
	for i := range n {
		data := []byte(fmt.Sprintf("blob %d", i))
		desc := ocispec.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}
		err := b.Put(t.Context(), desc, func(in *layout.Ingest) error { _, err := in.Write(data); return err })
		if err != nil {
			t.Fatal(err)
		}
		descs = append(descs, desc)
	}
	return descs
}

// count is the number of blobs that show.
func count(t *testing.T, s *layout.Store, descs []ocispec.Descriptor) (n int) {
	t.Helper()
	for _, desc := range descs {
		if there, err := s.Exists(t.Context(), desc); err != nil {
			t.Fatal(err)
		} else if there {
			n++
		}
	}
	return n
}

// TestBatch: no blob of a batch shows before all of it is durable, and one that cannot
// be made durable never does.
func TestBatch(t *testing.T) {
	const n = 20
	for _, fail := range []int{0, 1, n / 2, n} {
		seen := &steps{synced: map[string]bool{}, size: n, fail: fail}
		s := open(t, t.TempDir(), layout.Options{NoSync: true, Fault: seen.step})
		b := s.Batch()
		descs := putBatch(t, b, n)
		if got := count(t, s, descs); got != 0 || len(seen.synced) != 0 {
			t.Errorf("%d blobs show, and %d are synced, before the batch ends", got, len(seen.synced))
		}
		err := b.Flush(t.Context())
		want := n
		if fail > 0 {
			want--
		}
		if (err != nil) != (fail > 0) || count(t, s, descs) != want || len(seen.early) > 0 {
			t.Errorf("sync %d fails: %d blobs, too early %v, error %v", fail, count(t, s, descs), seen.early, err)
		}
		if left, err := filepath.Glob(filepath.Join(s.Dir(), ".layform", "ingest", "*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		if err := b.Flush(t.Context()); err != nil {
			t.Errorf("a batch that is empty: %v", err)
		}
	}
}

// TestBatchBounds: what waits for a flush is bounded in number and in bytes.
func TestBatchBounds(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	b := s.Batch()
	if descs := putBatch(t, b, 100); count(t, s, descs) != 64 {
		t.Errorf("%d of 100 blobs show", count(t, s, descs))
	}
	big := bytes.Repeat([]byte("x"), 8<<20)
	desc := ocispec.Descriptor{Digest: digest.FromBytes(big), Size: int64(len(big))}
	if err := b.Put(t.Context(), desc, func(in *layout.Ingest) error { _, err := in.Write(big); return err }); err != nil {
		t.Fatal(err)
	}
	if count(t, s, []ocispec.Descriptor{desc}) != 1 {
		t.Error("a big blob waits")
	}
}

// TestBatchOfWrongContent: content that is not what its descriptor says is an error, and
// the rest of the batch is as it would be without.
func TestBatchOfWrongContent(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	b := s.Batch()
	descs := putBatch(t, b, 3)
	wrong := ocispec.Descriptor{Digest: digest.FromString("right"), Size: 5}
	err := b.Put(t.Context(), wrong, func(in *layout.Ingest) error { _, err := in.Write([]byte("wrong")); return err })
	if err == nil || !strings.Contains(err.Error(), string(wrong.Digest)) {
		t.Errorf("wrong content: %v", err)
	}
	if err := b.Flush(t.Context()); err != nil || count(t, s, descs) != 3 || count(t, s, []ocispec.Descriptor{wrong}) != 0 {
		t.Errorf("%d blobs, error %v", count(t, s, descs), err)
	}
}
