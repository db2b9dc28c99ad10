package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/stage"
)

// waitFlag is how long a command waits for the lock of a layout.
type waitFlag struct {
	Wait time.Duration `name:"lock-timeout" default:"0s" placeholder:"DURATION" help:"Wait this long for another run to finish, such as 30s."`
}

// layoutTagCmd gives an image more names.
type layoutTagCmd struct {
	waitFlag
	Image string   `arg:"" name:"image" help:"DIR:REF, DIR@DIGEST, or DIR alone when it holds one image."`
	Names []string `arg:"" name:"name" help:"The ref names, such as v2, or REPOSITORY:TAG."`
}

// Help shows how the command is used.
func (c *layoutTagCmd) Help() string {
	return `For example:
  layform layout tag dist:v1 stable          stable is what v1 is
  layform layout tag dist@sha256:… team/app:v2

A name that moves leaves its image in the layout, by its digest.`
}

// Run sets the names in one swap of index.json.
func (c *layoutTagCmd) Run(ctx context.Context, a *app) error {
	for _, name := range c.Names {
		if err := imagespec.CheckRefName(name); err != nil {
			return &failure{message: fmt.Sprintf("%q %v", name, err)}
		}
	}
	return c.edit(ctx, a, "tag", c.Image, func(e *entryEdit, at ref.Reference) error {
		image, err := findImage(ctx, e.store.Reader, at)
		if err != nil {
			return err
		}
		if there, err := e.store.Exists(ctx, image.desc); err != nil || !there {
			return errors.Join(err, &failure{message: fmt.Sprintf("the blob %s is missing or torn", image.desc.Digest), hint: "layform layout validate says all that is wrong"})
		}
		for _, name := range c.Names {
			if err := e.set(name, image.desc); err != nil {
				return err
			}
		}
		return nil
	})
}

// layoutUntagCmd takes names from images.
type layoutUntagCmd struct {
	waitFlag
	Layout string   `arg:"" name:"layout" help:"The directory of the layout."`
	Names  []string `arg:"" name:"name" help:"The ref names, such as v1, or REPOSITORY:TAG."`
}

// Help shows how the command is used.
func (c *layoutUntagCmd) Help() string {
	return `For example:
  layform layout untag dist v1
  layform layout untag mirror team/app:v1 team/app:v2

The images stay in the layout, by their digests: layout rm removes them.`
}

// Run removes the names in one swap of index.json.
func (c *layoutUntagCmd) Run(ctx context.Context, a *app) error {
	return c.edit(ctx, a, "untag", c.Layout, func(e *entryEdit, at ref.Reference) error {
		if at.Name != "" || at.Digest != "" {
			return &failure{message: c.Layout + " names one image, and the layout is meant", hint: "write " + at.Path + " and the names behind it"}
		}
		for _, name := range c.Names {
			found := e.index.Resolve(name)
			if len(found) == 0 {
				return &failure{message: fmt.Sprintf("index.json has no entry named %q, and nothing was changed", name), hint: "layform layout tags " + at.Path + " lists them"}
			}
			e.index.Remove(name)
			e.note(name, found[0].Digest, "")
			e.lost = append(e.lost, found...)
		}
		return nil
	})
}

// layoutRmCmd removes images from a layout.
type layoutRmCmd struct {
	waitFlag
	Image     string `arg:"" name:"image" help:"DIR:REF, DIR@DIGEST, or DIR alone when it holds one image."`
	Referrers bool   `name:"referrers" help:"Remove what refers to it as well: signatures, SBOMs."`
}

// Help shows how the command is used.
func (c *layoutRmCmd) Help() string {
	return `For example:
  layform layout rm dist:v1                  the image, with all names that it has
  layform layout rm --referrers dist@sha256:…

Its blobs go with the next layform layout gc.`
}

// Run removes all entries of the image in one swap of index.json.
func (c *layoutRmCmd) Run(ctx context.Context, a *app) error {
	return c.edit(ctx, a, "rm", c.Image, func(e *entryEdit, at ref.Reference) error {
		image, err := findImage(ctx, e.store.Reader, at)
		if err != nil {
			return err
		}
		gone := []ocispec.Descriptor{image.desc}
		for n := 0; n < len(gone); n++ { // what refers to a referrer goes as well
			if err := e.mayGo(ctx, gone[n].Digest); err != nil {
				return err
			}
			more, err := referrersOf(ctx, e.store.Reader, gone[n])
			if err != nil {
				return err
			}
			if !c.Referrers {
				e.result.Referrers = len(more)
				break
			}
			for _, d := range more {
				if !slices.ContainsFunc(gone, func(g ocispec.Descriptor) bool { return g.Digest == d.Digest }) {
					gone = append(gone, d)
				}
			}
		}
		for _, d := range gone {
			e.removeAll(d.Digest)
		}
		if len(e.result.Entries) == 0 {
			return &failure{message: fmt.Sprintf("%s is no entry of index.json, and nothing was changed", image.desc.Digest), hint: "it goes with what refers to it: layform layout referrers lists that"}
		}
		return nil
	})
}

