package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec"
)

// dir is the directory of the spec: that of -f FILE, or the working directory.
func (f specFlags) dir() string {
	if f.File == "" {
		return "."
	}
	return filepath.Dir(f.File)
}

// name is that of the one spec file; empty for all of the directory.
func (f specFlags) name() string {
	if f.File == "" {
		return ""
	}
	return filepath.Base(f.File)
}

// load loads the spec, shows its warnings, and gives its mistakes as an error.
func (a *app) load(f specFlags, v valueFlags) (*spec.Spec, error) {
	opts, err := a.values(v)
	if err != nil {
		return nil, err
	}
	return a.loadWith(f, opts)
}

// loadBased is load for a spec that is planned: its bases are looked for.
func (a *app) loadBased(ctx context.Context, f specFlags, v valueFlags, b *bases) (*spec.Spec, error) {
	opts, err := a.values(v)
	if err != nil {
		return nil, err
	}
	opts.Bases = func(requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
		return b.Resolve(ctx, requests)
	}
	return a.loadWith(f, opts)
}

// loadPlace is load for a spec of which only its name, and the path of its layout, are
// used. Where these do not depend on variables that have no value, none is asked for.
func (a *app) loadPlace(f specFlags, v valueFlags) (*spec.Spec, error) {
	sp, err := a.load(f, v)
	if err == nil {
		return sp, nil
	}
	opts, wrong := a.values(v)
	if wrong != nil {
		return nil, wrong
	}
	opts.CheckOnly, opts.File = true, f.name()
	if sp, diags := spec.Load(f.dir(), opts); !diags.HasErrors() && sp.LayoutPath != "" {
		return sp, nil
	}
	return nil, err
}

// check is load for a spec that is not used: variables may be without values.
func (a *app) check(f specFlags, v valueFlags) error {
	opts, err := a.values(v)
	if err != nil {
		return err
	}
	opts.CheckOnly = true
	_, err = a.loadWith(f, opts)
	return err
}

func (a *app) loadWith(f specFlags, opts spec.LoadOptions) (*spec.Spec, error) {
	opts.File = f.name()
	a.files = map[string]*hcl.File{} // to which looking for the bases adds the lock file
	sp, diags := spec.Load(f.dir(), opts)
	maps.Copy(a.files, sp.Files)
	if diags.HasErrors() {
		return nil, diags
	}
	return sp, a.warn(diags)
}

// values gathers what the environment and the command line say about variables.
func (a *app) values(v valueFlags) (spec.LoadOptions, error) {
	opts := spec.LoadOptions{Version: version()}
	for _, entry := range a.environ {
		key, value, _ := strings.Cut(entry, "=")
		if name, ok := strings.CutPrefix(key, "LAYFORM_VAR_"); ok && name != "" {
			opts.Environ = append(opts.Environ, spec.Assignment{Name: name, Text: value, Origin: key})
		}
	}
	for _, given := range v.inOrder() {
		if given.file && given.text == "" {
			return opts, &failure{message: "--var-file names no file", hint: "write --var-file FILE"}
		}
		if given.file {
			opts.Arguments = append(opts.Arguments, spec.Argument{File: given.text})
			continue
		}
		name, value, ok := strings.Cut(given.text, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return opts, &failure{
				message: fmt.Sprintf("--var %q has no value", given.text),
				hint:    "write --var NAME=VALUE",
			}
		}
		opts.Arguments = append(opts.Arguments, spec.Argument{Assignment: spec.Assignment{Name: name, Text: value, Origin: "--var"}})
	}
	return opts, nil
}

// epoch is SOURCE_DATE_EPOCH, nil where it is not set.
func (a *app) epoch() (*int64, error) {
	text, ok := a.lookupEnv("SOURCE_DATE_EPOCH")
	if !ok || text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > imagespec.MaxSeconds {
		return nil, &failure{
			message: fmt.Sprintf("SOURCE_DATE_EPOCH=%q is not a time", text),
			hint:    "give whole seconds since 1970 in decimal digits, or unset it",
		}
	}
	return &n, nil
}

// openLayout opens the layout of a spec whose directory is dir.
func openLayout(dir, path string) (*layout.Store, error) {
	return layout.Open(view.LayoutPath(dir, path), layout.Options{})
}
