package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/lock"
)

// lockCmd writes the lock file.
type lockCmd struct {
	Refs    []string `arg:"" optional:"" name:"ref" help:"With --upgrade: look up these references alone."`
	Upgrade bool     `name:"upgrade" xor:"mode" help:"Look up again what the references lead to, and pin that."`
	Check   bool     `name:"check" xor:"mode" help:"Write nothing and connect to nothing. Exit with 2 when references lack a pin, or pins are of no use."`
	Outputs bool     `name:"outputs" help:"Pin the digests of the tagged images of the last apply as well; with --check, compare with them."`
	specFlags
	valueFlags
	registryFlags
}

// Help gives examples.
func (c *lockCmd) Help() string {
	return `For example:
  layform lock                 adds what lacks, drops what nothing uses
  layform lock --check         for CI: exits with 2 where the file does not fit
  layform lock --upgrade       pins what the references lead to today`
}

// Run reads the references of the spec and makes the lock file fit.
func (c *lockCmd) Run(ctx context.Context, a *app) error {
	if len(c.Refs) > 0 && !c.Upgrade {
		return &failure{message: "lock takes references with --upgrade alone", hint: "layform lock --upgrade " + strings.Join(c.Refs, " ")}
	}
	l, err := a.locking(c.specFlags, c.valueFlags, c.registryFlags)
	if err != nil {
		return err
	}
	defer l.close()
	outputs, err := c.outputs(ctx, a, l)
	if err != nil {
		return err
	}
	if c.Check {
		return c.check(a, l, outputs)
	}
	again, err := l.selected(c.Refs, c.Upgrade)
	if err != nil {
		return err
	}
	found, err := l.resolve(ctx, again)
	if err != nil {
		return err
	}
	next := &lock.File{Bases: map[string]lock.Pin{}, Outputs: l.file.Outputs}
	report := &view.Lock{File: l.path}
	for _, key := range slices.Sorted(maps.Keys(l.wanted)) {
		was := l.file.Bases[key].Digest
		now, looked := found[key]
		if !looked {
			now = was
		}
		next.Bases[key] = lock.Pin{Digest: now}
		report.Add(key, was, now)
	}
	for _, key := range l.file.Compare(l.keys()).Unused {
		report.Add(key, l.file.Bases[key].Digest, "")
	}
	if c.Outputs {
		next.Outputs = outputs
		report.AddOutputs(digestsOf(l.file.Outputs), digestsOf(outputs))
	}
	if err := l.write(next); err != nil {
		return err
	}
	return a.showLock(report)
}

// check compares the lock file with the spec.
func (c *lockCmd) check(a *app, l *locking, outputs map[string]lock.Pin) error {
	report := &view.Lock{File: l.path}
	d := l.file.Compare(l.keys())
	for _, key := range slices.Sorted(maps.Keys(l.wanted)) {
		if slices.Contains(d.Missing, key) {
			report.Pins = append(report.Pins, view.Pin{Name: key, Action: view.PinMissing})
		} else {
			report.Add(key, l.file.Bases[key].Digest, l.file.Bases[key].Digest)
		}
	}
	for _, key := range d.Unused {
		report.Pins = append(report.Pins, view.Pin{Name: key, Action: view.PinUnused, Digest: l.file.Bases[key].Digest})
	}
	if c.Outputs {
		report.AddOutputs(digestsOf(l.file.Outputs), digestsOf(outputs))
	}
	if !report.Fits() {
		a.code = exitChanges
	}
	return a.showLock(report)
}

// outputs are the digests of the tagged images of the last apply, by address; nil unless asked for.
func (c *lockCmd) outputs(ctx context.Context, a *app, l *locking) (map[string]lock.Pin, error) {
	if !c.Outputs {
		return nil, nil
	}
	store, err := openLayout(c.dir(), l.spec.LayoutPath)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	st, err := stageOf(ctx, store, l.spec)
	if err != nil {
		return nil, err
	}
	tagged := map[digest.Digest]bool{}
	for _, tag := range st.Tags {
		tagged[tag.Digest] = true
	}
	out := map[string]lock.Pin{}
	for key, o := range st.Objects {
		if tagged[o.Descriptor.Digest] {
			out[key] = lock.Pin{Digest: o.Descriptor.Digest}
		}
	}
	if len(out) == 0 {
		return nil, &failure{message: "the layout holds no tagged image of the spec", hint: "layform apply builds them"}
	}
	return out, nil
}

