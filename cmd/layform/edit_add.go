package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/edit"
)

// addCmd adds objects to the spec.
type addCmd struct {
	Layer    addLayerCmd    `cmd:"" help:"Add a layer from a tar, or from any other file with --media-type."`
	Base     addBaseCmd     `cmd:"" help:"Add an image that a manifest stands on."`
	Config   addConfigCmd   `cmd:"" help:"Add an image config."`
	Manifest addManifestCmd `cmd:"" help:"Add a manifest of the layers that no manifest has yet."`
}

// quoteAll writes settings of the command line as attributes of a kind.
func quoteAll(kind addr.Kind, settings ...edit.Pair) ([]edit.Setting, error) {
	var list []edit.Setting
	for _, s := range settings {
		if s.Value == "" {
			continue
		}
		value, err := edit.Value(kind, s.Key, s.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, edit.Setting{Name: s.Key, Expression: value})
	}
	return list, nil
}

// name is a name for a new object, made from a text. One that differs from the text is shown.
func (e *editing) name(kind addr.Kind, text string) (addr.Address, error) {
	a := addr.Address{Kind: kind, Name: e.NewName(kind, text)}
	if a.Name == text {
		return a, nil
	}
	e.names = append(e.names, view.GivenName{Address: a.String(), From: text})
	return a, writeTo(e.a.stderr, fmt.Sprintf("layform: %q is named %s\n", text, a))
}

// users are the manifests that a new object is for: those that are named, or the only
// one. Without any in the spec, it is for one that is added later.
func (e *editing) users(targets []string) ([]addr.Address, error) {
	all := e.Blocks(addr.Manifest)
	if len(targets) == 0 && len(all) == 0 {
		return nil, writeTo(e.a.stderr, "layform: no manifest uses it yet; layform add manifest makes one\n")
	}
	if len(targets) == 0 {
		if len(all) > 1 {
			return nil, &failure{message: fmt.Sprintf("the spec has %d manifests, and nothing says which is meant", len(all)), hint: "add --to ADDRESS, once for each manifest"}
		}
		return all, nil
	}
	var users []addr.Address
	for _, target := range targets {
		m, err := e.object(target, addr.Manifest)
		if err != nil {
			return nil, err
		}
		users = append(users, m)
	}
	return users, nil
}

// neighbour is the block whose file a new object goes to.
func neighbour(users []addr.Address) addr.Address {
	if len(users) == 0 {
		return addr.Address{}
	}
	return users[0]
}

// addBaseCmd adds a base.
type addBaseCmd struct {
	From     string   `arg:"" name:"from" help:"The image: oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or docker://…; paths are relative to the directory of the spec."`
	Name     string   `name:"name" placeholder:"NAME" help:"The name of the block; made of the reference unless set."`
	Platform string   `name:"platform" placeholder:"OS/ARCH[/VARIANT]" help:"The platform of the image, out of an index."`
	To       []string `name:"to" sep:"none" placeholder:"ADDRESS" help:"The manifest that stands on it; the only one unless set. Repeatable."`
	editFlags
}

// Help shows how the command is used.
func (c *addBaseCmd) Help() string {
	return `For example:
  layform add base docker://docker.io/library/alpine:3.20 --platform linux/amd64
  layform add base oci:vendor/alpine:1 --name alpine --to manifest.app`
}

