//go:build unix

package executor_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

func TestStalePlans(t *testing.T) {
	for _, tt := range []struct {
		name string
		move func(*world)
	}{
		{"a copied file", func(w *world) { w.write("app/run", "#!/bin/walk\n") }},
		{"a file of a layer that stays", func(w *world) { w.write("lib/a", "library A") }},
		{"a new file in a copied tree", func(w *world) { w.write("app/more", "") }},
		{"the layout", func(w *world) {
			store := w.open()
			desc, _, err := store.PutBytes(w.t.Context(), ocispec.MediaTypeImageManifest, []byte(`{"schemaVersion":2}`), nil)
			if err != nil {
				w.t.Fatal(err)
			}
			if err := store.Tag(w.t.Context(), desc, "other"); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"the staging state", func(w *world) {
			w.write("layform.hcl", strings.Replace(image, `"/srv/run"`, `"/srv/fly"`, 1))
			w.apply()
		}},
		{"a file that a function reads", func(w *world) { w.write("label", "later") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := imageWorld(t)
			w.apply()
			w.write("label", "now")
			w.write("layform.hcl", strings.Replace(image, `"test"`, `file("label")`, 1))
			w.write("app/conf/x", "x = 2\n")
			data, err := planner.Encode(w.plan(planner.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			tt.move(w)
			before := w.snapshot(true)
			p, err := planner.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			_, err = executor.Apply(t.Context(), w.open(), p, executor.Options{Dir: w.dir})
			var stale *planner.StaleError
			if !errors.As(err, &stale) {
				t.Fatalf("got %v, want a stale plan", err)
			}
			if diff := cmp.Diff(before, w.snapshot(true)); diff != "" {
				t.Errorf("the refusal left traces (-before +after):\n%s", diff)
			}
		})
	}
}

func TestSavedPlanNeedsNoSpecFile(t *testing.T) {
	w := imageWorld(t)
	data, err := planner.Encode(w.plan(planner.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(w.dir, "layform.hcl")); err != nil {
		t.Fatal(err)
	}
	p, err := planner.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := planner.Encode(p)
	if err != nil || string(again) != string(data) {
		t.Errorf("the plan does not survive being read and written: %v", err)
	}
	w.carryOut(p)
	w.accepted()
}

func TestSensitiveValuesStayOutOfPlanAndStage(t *testing.T) {
	w := newWorld(t, map[string]string{"layform.hcl": `
layout { path = "out" }
variable "token" {
  type      = string
  sensitive = true
}
config "c" {
  platform = "linux/amd64"
  env      = { TOKEN = var.token }
}
layer "l" {
  file "/l" { content = "l" }
}
manifest "m" {
  config = config.c
  layers = [layer.l]
  tags   = ["m"]
}
`})
	w.load.Arguments = []spec.Argument{{Assignment: spec.Assignment{Name: "token", Text: "hunter2", Origin: "--var"}}}
	p := w.plan(planner.Options{})
	data, err := planner.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	w.carryOut(p)
	stageFile, err := os.ReadFile(filepath.Join(w.dir, "out", ".layform", "stage", "default.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"plan": string(data), "stage": string(stageFile)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the %s holds the secret: %s", name, text)
		}
	}
	w.load.Arguments[0].Text = "hunter3"
	p = w.plan(planner.Options{})
	if diff := cmp.Diff([]string{"update config.c", "update manifest.m"}, actions(p)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	w.load.Arguments[0].Text = "hunter4"
	if _, err := w.tryApply(p); err == nil {
		t.Error("another value than the planned one was taken")
	}
}
