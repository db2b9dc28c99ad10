package spec_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/cmd/layform/view/markdown"
	"github.com/layform/layform/cmd/layform/view/text"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// The sensitive values of the test, now and in a second plan.
const (
	canary      = "canary4711"
	otherCanary = "canary0815"
)

// canaryVariables are sensitive values of each type.
const canaryVariables = `
variable "s" {
  type      = string
  sensitive = true
}
variable "m" {
  type      = map(string)
  sensitive = true
}
variable "yes" {
  type      = bool
  default   = true
  sensitive = true
}
variable "one" {
  type      = number
  default   = 1
  sensitive = true
}
`

// canaryForms are the expressions that are tried for each attribute.
var canaryForms = []string{
	`var.s`, `"x/${var.s}"`, `"/${var.s}"`, `[var.s]`, `["/${var.s}"]`, `["A=${var.s}"]`, `[{ a = var.s }]`, `{ a = var.s }`, `{ "user.a" = var.s }`, `var.m`, `var.yes`, `var.one`,
}

// Attributes that name blocks, or are constants.
var noValues = map[string]bool{
	"manifest.base": true, "manifest.config": true, "manifest.layers": true, "manifest.subject": true, "index.manifests": true, "index.subject": true,
	"variable.type": true, "variable.default": true, "variable.description": true, "variable.sensitive": true, "variable.nullable": true,
	"import.to": true, "import.digest": true, "output.description": true, "validation.condition": true, "validation.error_message": true, "dynamic.iterator": true,
}

// TestNoAttributeGivesSensitiveValuesAway gives every attribute of the language a
// sensitive value in all forms: where it is taken, the value stands nowhere but in
// the documents that it is meant for, nor do digests by which it could be guessed;
// where it would have to be shown it is refused, and the refusal does not show it.
func TestNoAttributeGivesSensitiveValuesAway(t *testing.T) {
	t.Parallel()
	values := triedValues()
	built := 0
	for _, attribute := range spec.AllAttributes() {
		reached := noValues[attribute]
		companions := map[string]bool{"": true}
		for _, good := range values[attribute].good {
			if _, more, ok := strings.Cut(good, "; "); ok {
				companions["; "+more] = true
			}
		}
		for _, form := range canaryForms {
			for more := range companions {
				e := goodExample()
				e.set(attribute, form+more)
				c := canaryRun{t: t, where: attribute + " = " + form, dir: t.TempDir(), whole: attribute == "config.content"}
				took, about := c.run(canaryVariables + e.text())
				reached = reached || took || about
				if took {
					built++
				}
			}
		}
		if !reached {
			t.Errorf("%s: no form gets so far that its being sensitive matters: add one", attribute)
		}
	}
	if built < 40 {
		t.Errorf("only %d forms were built", built)
	}
}

// A validation of a sensitive variable that fails does not show the value.
func TestValidationsShowNoSensitiveValues(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`condition = var.s == "x"` + "\n" + `error_message = "It is ${var.s}."`,
		`condition = regex("^x", var.s) != ""` + "\n" + `error_message = "It is wrong."`,
		`condition = tonumber(var.s) > 1` + "\n" + `error_message = "It is wrong."`,
	} {
		text := strings.Replace(canaryVariables, "sensitive = true\n", "sensitive = true\nvalidation {\n"+body+"\n}\n", 1)
		c := canaryRun{t: t, where: body, dir: t.TempDir()}
		if took, _ := c.run(text + goodExample().text()); took {
			t.Errorf("%s holds", body)
		}
	}
}

// canaryRun is a spec with a sensitive value.
type canaryRun struct {
	t          *testing.T
	where, dir string
	// whole is set when the value is all of a blob, whose name is its digest.
	whole bool
}

// closed fails where a text gives a value away. It may also be guessed from an
// unsalted digest, of itself or of its JSON.
func (c *canaryRun) closed(where, text string) {
	c.t.Helper()
	for _, value := range []string{canary, otherCanary} {
		for n, open := range []string{value, digest.FromString(`"` + value + `"`).Encoded(), digest.FromString(value).Encoded()} {
			if i := strings.Index(text, open); i >= 0 && !(n == 2 && c.whole) {
				c.t.Errorf("%s: %s gives the value away: …%s…", c.where, where, text[max(0, i-60):i+len(open)])
				return
			}
		}
	}
}

