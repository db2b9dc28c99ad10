package main

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layform/layform/layout/durable"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec/eval"
)

// A plan file knows the directory of its spec relative to its own, so that it does
// not matter where apply is run. In memory, the directory is relative to the
// working directory.

// savePlan writes a plan file: whole or not at all, readable by its owner alone,
// for it holds the values of variables.
func savePlan(name string, p *planner.Plan) error {
	dir, base := filepath.Split(name)
	dir = cmp.Or(dir, ".")
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &failure{message: fmt.Sprintf("--out %s: %v", name, cause(err)), hint: "its directory must exist"}
	}
	defer root.Close()
	saved := *p
	if saved.Spec.Dir, err = relative(dir, cmp.Or(p.Spec.Dir, ".")); err != nil {
		return &failure{message: fmt.Sprintf("--out %s: %v", name, cause(err))}
	}
	data, err := planner.Encode(&saved)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(root, base, data, 0o600); err != nil {
		return &failure{message: fmt.Sprintf("--out %s: %v", name, cause(err))}
	}
	return nil
}

// refuseUsed refuses to save a plan in a file that the plan was made from, or that the
// next one would be: it would be stale as soon as it is saved.
func refuseUsed(name string, made *planned) error {
	dir, base := filepath.Split(name)
	rel, err := relative(made.dir, cmp.Or(dir, "."))
	if err != nil {
		return &failure{message: fmt.Sprintf("--out %s: %v", name, cause(err))}
	}
	if rel = path.Join(rel, base); !filepath.IsLocal(rel) {
		return nil
	}
	user := made.spec.Uses(rel)
	if user == "" {
		return nil
	}
	return &failure{
		message: fmt.Sprintf("--out %s: %s reads this file, so that the plan would be stale as soon as it is saved", printable.Line(name), user),
		hint:    "save it elsewhere, or exclude it from what is copied",
	}
}

// readPlan reads a plan file.
func readPlan(name string) (*planner.Plan, error) {
	data, err := readBegun(name, planner.Begins, planner.MaxPlanSize)
	if err != nil {
		return nil, &failure{message: fmt.Sprintf("plan %s: %v", name, cause(err)), hint: "layform plan --out FILE writes a plan file"}
	}
	p, err := planner.Decode(data)
	if err != nil {
		return nil, &failure{message: fmt.Sprintf("plan %s: %v", name, err), err: err, hint: "layform plan --out FILE writes a plan file"}
	}
	dir := filepath.FromSlash(p.Spec.Dir)
	if !filepath.IsAbs(dir) {
		real, err := filepath.EvalSymlinks(filepath.Dir(name))
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(real, dir)
	}
	p.Spec.Dir, err = relative(".", dir)
	return p, err
}

// relative is the way from one directory to another, slash-separated, and empty
// when there is none to go. Links are resolved: ".." leads out of where a link
// leads to.
func relative(from, to string) (string, error) {
	base, err := resolved(from)
	if err != nil {
		return "", err
	}
	target, err := resolved(to)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(base, target)
	if err != nil || rel == "." {
		return "", err
	}
	return filepath.ToSlash(rel), nil
}

// resolved is an absolute path without links; what does not exist is left as it is.
func resolved(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	rest := ""
	for at := abs; ; at = filepath.Dir(at) {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if at == filepath.Dir(at) {
			return abs, nil
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// inside reports whether a place lies in one of the trees.
func inside(place string, trees ...string) (bool, error) {
	real, err := resolved(place)
	if err != nil {
		return false, err
	}
	for _, tree := range trees {
		base, err := resolved(tree)
		if err != nil {
			return false, err
		}
		if rel, err := filepath.Rel(base, real); err == nil && filepath.IsLocal(rel) {
			return true, nil
		}
	}
	return false, nil
}

// outside names the place outside of a plan file's own tree to which it leads; empty
// when there is none. Where the spec's own files stand as the plan has them, they
// vouch for what they name: for a layout anywhere, and for themselves below the
// directory cwd.
func outside(name, cwd string, p *planner.Plan) (string, error) {
	dir := cmp.Or(p.Spec.Dir, ".")
	own := filepath.Dir(name)
	trees, vouched := []string{own}, specThere(dir, p)
	if vouched {
		trees = append(trees, cwd)
	}
	if ok, err := inside(dir, trees...); err != nil || !ok {
		return "the spec in " + printable.Line(dir), err
	}
	if vouched {
		return "", nil
	}
	path := view.LayoutPath(dir, p.Layout.Path)
	if ok, err := inside(path, own); err != nil || !ok {
		return "the layout " + printable.Line(path), err
	}
	return "", nil
}

// specThere reports whether the directory holds the very spec files that the plan
// was made from.
func specThere(dir string, p *planner.Plan) bool {
	for _, source := range p.Spec.Sources {
		text, err := readRegular(filepath.Join(dir, filepath.Base(source.Name)), eval.MaxSourceSize)
		if err != nil || string(text) != source.Text {
			return false
		}
	}
	return len(p.Spec.Sources) > 0
}

// refuseOutside refuses a plan file that leads to places outside of its tree.
func (c *applyCmd) refuseOutside(p *planner.Plan) error {
	if c.AllowOutside {
		return nil
	}
	place, err := outside(c.Plan, ".", p)
	if err != nil || place == "" {
		return err
	}
	return &failure{
		message: fmt.Sprintf("plan %s: %s lies outside of the directory of the plan file", printable.Line(c.Plan), place),
		hint:    "when that is what you mean, add --allow-outside",
	}
}

// sayHowToApply prints the command that carries out a plan that was just saved.
func (a *app) sayHowToApply(out string, p *planner.Plan) error {
	command := "layform apply"
	start := "."
	if a.chdir != "" {
		start = a.started
	}
	place, err := outside(out, start, p)
	if err != nil {
		return err
	}
	if place != "" {
		command += " --allow-outside"
	}
	name := out
	if a.chdir != "" && !filepath.IsAbs(out) {
		name = strings.TrimSuffix(a.chdir, "/") + "/" + out
	}
	text := fmt.Sprintf("\nSaved the plan to %s. To carry out exactly this:\n  %s %s\n", printable.Line(name), command, shellWord(name))
	if secret := sensitiveNames(p); len(secret) > 0 {
		text += "It holds no values of sensitive variables; give them again: " + strings.Join(secret, ", ") + "\n"
	}
	return writeTo(a.stderr, text)
}

// sensitiveNames are the variables whose values a plan does not hold.
func sensitiveNames(p *planner.Plan) []string {
	var out []string
	for _, v := range p.Spec.Variables {
		if v.Sensitive {
			out = append(out, v.Name)
		}
	}
	slices.Sort(out)
	return out
}

// shellWord quotes a file name so that a shell takes it as one word that is no flag.
func shellWord(name string) string {
	if strings.HasPrefix(name, "-") {
		name = "./" + name
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@%+=:,-"
	if strings.Trim(name, plain) == "" && name != "" {
		return name
	}
	return printable.Line("'" + strings.ReplaceAll(name, "'", `'\''`) + "'")
}
