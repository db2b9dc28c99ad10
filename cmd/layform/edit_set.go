package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/edit"
)

// setCmd sets attributes of an object.
type setCmd struct {
	Target   string   `arg:"" name:"target" help:"An address such as config.app; or a kind, such as config, of which the spec has one block."`
	Settings []string `arg:"" optional:"" name:"setting" help:"ATTRIBUTE=VALUE. Text is taken as it is; a list is written with commas between its elements, or like all else as an expression."`
	Unset    []string `name:"unset" sep:"none" placeholder:"ATTRIBUTE" help:"Take an attribute out of the block. Repeatable."`
	platformFlags
	Env           []string `name:"env" sep:"none" placeholder:"NAME=VALUE" help:"Set an environment variable of a config. Repeatable."`
	Label         []string `name:"label" sep:"none" placeholder:"KEY=VALUE" help:"Set a label of a config. Repeatable."`
	ReplaceLabels bool     `name:"replace-labels" help:"Replace all labels by those of --label."`
	editFlags
}

// platformFlags are the parts of a config's platform.
type platformFlags struct {
	Architecture string `name:"architecture" placeholder:"ARCH" help:"The architecture of a config, as GOARCH has it."`
	OS           string `name:"os" placeholder:"OS" help:"The operating system of a config, as GOOS has it."`
}

// Help shows how the command is used.
func (c *setCmd) Help() string {
	return `For example:
  layform set config --architecture arm64 --label org.opencontainers.image.version=1.0.0
  layform set config.app user=65532:65532 entrypoint=/app,--verbose
  layform set layer.app compression=zstd --apply`
}

// Run edits the spec.
func (c *setCmd) Run(ctx context.Context, a *app) error {
	settings, err := pairs("the setting", c.Settings)
	if err != nil {
		return err
	}
	env, err := pairs("--env", c.Env)
	if err != nil {
		return err
	}
	labels, err := pairs("--label", c.Label)
	if err != nil {
		return err
	}
	ofConfigs := c.platformFlags != platformFlags{} || len(env) > 0 || len(labels) > 0 || c.ReplaceLabels
	if !ofConfigs && len(settings) == 0 && len(c.Unset) == 0 {
		return &failure{message: "there is nothing to set", hint: "add ATTRIBUTE=VALUE; layform reference config lists the attributes of configs"}
	}
	return c.run(ctx, a, func(e *editing) error {
		to, err := e.object(c.Target, addr.Base, addr.Layer, addr.Config, addr.Manifest, addr.Index)
		if err != nil {
			return err
		}
		if ofConfigs && to.Kind != addr.Config {
			return &failure{message: fmt.Sprintf("--architecture, --os, --env and --label are for configs, and %s is a %s", to, to.Kind)}
		}
		if err := e.setAll(to, settings, c.Unset); err != nil {
			return err
		}
		if err := e.setPlatform(to, c.platformFlags); err != nil {
			return err
		}
		if err := e.SetMap(to, "env", env, false); err != nil {
			return err
		}
		return e.SetMap(to, "labels", labels, c.ReplaceLabels)
	})
}

// setAll sets and removes attributes.
func (e *editing) setAll(to addr.Address, settings []edit.Pair, unset []string) error {
	for _, s := range settings {
		value, err := edit.Value(to.Kind, s.Key, s.Value)
		if err != nil {
			return err
		}
		if err := e.Set(to, s.Key, value); err != nil {
			return err
		}
	}
	for _, name := range unset {
		if _, set, _ := e.Literal(to, name); !set {
			return &failure{message: fmt.Sprintf("%s has no attribute %s to take away", to, name), hint: "the block does not set it"}
		}
		if err := e.Unset(to, name); err != nil {
			return err
		}
	}
	return nil
}

// setPlatform sets parts of a config's platform, in the form that the block has it.
func (e *editing) setPlatform(to addr.Address, f platformFlags) error {
	if f == (platformFlags{}) {
		return nil
	}
	text, set, ok := e.Literal(to, "platform")
	if set && !ok {
		return &failure{message: fmt.Sprintf("platform of %s is an expression", to), hint: "change the expression by hand"}
	}
	if set {
		p, err := imagespec.ParsePlatform(text)
		if err != nil {
			return &failure{message: fmt.Sprintf("platform of %s: %v", to, err)}
		}
		if f.Architecture != "" && f.Architecture != p.Architecture {
			p.Architecture, p.Variant = f.Architecture, ""
		}
		p.OS = cmp.Or(f.OS, p.OS)
		return e.setAll(to, []edit.Pair{{Key: "platform", Value: imagespec.PlatformText(p)}}, nil)
	}
	var settings []edit.Pair
	if f.Architecture != "" {
		settings = append(settings, edit.Pair{Key: "architecture", Value: f.Architecture})
	}
	if f.OS != "" {
		settings = append(settings, edit.Pair{Key: "os", Value: f.OS})
	}
	return e.setAll(to, settings, nil)
}
