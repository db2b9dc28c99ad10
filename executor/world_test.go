//go:build unix

package executor_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// world is a spec's directory with its layout.
type world struct {
	t   *testing.T
	dir string
	// load are further options of every Load.
	load spec.LoadOptions
	// store are the options of every Open.
	store layout.Options
	epoch *int64
}

func newWorld(t *testing.T, files map[string]string) *world {
	w := &world{t: t, dir: t.TempDir()}
	for name, text := range files {
		w.write(name, text)
	}
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() *layout.Store {
	w.t.Helper()
	store, err := layout.Open(filepath.Join(w.dir, "out"), w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = store.Close() })
	return store
}

func (w *world) tryPlan(opts planner.Options) (*planner.Plan, error) {
	w.t.Helper()
	made, err := w.result(opts)
	if err != nil {
		return nil, err
	}
	return made.Plan, nil
}

// result is a plan with all that it was made from.
func (w *world) result(opts planner.Options) (*planner.Result, error) {
	w.t.Helper()
	sp, diags := spec.Load(w.dir, w.load)
	if diags.HasErrors() {
		return nil, diags
	}
	return planner.New(w.t.Context(), sp, w.open(), planner.RefreshOptions{Plan: opts, Epoch: w.epoch})
}

func (w *world) plan(opts planner.Options) *planner.Plan {
	w.t.Helper()
	p, err := w.tryPlan(opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) tryApply(p *planner.Plan) (*executor.Result, error) {
	w.t.Helper()
	return executor.Apply(w.t.Context(), w.open(), p, executor.Options{Dir: w.dir, Environ: w.load.Environ, Arguments: w.load.Arguments})
}

// apply plans and applies, and checks that another tool takes the layout.
func (w *world) apply() *executor.Result {
	w.t.Helper()
	return w.carryOut(w.plan(planner.Options{}))
}

func (w *world) carryOut(p *planner.Plan) *executor.Result {
	w.t.Helper()
	result, err := w.tryApply(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// accepted checks the layout with go-containerregistry, diffIDs included.
func (w *world) accepted() {
	w.t.Helper()
	x, err := ggcr.ImageIndexFromPath(filepath.Join(w.dir, "out"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := validate.Index(x); err != nil {
		w.t.Errorf("go-containerregistry refuses the layout: %v", err)
	}
}

// file is all that may change of a file.
type file struct {
	Name   string
	Mode   fs.FileMode
	Size   int64
	Inode  uint64
	Mtime  int64
	Digest digest.Digest
}

// snapshot lists the files of the layout; private ones too when ours is set.
func (w *world) snapshot(ours bool) map[string]file {
	w.t.Helper()
	out := map[string]file{}
	root := filepath.Join(w.dir, "out")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == root {
			return nil
		}
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name == ".layform" && !ours {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out[name] = file{name, info.Mode(), info.Size(), info.Sys().(*syscall.Stat_t).Ino, info.ModTime().UnixNano(), digest.FromBytes(data)}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// actions are the changes of a plan, "action address" each.
func actions(p *planner.Plan) []string {
	var out []string
	for _, c := range p.Changes {
		if c.Action != planner.NoOp {
			out = append(out, string(c.Action)+" "+c.Key())
		}
	}
	return out
}

const image = `
layout { path = "out" }
layer "lib" {
  copy {
    from = "lib"
    to   = "/lib"
  }
}
layer "app" {
  created_by = "app"
  copy {
    from = "app"
    to   = "/srv"
  }
}
config "app" {
  platform = "linux/amd64"
  cmd      = ["/srv/run"]
  labels   = { stage = "test" }
}
manifest "app" {
  config = config.app
  layers = [layer.lib, layer.app]
}
index "app" {
  manifests = [manifest.app]
  tags      = ["latest", "v1"]
}
output "digest" { value = index.app.digest }
`

func imageWorld(t *testing.T) *world {
	return newWorld(t, map[string]string{
		"layform.hcl": image,
		"lib/a":       "library a",
		"lib/b":       "library b",
		"app/run":     "#!/bin/run\n",
		"app/conf/x":  "x = 1\n",
	})
}
