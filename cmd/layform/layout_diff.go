package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// layoutDiffCmd compares two images.
type layoutDiffCmd struct {
	Before   string `arg:"" name:"before" help:"DIR[:REF][@DIGEST], or a tar that holds a layout; DIR alone when it holds one image."`
	After    string `arg:"" name:"after" help:"The image that is compared with it, likewise."`
	Platform string `name:"platform" placeholder:"OS/ARCH[/VARIANT]" help:"The platform to take out of indexes; this machine's architecture on linux unless given."`
	Detailed bool   `name:"detailed-exitcode" help:"Exit with 2 where the images differ."`
}

// Help gives examples.
func (c *layoutDiffCmd) Help() string {
	return `For example:
  layform layout diff dist/app:v1 dist/app:v2
  layform layout diff old.tar dist/app:latest --detailed-exitcode`
}

// Run compares manifests and configs member by member, and the files of the images by
// type, mode, owner, time, content and xattrs.
func (c *layoutDiffCmd) Run(ctx context.Context, a *app) (err error) {
	before := &imageFlags{Image: c.Before, Platform: c.Platform}
	after := &imageFlags{Image: c.After, Platform: c.Platform}
	was, err := before.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, was.store.Close()) }()
	is, err := after.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, is.store.Close()) }()
	d := &view.ImageDiff{Before: c.Before, After: c.After}
	if d.Manifest, err = diffValues(was.doc, is.doc); err != nil {
		return err
	}
	if d.Config, err = diffConfigs(ctx, was, is); err != nil {
		return err
	}
	if !slices.EqualFunc(was.layers, is.layers, func(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest }) {
		d.Files = planner.DiffFiles(was.entryList(), is.entryList())
	}
	if c.Detailed && !d.Same() {
		a.code = exitChanges
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeDiff, Diff: d})
	}
	return a.show(view.ImageDiffReport(d, view.DefaultRows))
}

// entryList are the files of an image.
func (img *image) entryList() []*layer.Entry {
	var all []*layer.Entry
	for f := range img.files.Files() {
		e := f.Entry
		all = append(all, &e)
	}
	return all
}

// diffConfigs compares the configs of two images, as far as they are JSON.
func diffConfigs(ctx context.Context, was, is *image) ([]planner.FieldChange, error) {
	var docs [2]map[string]any
	for i, img := range []*image{was, is} {
		if img.doc.Config == nil {
			continue
		}
		data, err := img.store.ReadBlob(ctx, *img.doc.Config, imagespec.MaxDocument)
		if err != nil {
			return nil, err
		}
		if docs[i], err = jsonObject(data); err != nil && img.doc.Config.MediaType == ocispec.MediaTypeImageConfig {
			return nil, &failure{message: fmt.Sprintf("the config %s cannot be understood: %v", img.doc.Config.Digest, err)}
		}
	}
	return diffMembers(docs[0], docs[1])
}

// diffValues compares two values that have a JSON form.
func diffValues(was, is any) ([]planner.FieldChange, error) {
	var docs [2]map[string]any
	for i, v := range []any{was, is} {
		data, err := json.Marshal(v)
		if err == nil {
			docs[i], err = jsonObject(data)
		}
		if err != nil {
			return nil, err
		}
	}
	return diffMembers(docs[0], docs[1])
}

// jsonObject reads a JSON object with its numbers as they are.
func jsonObject(data []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var doc map[string]any
	return doc, dec.Decode(&doc)
}

// diffMembers compares two objects by their members, at any depth.
func diffMembers(was, is map[string]any) ([]planner.FieldChange, error) {
	before, after := map[string]spec.JSON{}, map[string]spec.JSON{}
	if err := errors.Join(flatten(before, "", was), flatten(after, "", is)); err != nil {
		return nil, err
	}
	paths := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(paths)
	var out []planner.FieldChange
	for _, path := range slices.Compact(paths) {
		if before[path] != after[path] {
			out = append(out, planner.FieldChange{Path: path, Before: before[path], After: after[path]})
		}
	}
	return out, nil
}

// flatten adds the values in v by their paths, as jq writes them. What is null says
// nothing.
func flatten(out map[string]spec.JSON, path string, v any) error {
	var errs []error
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for name, member := range v {
			step := "." + name
			if !plainName(name) {
				step = fmt.Sprintf("[%q]", name)
			}
			errs = append(errs, flatten(out, path+step, member))
		}
	case []any:
		for i, element := range v {
			errs = append(errs, flatten(out, fmt.Sprintf("%s[%d]", path, i), element))
		}
	default:
		data, err := json.Marshal(v)
		var text spec.JSON
		errs = append(errs, err, text.UnmarshalJSON(data))
		out[path] = text
	}
	return errors.Join(errs...)
}

// plainName reports whether a name needs no quotation marks in a path.
func plainName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
