//go:build unix

package executor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// The environment of a child process that dies at a given step of an apply.
const (
	envDir     = "LAYFORM_TEST_DIR"
	envStep    = "LAYFORM_TEST_STEP"
	envDestroy = "LAYFORM_TEST_DESTROY"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		os.Exit(dieWhileApplying(dir))
	}
	os.Exit(m.Run())
}

// dieWhileApplying is the child process.
func dieWhileApplying(dir string) int {
	at, err := strconv.Atoi(os.Getenv(envStep))
	if err != nil {
		return 3
	}
	steps := counter{at: at, then: func(layouttest.Step) error {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}}
	if err := applyWith(context.Background(), dir, os.Getenv(envDestroy) != "", layout.Options{Fault: steps.step}, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// applyWith plans and applies the spec of dir.
func applyWith(ctx context.Context, dir string, destroy bool, opts layout.Options, result *executor.Result) error {
	sp, diags := spec.Load(dir, spec.LoadOptions{})
	if diags.HasErrors() {
		return diags
	}
	store, err := layout.Open(filepath.Join(dir, "out"), opts)
	if err != nil {
		return err
	}
	defer store.Close()
	planOptions := planner.Options{Destroy: destroy}
	made, err := planner.New(ctx, sp, store, planner.RefreshOptions{Plan: planOptions})
	if err != nil {
		return err
	}
	got, err := executor.Apply(ctx, store, made.Plan, executor.Options{Dir: dir, Parallelism: 1, Planned: made})
	if result != nil && got != nil {
		*result = *got
	}
	return err
}

// counter counts the steps of a store and does something at one of them.
type counter struct {
	mu   sync.Mutex
	n    int
	at   int
	then func(layouttest.Step) error
	hit  layouttest.Step
}

func (c *counter) step(s layouttest.Step) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if c.n < c.at || c.then == nil {
		return nil
	}
	if c.n == c.at {
		c.hit = s
	}
	return c.then(s)
}

// scene is one command on one state of a layout.
type scene struct {
	name    string
	destroy bool
	// start is the directory that every try begins with a copy of.
	start string
	// want are the files of the layout after an undisturbed run.
	want map[string]digest.Digest
	// old and new are the digests of index.json before and after.
	old, new digest.Digest
	// bare is set when there is no layout at the start, empty the digest of the
	// index.json that a layout begins with.
	bare  bool
	empty digest.Digest
	// steps is the number of steps of an undisturbed run; every stride-th is tried.
	steps, stride int
}

const foreignManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/x","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}]}`

// scenes prepares an apply that makes the layout, a first apply beside a foreign
// image, an update and a destroy.
func scenes(t *testing.T) []*scene {
	nothing, first := imageWorld(t), imageWorld(t)
	store := first.open()
	ctx := t.Context()
	if err := store.Init(ctx); err != nil {
		t.Fatal(err)
	}
	empty := indexOf(t, first.dir)
	if _, _, err := store.PutBytes(ctx, ocispec.MediaTypeEmptyJSON, []byte("{}"), nil); err != nil {
		t.Fatal(err)
	}
	desc, _, err := store.PutBytes(ctx, ocispec.MediaTypeImageManifest, []byte(foreignManifest), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Tag(ctx, desc, "foreign"); err != nil {
		t.Fatal(err)
	}
	applied := copyTree(t, first.dir)
	if err := applyWith(ctx, applied, false, layout.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	changed := copyTree(t, applied)
	if err := os.WriteFile(filepath.Join(changed, "app", "conf", "x"), []byte("x = 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	list := []*scene{
		// Steps that the first apply has, too, need not all be tried again.
		{name: "new layout", start: nothing.dir, bare: true, empty: empty, stride: 11},
		{name: "first apply", start: first.dir},
		{name: "update", start: changed},
		{name: "destroy", start: applied, destroy: true},
	}
	for _, s := range list {
		dir := copyTree(t, s.start)
		s.old = indexOf(t, dir)
		var steps counter
		if err := applyWith(ctx, dir, s.destroy, layout.Options{Fault: steps.step}, nil); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		s.steps, s.want, s.new = steps.n, contentsOf(t, dir), indexOf(t, dir)
		if s.stride = max(1, s.stride); testing.Short() {
			s.stride = 7
		}
	}
	return list
}

func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := scratch(t)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
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

func indexOf(t *testing.T, dir string) digest.Digest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "out", "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return digest.FromBytes(data)
}

// contentsOf lists all files of the layout but the lock, whose content names its
// holders, and the staging state, whose serial counts tries.
func contentsOf(t *testing.T, dir string) map[string]digest.Digest {
	t.Helper()
	w := &world{t: t, dir: dir}
	out := map[string]digest.Digest{}
	for name, f := range w.snapshot(true) {
		switch {
		case name == ".layform/lock":
		case strings.HasPrefix(name, ".layform/stage/") && strings.HasSuffix(name, ".json"):
			out[name] = ""
		default:
			out[name] = f.Digest
		}
	}
	return out
}

// survived checks a layout after a try, runs the command once more without
// faults, and checks that nothing is left to be desired.
func (s *scene) survived(t *testing.T, dir, where string) {
	t.Helper()
	ctx := t.Context()
	if now := indexOf(t, dir); now != s.old && now != s.new && !(s.bare && now == s.empty) {
		t.Errorf("%s: index.json is neither the old nor the new one", where)
	}
	store, err := layout.Open(filepath.Join(dir, "out"), layout.Options{})
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	defer store.Close()
	for f, err := range validate.Layout(ctx, store.Reader, validate.Options{}) {
		if s.bare && !store.Initialised() {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		if f.Severity == validate.Must {
			t.Errorf("%s: the layout is invalid: %+v", where, f)
		}
	}
	if d, err := store.Resolve(ctx, "foreign"); !s.bare && (err != nil || d.Digest != digest.FromString(foreignManifest)) {
		t.Errorf("%s: the foreign entry is lost: %v", where, err)
	}
	finished, err := stage.Journalled(store, "default")
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	done := map[string]bool{}
	for _, r := range finished {
		if r.Fingerprint != "" && strings.HasPrefix(r.Key, "layer.") {
			done[r.Key] = true
		}
	}
	var result executor.Result
	if err := applyWith(ctx, dir, s.destroy, layout.Options{}, &result); err != nil {
		t.Fatalf("%s: the command fails when it is run again: %v", where, err)
	}
	if most := 2 - len(done); !s.destroy && result.Layers.Built > most {
		t.Errorf("%s: %d layers were built again, at most %d were not finished", where, result.Layers.Built, most)
	}
	if diff := cmp.Diff(s.want, contentsOf(t, dir)); diff != "" {
		t.Errorf("%s: after running again (-want +got):\n%s", where, diff)
	}
}

func TestKilledAtEveryStep(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenes(t) {
		t.Run(s.name, func(t *testing.T) {
			for n := 1; n <= s.steps; n += s.stride {
				dir := copyTree(t, s.start)
				cmd := exec.Command(self)
				cmd.Env = append(os.Environ(), envDir+"="+dir, envStep+"="+strconv.Itoa(n))
				if s.destroy {
					cmd.Env = append(cmd.Env, envDestroy+"=1")
				}
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("step %d: the process was not killed: %v\n%s", n, err, out)
				}
				s.survived(t, dir, fmt.Sprintf("killed at step %d of %d", n, s.steps))
				_ = os.RemoveAll(dir)
			}
			t.Logf("%d of %d points", (s.steps+s.stride-1)/s.stride, s.steps)
		})
	}
}

func TestFaultAtEveryStep(t *testing.T) {
	always := func(err error) func(layouttest.Step) error {
		return func(layouttest.Step) error { return err }
	}
	once := func(err error) func(layouttest.Step) error {
		hit := false
		return func(layouttest.Step) error {
			if hit {
				return nil
			}
			hit = true
			return err
		}
	}
	faults := []struct {
		name string
		make func() func(layouttest.Step) error
	}{
		{"disk full", func() func(layouttest.Step) error { return always(syscall.ENOSPC) }},
		{"I/O error, once", func() func(layouttest.Step) error { return once(syscall.EIO) }},
		{"permission", func() func(layouttest.Step) error { return always(syscall.EACCES) }},
		{"torn write", func() func(layouttest.Step) error {
			return func(s layouttest.Step) error {
				if s.Op == layouttest.OpWrite {
					return &layouttest.TornWrite{Err: syscall.EIO}
				}
				return syscall.EIO
			}
		}},
	}
	for _, s := range scenes(t) {
		for _, fault := range faults {
			t.Run(s.name+"/"+fault.name, func(t *testing.T) {
				for n := 1; n <= s.steps; n += s.stride {
					dir := copyTree(t, s.start)
					steps := counter{at: n, then: fault.make()}
					err := applyWith(t.Context(), dir, s.destroy, layout.Options{Fault: steps.step}, nil)
					where := fmt.Sprintf("fault at step %d of %d (%s %s)", n, s.steps, steps.hit.Op, steps.hit.Name)
					if err == nil {
						if diff := cmp.Diff(s.want, contentsOf(t, dir)); diff != "" {
							t.Errorf("%s: success with an incomplete result (-want +got):\n%s", where, diff)
						}
					}
					s.survived(t, dir, where)
					_ = os.RemoveAll(dir)
				}
			})
		}
	}
}