// Run edits the spec.
func (c *addBaseCmd) Run(ctx context.Context, a *app) error {
	return c.run(ctx, a, func(e *editing) error {
		users, err := e.users(c.To)
		if err != nil {
			return err
		}
		base, err := e.name(addr.Base, cmp.Or(c.Name, imageName(c.From)))
		if err != nil {
			return err
		}
		settings, err := quoteAll(addr.Base, edit.Pair{Key: "from", Value: c.From}, edit.Pair{Key: "platform", Value: c.Platform})
		if err != nil {
			return err
		}
		if err := e.AddBlock(base, neighbour(users), settings); err != nil {
			return err
		}
		for _, m := range users {
			if _, set, _ := e.Literal(m, "base"); set {
				return &failure{message: fmt.Sprintf("%s has a base already", m), hint: fmt.Sprintf("change it with layform set %s base=base.NAME", m)}
			}
			if err := e.Set(m, "base", base.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// imageName is the last part of a reference without its tag and digest: alpine.
func imageName(from string) string {
	_, name, _ := strings.Cut(from, ":")
	name, _, _ = strings.Cut(name, "@")
	name = path.Base(name)
	name, _, _ = strings.Cut(name, ":")
	return strings.TrimSuffix(name, ".tar")
}

// addConfigCmd adds an image config.
type addConfigCmd struct {
	Name string `name:"name" default:"app" placeholder:"NAME" help:"The name of the block."`
	platformFlags
	Label []string `name:"label" sep:"none" placeholder:"KEY=VALUE" help:"A label. Repeatable."`
	editFlags
}

// Help shows how the command is used.
func (c *addConfigCmd) Help() string {
	return `For example:
  layform add config --architecture arm64 --os linux --label org.opencontainers.image.version=1.0.0`
}

// Run edits the spec. On a terminal it asks for what the flags leave open.
func (c *addConfigCmd) Run(ctx context.Context, a *app) error {
	labels, err := pairs("--label", c.Label)
	if err != nil {
		return err
	}
	return c.run(ctx, a, func(e *editing) error {
		architecture, err := a.choose(ctx, "Architecture", c.Architecture, "amd64")
		if err != nil {
			return err
		}
		os, err := a.choose(ctx, "OS", c.OS, "linux")
		if err != nil {
			return err
		}
		config, err := e.name(addr.Config, c.Name)
		if err != nil {
			return err
		}
		settings, err := quoteAll(addr.Config, edit.Pair{Key: "platform", Value: os + "/" + architecture})
		if err != nil {
			return err
		}
		if err := e.AddBlock(config, addr.Address{}, settings); err != nil {
			return err
		}
		return e.SetMap(config, "labels", labels, false)
	})
}

// choose is a value: the given one or, on a terminal, the answer to a question, or the fallback.
func (a *app) choose(ctx context.Context, text, given, fallback string) (string, error) {
	if given != "" || !a.terminal.in || a.json {
		return cmp.Or(given, fallback), nil
	}
	shown := fallback
	if shown == "" {
		shown = "none"
	}
	answer, err := a.readLine(ctx, fmt.Sprintf("%s [%s]: ", text, shown))
	return cmp.Or(answer, fallback), err
}

// addManifestCmd adds a manifest.
type addManifestCmd struct {
	Name       string   `name:"name" default:"app" placeholder:"NAME" help:"The name of the block."`
	RefName    []string `name:"ref-name" sep:"none" placeholder:"TAG" help:"A tag: a ref name in index.json. Repeatable."`
	Annotation []string `name:"annotation" sep:"none" placeholder:"KEY=VALUE" help:"An annotation. Repeatable."`
	Config     string   `name:"config" default:"config" placeholder:"ADDRESS" help:"The config; the only one unless set."`
	Layer      []string `name:"layer" sep:"none" placeholder:"ADDRESS" help:"A layer, bottom first; those that no manifest has yet unless set. Repeatable."`
	editFlags
}

// Help shows how the command is used.
func (c *addManifestCmd) Help() string {
	return `For example:
  layform add manifest --ref-name latest --annotation org.opencontainers.image.version=1.0.0 --apply
  layform add manifest --name web --config config.web --layer layer.base --layer layer.web`
}

// Run edits the spec. On a terminal it asks for a tag where no flag has one.
func (c *addManifestCmd) Run(ctx context.Context, a *app) error {
	annotations, err := pairs("--annotation", c.Annotation)
	if err != nil {
		return err
	}
	return c.run(ctx, a, func(e *editing) error {
		tags := c.RefName
		if len(tags) == 0 {
			tag, err := a.choose(ctx, "Reference name (e.g. latest)", "", "")
			if err != nil {
				return err
			}
			if tag != "" {
				tags = []string{tag}
			}
		}
		for _, tag := range tags {
			if err := imagespec.CheckRefName(tag); err != nil {
				return &failure{message: fmt.Sprintf("the tag %q %v", tag, err)}
			}
		}
		m, err := c.add(e)
		if err != nil {
			return err
		}
		if err := e.SetMap(m, "annotations", annotations, false); err != nil {
			return err
		}
		return e.AppendText(m, "tags", tags)
	})
}

// add adds the block with its config and layers.
func (c *addManifestCmd) add(e *editing) (addr.Address, error) {
	config, err := e.object(c.Config, addr.Config)
	if err != nil {
		return config, err
	}
	layers := e.Unused(addr.Layer)
	if len(c.Layer) > 0 {
		layers = nil
		for _, text := range c.Layer {
			l, err := e.object(text, addr.Layer)
			if err != nil {
				return l, err
			}
			layers = append(layers, l)
		}
	}
	if len(layers) == 0 {
		return addr.Address{}, &failure{message: "the spec has no layer that is not in a manifest already", hint: "add one with layform add layer FILE, or name layers with --layer"}
	}
	m, err := e.name(addr.Manifest, c.Name)
	if err != nil {
		return m, err
	}
	texts := make([]string, len(layers))
	for i, l := range layers {
		texts[i] = l.String()
	}
	return m, e.AddBlock(m, config, []edit.Setting{
		{Name: "config", Expression: config.String()},
		{Name: "layers", Expression: "[" + strings.Join(texts, ", ") + "]"},
	})
}
