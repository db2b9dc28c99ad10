package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/planner/base"
	"github.com/layform/layform/spec"
)

// outdatedCmd compares pins with what references lead to today.
type outdatedCmd struct {
	specFlags
	valueFlags
	registryFlags
}

// Help gives examples.
func (c *outdatedCmd) Help() string {
	return `For example:
  layform outdated             exits with 2 when a base has moved`
}

// Run looks up every pinned reference.
func (c *outdatedCmd) Run(ctx context.Context, a *app) error {
	l, err := a.locking(c.specFlags, c.valueFlags, c.registryFlags)
	if err != nil {
		return err
	}
	defer l.close()
	if missing := l.file.Compare(l.keys()).Missing; len(missing) > 0 {
		return &failure{message: fmt.Sprintf("%s has no digest of %s", l.path, strings.Join(missing, ", ")), hint: "layform lock adds it"}
	}
	found, err := l.resolve(ctx, l.keys())
	if err != nil {
		return err
	}
	moved := slices.ContainsFunc(l.keys(), func(key string) bool { return found[key] != l.file.Bases[key].Digest })
	var unread error
	if moved {
		unread = l.loadFound(ctx, a, c.specFlags, c.valueFlags, found)
	}
	report := &view.Lock{File: l.path, Outdated: true}
	for _, key := range slices.Sorted(maps.Keys(l.wanted)) {
		report.Add(key, l.file.Bases[key].Digest, found[key])
		last := &report.Pins[len(report.Pins)-1]
		if last.Action == view.PinMoved {
			last.Objects = l.dependents(key)
			a.code = exitChanges
		}
	}
	return errors.Join(a.showLock(report), unread)
}

// foundPins pins each base to the digest that its reference leads to now.
type foundPins map[string]digest.Digest

var _ base.Pins = foundPins(nil)

// Pin gives the digest that the reference of a base was found to lead to.
func (p foundPins) Pin(b *spec.Base) (d digest.Digest, place string, err error) {
	return p[b.LockKey()], "", nil
}

// Found is told of bases that are not pinned by the lock file, which keep their names.
func (foundPins) Found(*spec.Base, digest.Digest) {}

// loadFound loads the spec over the bases that the references lead to now: which objects
// it has may depend on what these hold. With an error the spec stays as it is without.
func (l *locking) loadFound(ctx context.Context, a *app, f specFlags, v valueFlags, found map[string]digest.Digest) error {
	opts, err := a.values(v)
	if err != nil {
		return err
	}
	opts.File = f.name()
	opts.Bases = func(requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
		r := base.Resolver{Open: l.bases.open, Pins: foundPins(found)}
		return r.Resolve(ctx, requests)
	}
	sp, diags := spec.Load(f.dir(), opts) // its warnings were shown
	if diags.HasErrors() {
		return diags
	}
	l.spec = sp
	return nil
}

// dependents are the objects that are built anew when a reference leads to something
// else, in build order.
func (l *locking) dependents(key string) []string {
	changed := map[spec.Address]bool{}
	bases, _ := l.spec.Bases()
	for _, o := range bases {
		if o.Body.(*spec.Base).LockKey() == key {
			changed[o.Address] = true
		}
	}
	addresses := l.spec.Addresses()
	objects := make([]*spec.Object, len(addresses))
	for i, a := range addresses {
		objects[i], _ = l.spec.Evaluate(a, nil) // loaded without mistakes
		if m, ok := objects[i].Body.(*spec.Manifest); ok && changed[spec.BaseOf(m)] {
			for _, over := range m.Layers {
				o, _ := l.spec.Evaluate(over, nil)
				if built, ok := o.Body.(*spec.Layer); ok && len(built.Tree) > 0 {
					changed[over] = true // on what the base holds; an archive is used as it is
				}
			}
		}
	}
	for i, a := range addresses {
		o := objects[i]
		if slices.ContainsFunc(o.Refs, func(need spec.Address) bool { return changed[need] }) {
			changed[a] = true
			if m, ok := o.Body.(*spec.Manifest); ok && m.Config != nil {
				changed[*m.Config] = true // it inherits, or has other diffIDs
			}
		}
	}
	var out []string
	for _, a := range addresses {
		if changed[a] {
			out = append(out, a.String())
		}
	}
	return out
}
