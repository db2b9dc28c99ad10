package executor_test

import (
	"fmt"
	"io/fs"
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

// canary is the sensitive value, and canaryDigest what it could be guessed by.
const canary = "canary4711"

var canaryDigest = digest.FromString(`"` + canary + `"`).Encoded()

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

// A sensitive value stands nowhere but in the documents that it is meant for: not
// in plans, not in the state, and not as a digest by which it could be guessed.
// Where it would have to be shown it is refused.
func TestSensitiveValuesStayOutWhateverTheyAreFor(t *testing.T) {
	attributes := []struct {
		block int // the argument of canarySpec
		lines []string
	}{
		{1, []string{`created_by = var.s`, `author = var.s`, `comment = var.s`, `annotations = { a = var.s }`, `annotations = var.m`, `compression = var.s`,
			`media_type = var.s`, `urls = [var.s]`, `mtime = var.s`, `archive = var.s`, `extra = { a = var.s }`}},
		{2, []string{`content = var.s`, `content = "x${var.s}y"`, `source = var.s`, `mode = var.s`, `uid = var.s`, `mtime = var.s`, `xattrs = { "user.a" = var.s }`}},
		{3, []string{`target = var.s`}},
		{4, []string{`include = [var.s]`, `exclude = [var.s]`, `mode = var.s`, `metadata = var.s`}},
		{5, []string{`env = { A = var.s }`, `env = ["A=${var.s}"]`, `env = var.m`, `labels = { a = var.s }`, `labels = var.m`, `entrypoint = [var.s]`, `cmd = [var.s]`,
			`user = var.s`, `working_dir = "/${var.s}"`, `exposed_ports = [var.s]`, `volumes = ["/${var.s}"]`, `stop_signal = var.s`, `author = var.s`, `created = var.s`,
			`annotations = { a = var.s }`, `os_version = var.s`, `os_features = [var.s]`, `variant = var.s`, `extra = { a = var.s }`, `media_type = var.s`, `blob = var.s`, `content = var.s`}},
		{6, []string{`annotations = { a = var.s }`, `annotations = var.m`, `descriptor_annotations = { a = var.s }`, `descriptor_annotations = var.m`, `artifact_type = var.s`,
			`extra = { a = var.s }`, `extra = var.m`, `platform = var.s`}},
		{7, []string{`annotations = { a = var.s }`, `descriptor_annotations = { a = var.s }`, `descriptor_annotations = var.m`, `extra = { a = [{ b = var.s }] }`, `artifact_type = var.s`}},
		{8, []string{"output \"o\" {\n value = var.s\n sensitive = true\n}", "output \"o\" {\n value = [1, { a = var.s }]\n sensitive = true\n}", "output \"o\" { value = var.s }",
			"output \"o\" {\n value = 1\n description = var.s\n}"}},
		{9, []string{`annotations = { a = var.s }`, `urls = [var.s]`}},
		{10, []string{`descriptor_annotations = { a = var.s }`, `tags = [var.s]`}},
	}
	built := 0
	for _, a := range attributes {
		for _, line := range a.lines {
			if testCanary(t, a.block, line) {
				built++
			}
		}
	}
	if built < 25 {
		t.Errorf("only %d attributes take a sensitive value", built)
	}
}

// testCanary tries one attribute, and reports whether it takes a sensitive value.
func testCanary(t *testing.T, block int, line string) bool {
	t.Helper()
	args := make([]any, 10)
	for i := range args {
		args[i] = ""
	}
	args[1], args[2] = `content = "f"`, `target = "t"`
	if block == 2 && strings.HasPrefix(line, "content") || strings.HasPrefix(line, "source") || block == 3 {
		args[block-1] = line
	} else {
		args[block-1] = fmt.Sprint(args[block-1], "\n", line)
	}
	text := fmt.Sprintf(strings.ReplaceAll(canarySpec, `variable "s"`, "variable \"m\" {\n type = map(string)\n sensitive = true\n}\nvariable \"s\""), args...)
	w := newWorld(t, map[string]string{"layform.hcl": text, "src/a": "a"})
	w.load.Arguments = []spec.Argument{
		{Assignment: spec.Assignment{Name: "s", Text: canary, Origin: "--var"}},
		{Assignment: spec.Assignment{Name: "m", Text: `{ k = "` + canary + `" }`, Origin: "--var"}},
	}
	open := func(where, text string) {
		t.Helper()
		if strings.Contains(text, canary) || strings.Contains(text, canaryDigest) {
			t.Errorf("block %d, %s: %s gives the value away", block, line, where)
		}
	}
	p, err := w.tryPlan(planner.Options{})
	if err != nil {
		open("the error "+err.Error(), err.Error())
		return false
	}
	data, err := planner.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	open("the plan", string(data))
	w.carryOut(p)
	w.stateWithout(open)
	if p := w.plan(planner.Options{}); !p.Empty() || len(p.Drift) > 0 {
		t.Errorf("block %d, %s: the next plan is %v %v %v", block, line, actions(p), p.Tags, p.Drift)
	}
	return true
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

// stateWithout hands the content of each file of the state to open.
func (w *world) stateWithout(open func(where, text string)) {
	w.t.Helper()
	root := filepath.Join(w.dir, "out/.layform")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		open(name, string(data))
		info, err := d.Info()
		if err == nil && strings.Contains(string(data), "hmac-sha256") && info.Mode().Perm() != 0o600 {
			w.t.Errorf("%s has the mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