func (a *app) showLock(l *view.Lock) error {
	if a.json {
		return a.print(view.Document{Type: view.TypeLock, Lock: l})
	}
	return a.show(view.LockReport(l))
}

// locking is the lock file of a spec beside what the spec wants of it.
type locking struct {
	spec  *spec.Spec
	path  string
	file  *lock.File
	bases *bases
	// wanted are the bases that have to be pinned, by the label of their pin.
	wanted map[string]*spec.Base
}

// locking loads a spec and its lock file.
func (a *app) locking(f specFlags, v valueFlags, r registryFlags) (*locking, error) {
	sp, err := a.load(f, v)
	if err != nil {
		return nil, err
	}
	path := lockPath(f.dir(), f.File)
	file, diags := a.readLock(path)
	if diags.HasErrors() {
		return nil, diags
	}
	l := &locking{spec: sp, path: path, file: file, bases: a.newBases(f.dir(), f.File, &baseFlags{registryFlags: r}), wanted: map[string]*spec.Base{}}
	objects, _ := sp.Bases()
	for _, o := range objects {
		b := o.Body.(*spec.Base)
		if key := b.LockKey(); key != "" {
			l.wanted[key] = b
		}
	}
	return l, nil
}

func (l *locking) close() error { return l.bases.close() }

func (l *locking) keys() []string { return slices.Sorted(maps.Keys(l.wanted)) }

// selected are the references that are looked up: those without a pin, and those that
// are to be upgraded.
func (l *locking) selected(refs []string, upgrade bool) ([]string, error) {
	keys := l.file.Compare(l.keys()).Missing
	if upgrade && len(refs) == 0 {
		return l.keys(), nil
	}
	for _, text := range refs {
		key, err := lockKey(text)
		if err != nil {
			return nil, err
		}
		if l.wanted[key] == nil {
			hint := "the spec has no base that is pinned"
			if len(l.wanted) > 0 {
				hint = "there are: " + strings.Join(l.keys(), ", ")
			}
			return nil, &failure{message: fmt.Sprintf("no base of the spec is %s", key), hint: hint}
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// lockKey normalises a reference of the command line to the label of its pin:
// alpine:3.20 and docker://docker.io/library/alpine:3.20 have the same.
func lockKey(text string) (string, error) {
	if r, err := ref.Parse(text); err == nil {
		if r.Transport == ref.Registry {
			r.Image = r.Image.WithDefaultTag()
		}
		return (&spec.Base{From: r, Pin: true}).LockKey(), nil
	}
	image, err := ref.ParseImage(text)
	if err != nil {
		return "", err
	}
	return image.WithDefaultTag().String(), nil
}

// resolve looks up what references lead to.
func (l *locking) resolve(ctx context.Context, keys []string) (map[string]digest.Digest, error) {
	found := make([]digest.Digest, len(keys))
	errs := make([]error, len(keys))
	var group errgroup.Group
	group.SetLimit(lookups)
	for i, key := range keys {
		group.Go(func() error {
			found[i], errs[i] = l.bases.find(ctx, l.wanted[key].From)
			return nil
		})
	}
	_ = group.Wait() // each reference has an error of its own
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := map[string]digest.Digest{}
	for i, key := range keys {
		out[key] = found[i]
	}
	return out, nil
}

// lookups is the number of references that are looked up at once.
const lookups = 4

// write writes the lock file where it changes, or where there is something to pin.
func (l *locking) write(next *lock.File) error {
	if maps.EqualFunc(l.file.Bases, next.Bases, samePin) && maps.EqualFunc(l.file.Outputs, next.Outputs, samePin) {
		return nil
	}
	return writeLock(l.path, next)
}

func samePin(a, b lock.Pin) bool { return a.Digest == b.Digest }

func digestsOf(pins map[string]lock.Pin) map[string]digest.Digest {
	out := map[string]digest.Digest{}
	for label, p := range pins {
		out[label] = p.Digest
	}
	return out
}