// entryEdit is an edit of index.json that is remembered for the report.
type entryEdit struct {
	store  *layout.Store
	index  *layout.Index
	owners []*stage.Stage
	result view.Edit
	// lost are images that lost a name.
	lost []ocispec.Descriptor
}

// edit changes entries of index.json under the lock, keeps images that lost their last
// name by their digests, and reports.
func (f waitFlag) edit(ctx context.Context, a *app, operation, text string, change func(*entryEdit, ref.Reference) error) (err error) {
	at, err := ref.LocateImage(text)
	if err != nil {
		return err
	}
	if at.Transport != ref.Layout {
		return &failure{message: text + " is a tar, which is never changed", hint: "copy it into a directory first: layform layout copy"}
	}
	store, err := openExisting(at.Path, layout.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	unlock, err := store.Lock(ctx, layout.Holder{Operation: operation}, f.Wait)
	if err != nil {
		return err
	}
	var e *entryEdit
	swap := func() error {
		owners, err := stage.All(ctx, store)
		if err != nil {
			return err
		}
		_, _, err = store.Swap(ctx, func(x *layout.Index) error {
			e = &entryEdit{store: store, index: x, owners: owners, result: view.Edit{Entries: []view.EntryChange{}}}
			if err := change(e, at); err != nil {
				return err
			}
			return e.retain(ctx)
		})
		return err
	}
	if err := errors.Join(swap(), unlock()); err != nil {
		return err
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeEdit, Edit: &e.result})
	}
	return a.show(view.EditReport(&e.result))
}

// note remembers a change, with the spec that owns the entry.
func (e *entryEdit) note(name string, before, after digest.Digest) {
	c := view.EntryChange{Name: name, Before: before, After: after}
	for _, st := range e.owners {
		owned := slices.ContainsFunc(st.Untagged, func(d ocispec.Descriptor) bool { return name == "" && d.Digest == before })
		if d, ok := st.Tags[name]; ok && d.Digest != after || owned && after == "" {
			c.Spec = st.Spec
		}
	}
	e.result.Entries = append(e.result.Entries, c)
}

// set makes a name that of an image.
func (e *entryEdit) set(name string, desc ocispec.Descriptor) error {
	before := digest.Digest("")
	if found := e.index.Resolve(name); len(found) > 0 {
		if before = found[0].Digest; before == desc.Digest && len(found) == 1 {
			return nil
		}
		e.lost = append(e.lost, found...)
	}
	e.note(name, before, desc.Digest)
	return e.index.Set(layout.WithRefName(desc, name))
}

// mayGo refuses to remove what an index names.
func (e *entryEdit) mayGo(ctx context.Context, dgst digest.Digest) error {
	near, err := e.store.Predecessors(ctx, ocispec.Descriptor{Digest: dgst})
	if err != nil {
		return err
	}
	for _, d := range near {
		doc, err := e.store.Document(ctx, d)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(doc.Manifests, func(to ocispec.Descriptor) bool { return to.Digest == dgst }) {
			return &failure{message: fmt.Sprintf("the index %s names %s, and nothing was changed", d.Digest, dgst), hint: "remove the index first"}
		}
	}
	return nil
}

// removeAll removes all entries of a digest.
func (e *entryEdit) removeAll(dgst digest.Digest) {
	for _, d := range e.index.Descriptors() {
		if d.Digest == dgst {
			e.note(layout.RefName(d), dgst, "")
		}
	}
	e.index.RemoveWhere(func(d ocispec.Descriptor) bool { return d.Digest == dgst })
}

// retain keeps images that nothing leads to any more by their digests.
func (e *entryEdit) retain(ctx context.Context) error {
	if len(e.lost) == 0 {
		return nil
	}
	there, err := registry.Images(ctx, e.store.Reader, e.index.Descriptors())
	if err != nil {
		return err
	}
	for _, d := range e.lost {
		if there[d.Digest] {
			continue
		}
		there[d.Digest] = true
		name := registry.UntaggedName(d)
		e.note(name, "", d.Digest)
		if err := e.index.Set(layout.WithRefName(d, name)); err != nil {
			return err
		}
	}
	return nil
}
