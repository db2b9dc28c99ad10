package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/stage"
)

// pushCmd pushes what the spec's layout holds for it.
type pushCmd struct {
	Args []string `arg:"" name:"[address|ref] docker://host/repository[:tag]" help:"The repository, and in front of it the address or the tag of one image of the spec; all its tags unless given."`
	specFlags
	valueFlags
	transferFlags
}

// Help gives examples.
func (c *pushCmd) Help() string {
	return `For example:
  layform push docker://registry.example.com/team/app                  all tags of the spec
  layform push index.app docker://registry.example.com/team/app:v1     one image, by address or tag
  layform push --dry-run docker://registry.example.com/team/app        what would be sent`
}

// Run copies the images of the last apply.
func (c *pushCmd) Run(ctx context.Context, a *app) (err error) {
	if len(c.Args) > 2 {
		return &failure{message: "push takes one image and one repository", hint: "without an image all tags of the spec are pushed"}
	}
	dst, err := ref.Locate(c.Args[len(c.Args)-1])
	if err != nil {
		return err
	}
	if dst.Transport != ref.Registry {
		return &failure{message: fmt.Sprintf("push goes to a registry, and %s is none", dst), hint: "layform copy copies between any two places"}
	}
	sp, err := a.loadPlace(c.specFlags, c.valueFlags)
	if err != nil {
		return err
	}
	s, err := c.ship(ctx, a, ref.Reference{Transport: ref.Layout, Path: view.LayoutPath(c.dir(), sp.LayoutPath)}, dst)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	st, err := stageOf(ctx, s.src.store, sp)
	if err != nil {
		return err
	}
	what := ""
	if len(c.Args) == 2 {
		what = c.Args[0]
	}
	images, err := s.staged(ctx, st, what)
	if err != nil {
		return err
	}
	return s.run(ctx, images)
}

// staged lists the images that the last apply of the spec left: the one of an
// address or a tag, or all that have a tag.
func (s *shipment) staged(ctx context.Context, st *stage.Stage, what string) ([]named, error) {
	index, err := s.src.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	var all []named
	for _, tag := range slices.Sorted(maps.Keys(st.Tags)) {
		found := index.Resolve(tag)
		if len(found) != 1 || found[0].Digest != st.Tags[tag].Digest {
			return nil, &failure{message: fmt.Sprintf("the tag %s in index.json is not what the last apply of the spec made it", tag), hint: "layform apply mends that"}
		}
		all = join(all, found[0], tag)
	}
	if what == "" {
		if len(all) == 0 {
			return nil, &failure{message: "the layout holds no tags of the spec", hint: "layform apply builds them; name an object without a tag by its address"}
		}
		return all, nil
	}
	object, isObject := st.Objects[what]
	for _, image := range all {
		if slices.Contains(image.tags, what) {
			image.tags = []string{what}
			return []named{image}, nil
		}
		if isObject && image.desc.Digest == object.Descriptor.Digest {
			return []named{image}, nil
		}
	}
	if !isObject {
		return nil, &failure{message: fmt.Sprintf("the layout holds nothing with the address or the tag %q for the spec", what), hint: "layform status lists what it holds"}
	}
	return []named{{desc: object.Descriptor}}, nil
}
