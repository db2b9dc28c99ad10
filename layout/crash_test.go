//go:build unix

package layout_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/validate"
)

// deed is something that a Store does in several steps.
type deed struct {
	// prepare makes the layout that the deed starts from.
	prepare func(t *testing.T, s *layout.Store)
	do      func(ctx context.Context, s *layout.Store) error
	// steps is how many steps there are at least.
	steps int
}

func deeds() map[string]deed {
	foreign := func(t *testing.T, s *layout.Store) {
		putImage(t, s, "foreign", "foreign")
		if err := applyOnce(t.Context(), s, "old", nil); err != nil {
			t.Fatal(err)
		}
	}
	update := func(ctx context.Context, s *layout.Store) error { return applyOnce(ctx, s, "new", digestsOf("old")) }
	return map[string]deed{
		"init":        {do: initOnce, steps: 15},
		"first apply": {do: update, steps: 40},
		"update":      {prepare: foreign, do: update, steps: 40},
		"pull":        {prepare: foreign, do: pullOnce, steps: 20},
		"destroy":     {prepare: foreign, do: destroyOnce, steps: 15},
		"gc": {prepare: func(t *testing.T, s *layout.Store) {
			foreign(t, s)
			setTag(t, s, putArtifact(t, s, putIndex(t, s, putImage(t, s, "nested", "gone").manifest)), "")
			putIndex(t, s, putImage(t, s, "junk", "gone").manifest)
			if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error { x.Remove("gone"); return nil }); err != nil {
				t.Fatal(err)
			}
		}, do: collectOnce, steps: 10},
	}
}

func initOnce(ctx context.Context, s *layout.Store) error {
	unlock, err := s.Lock(ctx, layout.Holder{Operation: "init"}, 0)
	if err != nil {
		return err
	}
	return errors.Join(s.Init(ctx), unlock())
}

func collectOnce(ctx context.Context, s *layout.Store) error {
	_, err := s.GC(ctx, layout.GCOptions{MinAge: -1})
	return err
}

func destroyOnce(ctx context.Context, s *layout.Store) (err error) {
	unlock, err := s.Lock(ctx, layout.Holder{Operation: "destroy"}, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := s.SaveState("stage/x.json", []byte("pending nothing")); err != nil {
		return err
	}
	if _, _, err := s.Swap(ctx, func(x *layout.Index) error { x.Remove("latest"); return nil }); err != nil {
		return err
	}
	if _, err := s.Sweep(ctx, digestsOf("old"), nil); err != nil {
		return err
	}
	return s.RemoveState("stage/x.json")
}

// The steps of a run, in the order of a real apply: blobs, the state before the
// commit, the commit, the state after it, the sweep of what it replaced.
func applyOnce(ctx context.Context, s *layout.Store, seed string, replaced []digest.Digest) (err error) {
	unlock, err := s.Lock(ctx, layout.Holder{Operation: "apply"}, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := s.Init(ctx); err != nil {
		return err
	}
	docs := imageDocuments(seed)
	journal, err := s.AppendState("stage/x.journal")
	if err != nil {
		return err
	}
	defer journal.Close()
	for _, doc := range docs {
		announce := func(d ocispec.Descriptor, _ *layout.FileID) (func() error, error) {
			if _, err := journal.Write([]byte(d.Digest + "\n")); err != nil {
				return nil, err
			}
			return journal.Sync()
		}
		if _, _, err := s.PutBytes(ctx, "x", doc, announce); err != nil {
			return err
		}
	}
	if err := s.SyncBlobs(ctx); err != nil {
		return err
	}
	if err := s.SaveState("stage/x.json", []byte("pending "+seed)); err != nil {
		return err
	}
	desc := imageDescriptor(docs[2])
	if _, _, err := s.Swap(ctx, func(x *layout.Index) error { return x.Set(desc) }); err != nil {
		return err
	}
	if err := s.SaveState("stage/x.json", []byte("done "+seed)); err != nil {
		return err
	}
	if _, err = s.Sweep(ctx, replaced, nil); err != nil {
		return err
	}
	return s.RemoveState("stage/x.journal")
}

// pullOnce has the steps of a copy into the layout: all blobs in a batch, and the swap.
func pullOnce(ctx context.Context, s *layout.Store) error {
	docs := imageDocuments("pulled")
	batch := s.Batch()
	var errs []error
	for _, doc := range docs {
		desc := ocispec.Descriptor{Digest: digest.FromBytes(doc), Size: int64(len(doc))}
		errs = append(errs, batch.Put(ctx, desc, func(in *layout.Ingest) error {
			_, err := in.Write(doc)
			return err
		}))
	}
	if err := errors.Join(append(errs, batch.Flush(ctx))...); err != nil {
		return err
	}
	if err := s.SyncBlobs(ctx); err != nil {
		return err
	}
	desc := imageDescriptor(docs[2])
	_, _, err := s.Swap(ctx, func(x *layout.Index) error { return x.Set(desc) })
	return err
}

func imageDescriptor(manifest []byte) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest)),
		Annotations: map[string]string{ocispec.AnnotationRefName: "latest"},
	}
}