// refused checks a refusal, and reports whether it is about the value's being sensitive.
func (c *canaryRun) refused(err error, source string) bool {
	c.t.Helper()
	c.closed("the error", err.Error())
	var diags hcl.Diagnostics
	if errors.As(err, &diags) {
		shown := view.NewDiagnostics(diags, map[string]*hcl.File{"layform.hcl": {Bytes: []byte(source)}})
		c.closed("the diagnostic", fmt.Sprintf("%+v", shown))
	}
	return strings.Contains(err.Error(), "sensitive")
}

// run plans, applies, and plans again with another value. It reports whether the
// value is taken and, where it is not, whether that is because it is sensitive.
func (c *canaryRun) run(source string) (took, about bool) {
	c.t.Helper()
	for name, content := range map[string]string{"src/a": "a", "ignore": "b\n", "a.tar": strings.Repeat("\x00", 1024)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(c.dir, name)), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	store, err := layout.Open(filepath.Join(c.dir, "l"), layout.Options{NoSync: true})
	if err != nil {
		c.t.Fatal(err)
	}
	defer store.Close()
	cache := stage.OpenCache(store)
	for _, value := range []string{canary, otherCanary} {
		made, err := c.plan(store, cache, source, value)
		if err != nil {
			return false, c.refused(err, source)
		}
		var mu sync.Mutex
		progress := func(e executor.Event) {
			mu.Lock()
			defer mu.Unlock()
			c.closed("an event", fmt.Sprintf("%+v", e))
		}
		result, err := executor.Apply(c.t.Context(), store, made.Plan, executor.Options{Dir: c.dir, Planned: made, Progress: progress})
		if err != nil {
			return false, c.refused(err, source)
		}
		c.shown(view.DoneReport(view.NewDone(result), false), view.Document{Type: view.TypeApply, Plan: made.Plan, Apply: view.NewDone(result)})
		if err := cache.Save(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
		c.state()
	}
	return true, false
}

// plan makes a plan and looks at all forms of it.
func (c *canaryRun) plan(store *layout.Store, cache *stage.Cache, source, value string) (*planner.Result, error) {
	sp, diags := spec.Load(c.dir, spec.LoadOptions{
		Sources: []spec.Source{{Name: "layform.hcl", Text: source}},
		Arguments: []spec.Argument{
			{Assignment: spec.Assignment{Name: "s", Text: value, Origin: "--var"}},
			{Assignment: spec.Assignment{Name: "m", Text: `{ k = "` + value + `" }`, Origin: "--var"}},
		},
	})
	if diags.HasErrors() {
		return nil, diags
	}
	made, err := planner.New(c.t.Context(), sp, store, planner.RefreshOptions{Digests: cache})
	if err != nil {
		return nil, err
	}
	data, err := planner.Encode(made.Plan)
	if err != nil {
		c.t.Fatal(err)
	}
	c.closed("the plan file", string(data))
	c.shown(view.PlanReport(made.Plan, view.DefaultRows), view.Document{Type: view.TypePlan, Plan: made.Plan})
	return made, nil
}

// shown looks at a report as text and Markdown, and at a document as JSON.
func (c *canaryRun) shown(r *view.Report, d view.Document) {
	c.t.Helper()
	var out strings.Builder
	err := errors.Join(text.Render(&out, r, text.Style{}), markdown.Render(&out, r, markdown.Options{}), view.JSON(&out, d))
	if err != nil {
		c.t.Fatal(err)
	}
	c.closed("what is shown", out.String())
}

// state looks at all files of layform in the layout. A table of contents says of
// files what the layer beside it says: it may hold digests of them, as README tells.
func (c *canaryRun) state() {
	c.t.Helper()
	root := filepath.Join(c.dir, "l/.layform")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		if strings.HasPrefix(rel, "toc") {
			if strings.Contains(string(data), canary) || strings.Contains(string(data), otherCanary) {
				c.t.Errorf("%s: %s gives the value away", c.where, rel)
			}
			return nil
		}
		c.closed(rel, string(data))
		info, err := d.Info()
		if err == nil && strings.Contains(string(data), "hmac-sha256") && info.Mode().Perm() != 0o600 {
			c.t.Errorf("%s: %s has the mode %v", c.where, rel, info.Mode())
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
