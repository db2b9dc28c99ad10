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
  layform state mv layer.app 'layer.app["amd64"]' --dry-run`
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

// moveObject renames an object.
func moveObject(st *stage.Stage, ids map[string]addr.ID, from, to addr.Address) ([]string, error) {
	for key, id := range ids {
		if id.Address == to {
			return nil, &failure{message: fmt.Sprintf("the layout holds %s for the spec already", key), hint: "layform state rm forgets it"}
		}
	}
	renamed, objects := map[string]string{}, map[string]stage.Object{}
	for key, id := range ids {
		if id.Address == from {
			id.Address = to
		}
		if id.Use == from {
			id.Use = to
		}
		renamed[key] = id.String()
	}
	if _, err := selectExactly(ids, from); err != nil {
		return nil, err
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
		o.Fields = renameReferences(ids[key].Address.Kind, o.Fields, from, to)
		objects[renamed[key]] = o
		if renamed[key] != key {
			lines = append(lines, fmt.Sprintf("%s is %s.", key, renamed[key]))
		}
	}
	st.Objects = objects
	return lines, nil
}

// selectExactly are the keys of an object, without those of other instances of its block.
func selectExactly(ids map[string]addr.ID, a addr.Address) ([]string, error) {
	var keys []string
	for key, id := range ids {
		if id.Address == a {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, &failure{message: fmt.Sprintf("the layout holds no %s for the spec", a), hint: "layform state list names what it holds"}
	}
	return keys, nil
}

// renameReferences renames an object in values that refer to objects.
func renameReferences(kind addr.Kind, fields map[string]string, from, to addr.Address) map[string]string {
	was, err := json.Marshal(from.String())
	now, otherErr := json.Marshal(to.String())
	if err != nil || otherErr != nil {
		return fields // not reachable: addresses are text
	}
	out := maps.Clone(fields)
	for path, value := range out {
		name, _, _ := strings.Cut(path, "[")
		if attribute := schema.Of(kind).Attribute(name); attribute != nil && len(attribute.Refers) > 0 && value == string(was) {
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