// imageDocuments are the layer, config and manifest of an image.
func imageDocuments(seed string) [3][]byte {
	layer, config := []byte("layer "+seed), []byte("config "+seed)
	m := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    ocispec.Descriptor{MediaType: "application/vnd.example.config", Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    []ocispec.Descriptor{{MediaType: "application/vnd.example.layer", Digest: digest.FromBytes(layer), Size: int64(len(layer))}},
	}
	m.SchemaVersion = 2
	data, err := jsondoc.Encode(m)
	if err != nil {
		panic(err) // the same value every time
	}
	return [3][]byte{layer, config, data}
}

func digestsOf(seed string) []digest.Digest {
	var out []digest.Digest
	for _, doc := range imageDocuments(seed) {
		out = append(out, digest.FromBytes(doc))
	}
	return out
}

// injection makes the step of a number fail in one way.
type injection struct {
	name string
	err  error
	// onwards makes all later steps fail as well.
	onwards bool
	// torn writes half of a write first; kill kills the process.
	torn, kill bool
}

func injections() []injection {
	return []injection{
		{name: "no space", err: syscall.ENOSPC, torn: true},
		{name: "no space from then on", err: syscall.ENOSPC, onwards: true},
		{name: "input/output error", err: syscall.EIO},
		{name: "input/output error from then on", err: syscall.EIO, onwards: true, torn: true},
		{name: "quota", err: syscall.EDQUOT},
		{name: "quota from then on", err: syscall.EDQUOT, onwards: true, torn: true},
		{name: "no access", err: syscall.EACCES},
		{name: "no access from then on", err: syscall.EACCES, onwards: true},
		{name: "read-only", err: syscall.EROFS},
		{name: "read-only from then on", err: syscall.EROFS, onwards: true},
		{name: "no more files", err: syscall.EMFILE},
		{name: "no more files from then on", err: syscall.EMFILE, onwards: true},
		{name: "no more files in the system", err: syscall.ENFILE},
		{name: "killed", kill: true},
		{name: "killed in a torn write", kill: true, torn: true},
	}
}

// at is the fault function that strikes at step n; count is how many were seen.
func (i injection) at(n int, count *int) func(disk.Step) error {
	die := func() {
		if i.kill {
			syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		}
	}
	var mu sync.Mutex // a batch syncs several files at a time
	return func(step disk.Step) error {
		mu.Lock()
		defer mu.Unlock()
		*count++
		if *count != n && !(i.onwards && *count > n) {
			return nil
		}
		if i.torn && step.Op == disk.OpWrite {
			err := i.err
			if err == nil {
				err = errors.New("killed")
			}
			return &disk.TornWrite{Err: err, Then: die}
		}
		die()
		return i.err
	}
}

// crash is the part of a process that is killed at a step of a deed.
func crash(dir string, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	i := injection{kill: true, torn: args[2] == "true"}
	count := 0
	s, err := layout.Open(dir, layout.Options{NoSync: true, Fault: i.at(n, &count)})
	if err != nil {
		return err
	}
	defer s.Close()
	return deeds()[args[0]].do(context.Background(), s)
}

