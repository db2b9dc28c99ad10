package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/edit"
)

// pairs reads KEY=VALUE texts of a flag.
func pairs(flag string, texts []string) ([]edit.Pair, error) {
	var list []edit.Pair
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, &failure{message: fmt.Sprintf("%s %q is no KEY=VALUE", flag, text), hint: "write " + flag + " KEY=VALUE"}
		}
		list = append(list, edit.Pair{Key: key, Value: value})
	}
	return list, nil
}

// annotateCmd sets annotations of an object.
type annotateCmd struct {
	Target     string   `arg:"" name:"target" help:"An address such as manifest.app; or layer, config, manifest or index, where the spec has one."`
	Annotation []string `name:"annotation" sep:"none" placeholder:"KEY=VALUE" help:"An annotation. Repeatable."`
	Replace    bool     `name:"replace" help:"Replace all annotations instead of merging; without --annotation, remove them."`
	Descriptor bool     `name:"descriptor" help:"Annotate the descriptors of the manifest or index, in indexes and in index.json, and not the document."`
	Index      *int     `name:"index" placeholder:"N" help:"With the target layer, or a manifest: the layer at this place of the manifest, counted from 0; of the spec, where it has no manifest yet."`
	editFlags
}

// Help shows how the command is used.
func (c *annotateCmd) Help() string {
	return `For example:
  layform annotate manifest --annotation org.opencontainers.image.version=1.0.0
  layform annotate layer.app --annotation com.example.role=app --apply
  layform annotate layer --index 0 --annotation com.example.role=base --replace
  layform annotate index.app --descriptor --annotation com.example.channel=stable`
}

// Run edits the spec.
func (c *annotateCmd) Run(ctx context.Context, a *app) error {
	list, err := pairs("--annotation", c.Annotation)
	if err != nil {
		return err
	}
	if len(list) == 0 && !c.Replace {
		return &failure{message: "there is no --annotation", hint: "add --annotation KEY=VALUE; --replace without one removes all"}
	}
	return c.run(ctx, a, func(e *editing) error {
		to, err := c.object(e)
		if err != nil {
			return err
		}
		name := "annotations"
		if c.Descriptor {
			if to.Kind != addr.Manifest && to.Kind != addr.Index {
				return &failure{message: fmt.Sprintf("--descriptor is for manifests and indexes, and %s is a %s", to, to.Kind), hint: "leave it out: annotations of layers and configs are those of their descriptors"}
			}
			name = "descriptor_annotations"
		}
		return e.SetMap(to, name, list, c.Replace)
	})
}

// object is the object to annotate.
func (c *annotateCmd) object(e *editing) (addr.Address, error) {
	if c.Index == nil {
		return e.object(c.Target, addr.Layer, addr.Config, addr.Manifest, addr.Index)
	}
	target := c.Target
	layers := e.Blocks(addr.Layer)
	if target == string(addr.Layer) && len(e.Blocks(addr.Manifest)) == 0 && *c.Index >= 0 && *c.Index < len(layers) {
		return layers[*c.Index], nil
	}
	if target == string(addr.Layer) {
		target = string(addr.Manifest)
	}
	m, err := e.object(target, addr.Manifest)
	if err != nil {
		return m, err
	}
	return e.Element(m, "layers", *c.Index)
}

// tagCmd adds tags.
type tagCmd struct {
	Target string   `arg:"" name:"target" help:"An address such as index.app; or manifest or index, where the spec has one."`
	Tags   []string `arg:"" name:"tag" help:"The tags: ref names in index.json."`
	editFlags
}

// Help shows how the command is used.
func (c *tagCmd) Help() string {
	return `For example:
  layform tag manifest v1.0 latest
  layform tag index.app v1.0 --apply

layform layout tag changes a layout, and not the spec.`
}

// Run edits the spec.
func (c *tagCmd) Run(ctx context.Context, a *app) error {
	for _, tag := range c.Tags {
		if err := imagespec.CheckRefName(tag); err != nil {
			return &failure{message: fmt.Sprintf("the tag %q %v", tag, err)}
		}
	}
	return c.run(ctx, a, func(e *editing) error {
		to, err := e.object(c.Target, addr.Manifest, addr.Index)
		if err != nil {
			return err
		}
		return e.AppendText(to, "tags", c.Tags)
	})
}

// untagCmd takes tags away.
type untagCmd struct {
	Target string   `arg:"" name:"target" help:"An address such as index.app; or manifest or index, where the spec has one."`
	Tags   []string `arg:"" name:"tag" help:"The tags, which the spec must spell out."`
	editFlags
}

// Help shows how the command is used.
func (c *untagCmd) Help() string {
	return `For example:
  layform untag manifest latest
  layform untag index.app v0.9 --apply`
}

// Run edits the spec.
func (c *untagCmd) Run(ctx context.Context, a *app) error {
	return c.run(ctx, a, func(e *editing) error {
		to, err := e.object(c.Target, addr.Manifest, addr.Index)
		if err != nil {
			return err
		}
		for _, tag := range c.Tags {
			if err := e.RemoveText(to, "tags", tag); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeCmd takes objects out of the spec.
type removeCmd struct {
	Addresses []string `arg:"" name:"address" help:"Addresses such as layer.app."`
	editFlags
}

// Help shows how the command is used.
func (c *removeCmd) Help() string {
	return `For example:
  layform remove layer.patches
  layform remove index.app manifest.app config.app layer.app --apply

It is taken out of the lists of layers and manifests as well, and its import block goes along; what needs it in another way is named, and nothing is removed.`
}

// Run edits the spec.
func (c *removeCmd) Run(ctx context.Context, a *app) error {
	return c.run(ctx, a, func(e *editing) error {
		addresses := make([]addr.Address, len(c.Addresses))
		for i, text := range c.Addresses {
			address, err := parseAddress(text)
			if err != nil {
				return err
			}
			addresses[i] = address
		}
		return e.Remove(addresses...)
	})
}

// parseAddress reads an address of the command line.
func parseAddress(text string) (addr.Address, error) {
	address, err := addr.Parse(text)
	if err != nil {
		return address, &failure{message: err.Error(), hint: "write KIND.NAME, such as layer.app"}
	}
	return address, nil
}

// renameCmd gives an object another name.
type renameCmd struct {
	Address string `arg:"" name:"address" help:"An address such as layer.app."`
	Name    string `arg:"" name:"name" help:"The new name."`
	editFlags
}

// Help shows how the command is used.
func (c *renameCmd) Help() string {
	return `For example:
  layform rename layer.app server

Wherever the spec names the object, it has the new name afterwards. What the layout holds of it has the old one
until layform state mv gives it the new one as well, or the next apply takes it for another object of the same bytes.`
}

// Run edits the spec.
func (c *renameCmd) Run(ctx context.Context, a *app) error {
	address, err := parseAddress(c.Address)
	if err != nil {
		return err
	}
	return c.run(ctx, a, func(e *editing) error {
		if err := e.Rename(address, c.Name); err != nil || c.Apply {
			return err
		}
		to := addr.Address{Kind: address.Kind, Name: c.Name}
		return writeTo(a.stderr, fmt.Sprintf("layform: where the layout holds it, layform state mv %s %s keeps it the same object\n", address, to))
	})
}
