//go:build unix

package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registry"
)

// roleVariable tells a process of the test what it is: a role and its arguments.
const roleVariable = "LAYFORM_REGISTRY_TEST"

func TestMain(m *testing.M) {
	role, args, _ := strings.Cut(os.Getenv(roleVariable), " ")
	var err error
	switch role {
	case "":
		os.Exit(m.Run())
	case "crash":
		err = crash(strings.Fields(args))
	case "tag":
		err = tagMany(strings.Fields(args))
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startProcess is a process of a role.
func startProcess(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleVariable+"="+strings.Join(args, " "))
	cmd.Stderr = os.Stderr
	return cmd
}

// parts is the content of the layer that crashes are tested with.
const parts = "the first part, the second part"

// pushInParts pushes an image whose layer comes in two parts, the second after the
// upload was closed, and moves a tag to it. resume tells the id of an upload to go on
// with, if there is one.
func pushInParts(ctx context.Context, repo *registry.Repository, i image, resume string) (err error) {
	var up *registry.Upload
	if resume != "" {
		up, err = repo.ResumeUpload(ctx, resume)
	} else {
		up, err = repo.StartUpload(ctx)
	}
	for err == nil && up.Size() < int64(len(i.layer)) {
		at := int(up.Size())
		_, err = up.Write([]byte(i.layer[at:min(len(i.layer), max(at+1, 16))]))
		if err = errors.Join(err, up.Close()); err == nil {
			up, err = repo.ResumeUpload(ctx, up.ID())
		}
	}
	if err != nil {
		return err
	}
	if _, err := up.Commit(ctx, blob(i.layer).Digest); err != nil {
		return errors.Join(err, up.Close())
	}
	return i.push(ctx, repo, "latest", "new")
}

// crash pushes, and is killed at a step.
func crash(args []string) error {
	at, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	n := 0
	fault := func(step layouttest.Step) error {
		if n++; n != at {
			return nil
		}
		die := func() { _ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL) }
		if step.Op == layouttest.OpWrite && args[2] == "torn" {
			return &layouttest.TornWrite{Err: errors.New("killed"), Then: die}
		}
		die()
		return nil
	}
	reg, err := registry.Open(args[0], registry.Options{Layout: layout.Options{NoSync: true, Fault: fault}})
	if err != nil {
		return err
	}
	repo, err := reg.Repository("app")
	if err != nil {
		return err
	}
	return pushInParts(context.Background(), repo, crashImage(), "")
}

// crashImage is the image that is pushed when a process is killed.
func crashImage() image { return makeImage("killed", parts) }

// TestKilledAtEveryStep kills a process at each step of a push: of an upload in parts, a
// blob, a manifest with two tags, one of which moves. The layout stays valid, no tag is
// lost, the upload goes on where it was, and the next GC leaves nothing of it behind.
func TestKilledAtEveryStep(t *testing.T) {
	prepare := func() string {
		dir := filepath.Join(scratch(t), "layout")
		repo := repository(t, open(t, dir, registry.Options{Layout: layout.Options{NoSync: true}}), "app")
		newImage(t, "old", nil).mustPush(t, repo, "latest", "old")
		return dir
	}
	var steps []bool // whether each is a write
	count := func(step layouttest.Step) error { steps = append(steps, step.Op == layouttest.OpWrite); return nil }
	reference := prepare()
	if err := pushInParts(t.Context(), repository(t, open(t, reference, registry.Options{Layout: layout.Options{NoSync: true, Fault: count}}), "app"), crashImage(), ""); err != nil {
		t.Fatal(err)
	}
	want := settle(t, reference)
	if len(steps) < 60 {
		t.Fatalf("only %d steps go through the seam", len(steps))
	}
	stride := 1
	if testing.Short() {
		stride = 6
	}
	resumed := 0
	for n := 1; n <= len(steps); n += stride {
		for _, how := range []string{"whole", "torn"} {
			if how == "torn" && !steps[n-1] {
				continue
			}
			dir := prepare()
			cmd := startProcess(t, "crash", dir, strconv.Itoa(n), how)
			cmd.Stderr = nil
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			wantValid(t, dir)
			repo := repository(t, open(t, dir, registry.Options{Layout: layout.Options{NoSync: true}}), "app")
			if names := refNames(t, dir); !slices.Contains(names, "app:latest") || !slices.Contains(names, "app:old") {
				t.Errorf("step %d: index.json has %q", n, names)
			}
			id := pending(t, dir)
			if id != "" {
				resumed++
			}
			if err := pushInParts(t.Context(), repo, crashImage(), id); err != nil {
				t.Errorf("step %d: the next push: %v", n, err)
			}
			if diff := cmp.Diff(want, settle(t, dir)); diff != "" {
				t.Errorf("step %d: after the next push and a GC: %s", n, diff)
			}
		}
	}
	t.Logf("%d steps, %d uploads resumed", len(steps), resumed)
	if resumed == 0 {
		t.Error("no upload was ever resumed")
	}
}

