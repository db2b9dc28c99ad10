//go:build unix

package executor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// canary is the sensitive value.
const canary = "canary4711"

// canarySpec sets one attribute of one block: %s stand for the lines of the layer,
// its file, its symlink, its copy, the config, the manifest, the index, the output.
const canarySpec = `
layout { path = "out" }
variable "s" {
  type      = string
  sensitive = true
}
layer "l" {
  file "/f" {
    %[2]s
  }
  symlink "/s" {
    %[3]s
  }
  copy {
    from = "src"
    to   = "/src"
    %[4]s
  }
  %[1]s
}
layer "b" {
  blob       = "src/a"
  media_type = "a/b"
  %[9]s
}
config "c" {
  platform = "linux/amd64"
  %[5]s
}
manifest "m" {
  config = config.c
  layers = [layer.l]
  tags   = ["m"]
  %[6]s
}
manifest "b" {
  artifact_type = "a/b"
  layers        = [layer.b]
  %[10]s
}
index "x" {
  manifests = [manifest.m]
  tags      = ["x"]
  %[7]s
}
%[8]s
`

// A file with sensitive content that gets another one shows no digest of either.
func TestFormerlySensitiveContentIsWithheld(t *testing.T) {
	sensitive := fmt.Sprintf(canarySpec, "", "content = var.s", `target = "t"`, "", "", "", "", "", "", "")
	w := newWorld(t, map[string]string{"src/a": "a", "layform.hcl": sensitive})
	w.load.Arguments = []spec.Argument{{Assignment: spec.Assignment{Name: "s", Text: canary, Origin: "--var"}}}
	w.apply()
	w.write("layform.hcl", strings.Replace(sensitive, "content = var.s", `content = "plain"`, 1))
	p := w.plan(planner.Options{})
	data, err := planner.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"/f"`) || strings.Contains(string(data), digest.FromString(canary).Encoded()) {
		t.Errorf("the plan shows no change of the file, or the digest of what it was: %s", data)
	}
	w.carryOut(p)
	w.write("layform.hcl", strings.Replace(sensitive, "content = var.s", `content = "plainer"`, 1))
	if data, err = planner.Encode(w.plan(planner.Options{})); err != nil || !strings.Contains(string(data), digest.FromString("plain").Encoded()) {
		t.Errorf("of a file that is not sensitive any more, the plan shows no digest: %v", err)
	}
}

// Equal values are sealed differently in two layouts, and another value is still
// a change.
func TestSensitiveValuesAreSalted(t *testing.T) {
	states := map[string]int{}
	for round := range 2 {
		w := newWorld(t, map[string]string{"src/a": "a", "layform.hcl": fmt.Sprintf(canarySpec, "", `content = "f"`, `target = "t"`, "",
			`env = { A = var.s }`, `descriptor_annotations = { a = var.s }`, "", "output \"o\" {\n value = var.s\n sensitive = true\n}", "", "")})
		w.load.Arguments = []spec.Argument{{Assignment: spec.Assignment{Name: "s", Text: canary, Origin: "--var"}}}
		w.apply()
		data, err := os.ReadFile(filepath.Join(w.dir, "out/.layform/stage/default.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, seal := range regexp.MustCompile(`hmac-sha256:[0-9a-f]{64}`).FindAllString(string(data), -1) {
			if seen, ok := states[seal]; ok && seen != round {
				t.Errorf("%s stands in two states", seal)
			}
			states[seal] = round
		}
		if n := strings.Count(string(data), "hmac-sha256:"); n < 4 {
			t.Errorf("the state holds %d sealed values, want those of a field, a descriptor, an entry and an output", n)
		}
		w.load.Arguments[0].Text = "another"
		p := w.plan(planner.Options{})
		if len(p.Outputs) != 1 || p.Outputs[0].Action != planner.Update || !slices.Contains(actions(p), "update config.c") {
			t.Errorf("another value gives %v, %v", actions(p), p.Outputs)
		}
		// An entry that somebody edits is drift although the state only knows a seal of it.
		w.load.Arguments[0].Text = canary
		index := filepath.Join(w.dir, "out/index.json")
		if data, err = os.ReadFile(index); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(index, []byte(strings.Replace(string(data), canary, "edited", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if p := w.plan(planner.Options{}); len(p.Drift) != 1 || p.Drift[0].Kind != planner.DriftTagEdited {
			t.Errorf("an edited entry gives the drift %v", p.Drift)
		}
	}
}
