package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/schema"
)

// stateMvCmd gives an object another address.
type stateMvCmd struct {
	From string `arg:"" name:"from" help:"The address that the object has, such as layer.app."`
	To   string `arg:"" name:"to" help:"The address that it gets, of the same kind; the spec is changed by hand."`
	stateEditFlags
}

// Help gives examples.
func (c *stateMvCmd) Help() string {
	return `For example:
  layform state mv layer.app layer.server
  layform state mv layer.app 'layer.app["amd64"]' --dry-run

An address without a key means all objects of a block that has for_each; they keep their keys.`
}

// Run renames the object in the staging state, with all that names it there.
func (c *stateMvCmd) Run(ctx context.Context, a *app) error {
	from, err := addr.Parse(c.From)
	if err != nil {
		return &failure{message: err.Error()}
	}
	to, err := addr.Parse(c.To)
	if err != nil {
		return &failure{message: err.Error()}
	}
	if from.Kind != to.Kind {
		return &failure{message: fmt.Sprintf("%s cannot become %s: they are of different kinds", from, to)}
	}
	return c.edit(ctx, a, "state mv", func(st *stage.Stage, ids map[string]addr.ID) ([]string, error) {
		return moveObject(st, ids, from, to)
	})
}

// moveObject renames an object, or all objects of a block with for_each.
func moveObject(st *stage.Stage, ids map[string]addr.ID, from, to addr.Address) ([]string, error) {
	moves := movesOf(ids, from, to)
	for key, id := range ids {
		if id.Address == to || slices.Contains(slices.Collect(maps.Values(moves)), id.Address) {
			return nil, &failure{message: fmt.Sprintf("the layout holds %s for the spec already", key), hint: "layform state rm forgets it"}
		}
	}
	if len(moves) == 0 {
		return nil, notHeld(from)
	}
	renamed, objects := map[string]string{}, map[string]stage.Object{}
	for key, id := range ids {
		id.Address = moved(moves, id.Address)
		id.Use = moved(moves, id.Use)
		renamed[key] = id.String()
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(st.Objects)) {
		o := st.Objects[key]
		o.Needs = slices.Clone(o.Needs)
		for i, need := range o.Needs {
			if now, ok := renamed[need]; ok {
				o.Needs[i] = now
			}
		}
		slices.Sort(o.Needs)
		o.Fields = renameReferences(ids[key].Address.Kind, o.Fields, moves)
		objects[renamed[key]] = o
		if renamed[key] != key {
			lines = append(lines, fmt.Sprintf("%s is %s.", key, renamed[key]))
		}
	}
	st.Objects = objects
	return lines, nil
}

// movesOf maps the addresses that move to those that they get: that of an object, or of a
// block without its own those of its instances, which keep their keys.
func movesOf(ids map[string]addr.ID, from, to addr.Address) map[addr.Address]addr.Address {
	moves, instances := map[addr.Address]addr.Address{}, map[addr.Address]addr.Address{}
	for _, id := range ids {
		switch {
		case id.Address == from:
			moves[from] = to
		case from.Selects(id.Address) && !to.Keyed:
			instance := to
			instance.Key, instance.Keyed = id.Address.Key, true
			instances[id.Address] = instance
		}
	}
	if len(moves) == 0 {
		return instances
	}
	return moves
}

// moved is the address that an object has after the moves.
func moved(moves map[addr.Address]addr.Address, a addr.Address) addr.Address {
	if to, ok := moves[a]; ok {
		return to
	}
	return a
}

// notHeld is the error about an object that the layout does not hold for the spec.
func notHeld(a addr.Address) error {
	return &failure{message: fmt.Sprintf("the layout holds no %s for the spec", a), hint: "layform state list names what it holds"}
}

// renameReferences renames objects in values that refer to objects.
func renameReferences(kind addr.Kind, fields map[string]string, moves map[addr.Address]addr.Address) map[string]string {
	out := maps.Clone(fields)
	for path, value := range out {
		name, _, _ := strings.Cut(path, "[")
		attribute := schema.Of(kind).Attribute(name)
		if attribute == nil || len(attribute.Refers) == 0 {
			continue
		}
		var text string
		if json.Unmarshal([]byte(value), &text) != nil {
			continue // no reference
		}
		a, err := addr.Parse(text)
		if err != nil {
			continue
		}
		if now, err := json.Marshal(moved(moves, a).String()); err == nil && moved(moves, a) != a {
			out[path] = string(now)
		}
	}
	return out
}

// stateRmCmd forgets objects.
type stateRmCmd struct {
	Address []string `arg:"" name:"address" help:"The objects to forget; an address without a key means all of its block."`
	stateEditFlags
}

// Help gives examples.
func (c *stateRmCmd) Help() string {
	return `For example:
  layform state rm index.app
  layform state rm manifest.app config.app --dry-run`
}

// Run forgets objects with their entries of index.json and blobs. All of that stays.
func (c *stateRmCmd) Run(ctx context.Context, a *app) error {
	return c.edit(ctx, a, "state rm", func(st *stage.Stage, ids map[string]addr.ID) ([]string, error) {
		keys, err := selectKeys(ids, c.Address)
		if err != nil {
			return nil, err
		}
		return forgetObjects(st, keys), nil
	})
}

// forgetObjects takes objects out of a staging state, with the entries of index.json and
// the blobs that no other object of it has.
func forgetObjects(st *stage.Stage, keys []string) []string {
	var lines []string
	gone := map[digest.Digest]bool{}
	for _, key := range keys {
		for _, d := range stagedDigests(st.Objects[key]) {
			gone[d] = true
		}
		delete(st.Objects, key)
		lines = append(lines, fmt.Sprintf("%s is forgotten; it stays in the layout.", key))
	}
	for _, o := range st.Objects {
		for _, d := range stagedDigests(o) {
			delete(gone, d)
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(st.Tags)) {
		if gone[st.Tags[ref].Digest] {
			delete(st.Tags, ref)
			lines = append(lines, fmt.Sprintf("The tag %s is not the spec's any more; it stays in index.json.", ref))
		}
	}
	st.Untagged = slices.DeleteFunc(st.Untagged, func(d ocispec.Descriptor) bool { return gone[d.Digest] })
	st.Blobs = slices.DeleteFunc(st.Blobs, func(d digest.Digest) bool { return gone[d] })
	return lines
}

// stagedDigests are the blobs of a staged object.
func stagedDigests(o stage.Object) []digest.Digest {
	all := []digest.Digest{o.Descriptor.Digest}
	for _, d := range o.Implied {
		all = append(all, d.Digest)
	}
	return all
}