// TestFaultAtEveryStep lets each step of each deed fail in each way. Afterwards
// the layout is valid and holds the index of before or after, what is foreign is
// as it was, and one more run reaches the same state as a run without faults,
// with nothing left behind. A run that reports success has reached it already.
func TestFaultAtEveryStep(t *testing.T) {
	for name, deed := range deeds() {
		prepare := func(t *testing.T) string {
			t.Helper()
			dir := filepath.Join(scratch(t), "layout")
			if deed.prepare != nil {
				s, err := layout.Open(dir, layout.Options{NoSync: true})
				if err != nil {
					t.Fatal(err)
				}
				deed.prepare(t, s)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			return dir
		}
		reference := prepare(t)
		before := indexDigest(t, reference)
		steps := 0
		counting := injection{}.at(-1, &steps)
		if err := deed.do(t.Context(), open(t, reference, layout.Options{NoSync: true, Fault: counting})); err != nil {
			t.Fatal(err)
		}
		c := crashCheck{name: name, deed: deed, before: before, after: indexDigest(t, reference), want: snapshot(t, reference)}
		if steps < deed.steps {
			t.Errorf("%s: only %d steps go through the seam", name, steps)
		}
		t.Logf("%s: %d steps, each with %d faults", name, steps, len(injections()))
		for _, i := range injections() {
			t.Run(name+"/"+i.name, func(t *testing.T) {
				stride := 1
				if testing.Short() {
					stride = 5
				}
				for n := 1; n <= steps; n += stride {
					c.check(t, prepare(t), i, n)
				}
			})
		}
	}
}

// scratch is an empty directory, in memory where the system has such a place:
// thousands of tries need not wait for a disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "layform")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func indexDigest(t *testing.T, dir string) digest.Digest {
	t.Helper()
	x, err := inspect(t, dir).Index(t.Context())
	if err != nil {
		t.Fatalf("the index cannot be read: %v", err)
	}
	return x.Digest()
}

// crashCheck is what must be so after a fault.
type crashCheck struct {
	name          string
	deed          deed
	before, after digest.Digest
	want          map[string]string
}

func (c crashCheck) check(t *testing.T, dir string, i injection, n int) {
	t.Helper()
	err := c.strike(t, dir, i, n)
	where := fmt.Sprintf("step %d", n)
	s := inspect(t, dir)
	if s.Initialised() {
		if found := findings(t, s, validate.Options{}); len(found) > 0 {
			t.Errorf("%s: %+v", where, found)
		}
	} else if c.deed.prepare != nil || err == nil {
		t.Errorf("%s: no layout any more, with error %v", where, err)
	}
	if is := indexDigest(t, dir); is != c.before && is != c.after {
		t.Errorf("%s: the index is neither that of before nor that of after", where)
	}
	if err == nil {
		if diff := cmp.Diff(c.want, snapshot(t, dir)); diff != "" {
			t.Errorf("%s: success, and yet: %s", where, diff)
		}
	}
	if err := c.deed.do(t.Context(), open(t, dir, layout.Options{NoSync: true})); err != nil {
		t.Errorf("%s: the next run: %v", where, err)
	}
	if diff := cmp.Diff(c.want, snapshot(t, dir)); diff != "" {
		t.Errorf("%s: after the next run: %s", where, diff)
	}
}

// strike does the deed with a fault, in a process of its own when it is killed.
func (c crashCheck) strike(t *testing.T, dir string, i injection, n int) error {
	t.Helper()
	if !i.kill {
		count := 0
		s, err := layout.Open(dir, layout.Options{NoSync: true, Fault: i.at(n, &count)})
		if err != nil {
			return err
		}
		defer s.Close()
		return c.deed.do(t.Context(), s)
	}
	cmd := startProcess(t, "crash", dir, c.name, strconv.Itoa(n), strconv.FormatBool(i.torn))
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && strings.Contains(exit.String(), "killed")) {
		t.Errorf("step %d: %v", n, err)
	}
	return err
}