// pending is the id of the upload of the layer that is under way; empty for none.
func pending(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".layform/uploads/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, id, _ := strings.Cut(filepath.Base(name), "-"); strings.HasPrefix(parts, string(data)) {
			return id
		}
	}
	return ""
}

// settle runs a GC a day later, and gives the content of all files that are left.
func settle(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := layout.Open(dir, layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.GC(t.Context(), layout.GCOptions{MinAge: -1, Now: time.Now().Add(25 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() != "uploads" {
			return err
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(name)
		rel, relErr := filepath.Rel(dir, name)
		files[rel] = string(data)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// scratch is an empty directory, in memory where the system has such a place.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "layform")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestFullDisk lets each step of a push fail. What it reports as done is done, and the
// next push ends as one without faults.
func TestFullDisk(t *testing.T) {
	reference := filepath.Join(scratch(t), "layout")
	steps := 0
	push := func(dir, resume string, fault func(layouttest.Step) error) error {
		reg, err := registry.Open(dir, registry.Options{Layout: layout.Options{NoSync: true, Fault: fault}})
		if err != nil {
			return err
		}
		defer reg.Close()
		return pushInParts(t.Context(), repository(t, reg, "app"), crashImage(), resume)
	}
	if err := push(reference, "", func(layouttest.Step) error { steps++; return nil }); err != nil {
		t.Fatal(err)
	}
	want := settle(t, reference)
	stride := 1
	if testing.Short() {
		stride = 4
	}
	for _, onwards := range []bool{false, true} {
		for n := 1; n <= steps; n += stride {
			dir := filepath.Join(scratch(t), "layout")
			at := 0
			err := push(dir, "", func(step layouttest.Step) error {
				if at++; at < n || at > n && !onwards {
					return nil
				}
				if step.Op == layouttest.OpWrite {
					return &layouttest.TornWrite{Err: syscall.ENOSPC}
				}
				return syscall.ENOSPC
			})
			if err == nil {
				if diff := cmp.Diff(want, settle(t, dir)); diff != "" {
					t.Errorf("step %d: success, and yet: %s", n, diff)
				}
			}
			if err := push(dir, pending(t, dir), nil); err != nil {
				t.Errorf("step %d: the next push: %v", n, err)
			}
			if diff := cmp.Diff(want, settle(t, dir)); diff != "" {
				t.Errorf("step %d: %s", n, diff)
			}
		}
	}
}

// tagMany pushes images of its own, each with a tag that all share and one of its own.
func tagMany(args []string) error {
	reg, err := registry.Open(args[0], registry.Options{Layout: layout.Options{NoSync: true}})
	if err != nil {
		return err
	}
	defer reg.Close()
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	errs := make([]error, count)
	for n := range count {
		all.Go(func() {
			repo, err := reg.Repository("team/app" + strconv.Itoa(n%2))
			if err == nil {
				tag := args[1] + "-" + strconv.Itoa(n)
				err = makeImage(tag, "layer "+tag).push(context.Background(), repo, tag, "shared")
			}
			errs[n] = err
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// TestManyProcesses lets processes push to the same repositories at once, and another
// one collect garbage: nobody fails and nothing is lost.
func TestManyProcesses(t *testing.T) {
	dir := t.TempDir()
	const processes, each = 4, 6
	reg := open(t, dir, registry.Options{})
	var running []*exec.Cmd
	for p := range processes {
		cmd := startProcess(t, "tag", dir, "p"+strconv.Itoa(p), strconv.Itoa(each))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	done := make(chan error)
	go func() {
		var errs []error
		for _, cmd := range running {
			errs = append(errs, cmd.Wait())
		}
		done <- errors.Join(errs...)
	}()
	s, err := layout.Open(dir, layout.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for finished := false; !finished; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			finished = true
		case <-time.After(5 * time.Millisecond):
		}
		if s.Initialised() {
			if _, err := s.GC(t.Context(), layout.GCOptions{}); err != nil {
				t.Error(err)
			}
		}
	}
	tags := 0
	for r := range 2 {
		repo := repository(t, reg, "team/app"+strconv.Itoa(r))
		for _, tag := range list(t, repo.Tags(t.Context(), registry.Page{})) {
			tags++
			if _, _, err := repo.ReadManifest(t.Context(), tag); err != nil {
				t.Error(err)
			}
			if tag != "shared" {
				read(t, repo, blob("layer "+tag))
			}
		}
	}
	if want := processes*each + 2; tags != want {
		t.Errorf("%d tags, want %d", tags, want)
	}
	wantValid(t, dir)
}
