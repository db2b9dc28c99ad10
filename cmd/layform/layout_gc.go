package main

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/stage"
)

// layoutGCCmd deletes the blobs that nothing reaches.
type layoutGCCmd struct {
	Dir      string        `arg:"" name:"dir" help:"The directory of the layout."`
	Keep     []string      `name:"keep" sep:"none" placeholder:"DIGEST" help:"Keep this blob and all that it leads to. Repeatable."`
	MinAge   time.Duration `name:"min-age" default:"24h" placeholder:"DURATION" help:"Delete only blobs that have stood there this long; 0s deletes them at once."`
	Untagged bool          `name:"untagged" help:"First remove images that a registry keeps by their digests alone (REPOSITORY@DIGEST) for as long as --min-age says, unless they refer to one that stays. With --dry-run their blobs are not counted."`
	DryRun   bool          `name:"dry-run" help:"Tell what would be deleted, and delete nothing."`
	waitFlag
}

// Help gives examples.
func (c *layoutGCCmd) Help() string {
	return `For example:
  layform layout gc --dry-run dist/app
  layform layout gc --min-age 0s dist/app      also what was written a moment ago`
}

// Run marks from index.json, from what all specs have staged and from --keep,
// and deletes the rest.
func (c *layoutGCCmd) Run(ctx context.Context, a *app) (err error) {
	dir, err := wholeLayout(c.Dir)
	if err != nil {
		return err
	}
	store, err := openExisting(dir, layout.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	if !c.DryRun {
		unlock, err := store.Lock(ctx, layout.Holder{Operation: "gc"}, c.Wait)
		if err != nil {
			return err
		}
		defer unlock()
	}
	opts, err := c.options(ctx, store)
	if err != nil {
		return err
	}
	edit, err := c.prune(ctx, store)
	if err != nil {
		return err
	}
	result, err := store.GC(ctx, opts)
	if err != nil {
		return &failure{err: err, message: err.Error(), partial: &view.Document{Type: view.TypeGC, GC: &result, Edit: edit}}
	}
	if !c.DryRun {
		// All of them: a run that was killed may have left some.
		there, err := store.BlobDigests(ctx)
		if err != nil {
			return err
		}
		if _, err := stage.PruneTOCs(ctx, store, there); err != nil {
			return err
		}
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeGC, GC: &result, Edit: edit})
	}
	if edit != nil && len(edit.Entries) > 0 {
		if err := a.show(view.EditReport(edit)); err != nil {
			return err
		}
	}
	return a.show(view.GCReport(&result, c.DryRun))
}

// prune removes the entries of untagged images, or with --dry-run tells which; nil where
// that is not asked for.
func (c *layoutGCCmd) prune(ctx context.Context, store *layout.Store) (*view.Edit, error) {
	if !c.Untagged {
		return nil, nil
	}
	pruned, err := registry.Prune(ctx, store, time.Now().Add(-c.MinAge), c.DryRun)
	if err != nil {
		return nil, err
	}
	edit := &view.Edit{Entries: []view.EntryChange{}}
	for _, d := range pruned {
		edit.Entries = append(edit.Entries, view.EntryChange{Name: layout.RefName(d), Before: d.Digest})
	}
	return edit, nil
}

// options gathers what is to be kept.
func (c *layoutGCCmd) options(ctx context.Context, store *layout.Store) (layout.GCOptions, error) {
	opts := layout.GCOptions{DryRun: c.DryRun, MinAge: c.MinAge}
	switch {
	case c.MinAge < 0:
		return opts, &failure{message: "--min-age must not be negative", hint: "0s deletes at once"}
	case c.MinAge == 0:
		opts.MinAge = -1
	}
	held, err := stage.OwnedContent(ctx, store)
	if err != nil {
		return opts, err
	}
	opts.Keep, opts.KeepBlobs = held.Roots, held.Blobs
	for _, text := range c.Keep {
		dgst, err := digest.Parse(text)
		if err != nil {
			return opts, &failure{message: fmt.Sprintf("--keep %s: not a digest: %v", text, err)}
		}
		desc, err := store.Describe(ctx, dgst)
		if err != nil {
			return opts, &failure{message: fmt.Sprintf("--keep %s: %v", text, err)}
		}
		opts.Keep = append(opts.Keep, desc)
	}
	return opts, nil
}

// layoutRepairCmd mends what can be mended.
type layoutRepairCmd struct {
	Dir      string `arg:"" name:"dir" help:"The directory of the layout."`
	MoveTorn bool   `name:"move-torn" help:"Move damaged blobs that layform cannot make again, and an index.json that cannot be understood, into .layform/torn."`
	DryRun   bool   `name:"dry-run" help:"Tell what would be done, and do nothing."`
	waitFlag
}

// Help gives examples.
func (c *layoutRepairCmd) Help() string {
	return `For example:
  layform layout repair --dry-run dist/app
  layform layout repair --move-torn dist/app   puts aside what cannot be mended`
}

// Run mends the layout, then what layform remembers of it. It fails when
// something is left that the user has to look after.
func (c *layoutRepairCmd) Run(ctx context.Context, a *app) error {
	dir, err := wholeLayout(c.Dir)
	if err != nil {
		return err
	}
	store, err := openExisting(dir, layout.Options{Inspect: true})
	if err != nil {
		return err
	}
	defer store.Close()
	if !c.DryRun {
		unlock, err := store.Lock(ctx, layout.Holder{Operation: "repair"}, c.Wait)
		if err != nil {
			return err
		}
		defer unlock()
	}
	lines, err := repair.Layout(ctx, store, repair.Options{DryRun: c.DryRun, MoveTorn: c.MoveTorn})
	doc := view.Document{Type: view.TypeRepair, Repair: lines}
	if err != nil {
		return &failure{err: err, message: err.Error(), partial: &doc}
	}
	left := 0
	for _, l := range lines {
		if l.Remedy == repair.Left {
			left++
		}
	}
	if !a.json {
		if err := a.show(view.RepairReport(c.Dir, lines, c.DryRun)); err != nil {
			return err
		}
	} else if left == 0 {
		return a.print(doc)
	}
	if left > 0 {
		return &failure{message: fmt.Sprintf("%s has problems that repair leaves to you", c.Dir), hint: "layform layout validate says all that is wrong", partial: &doc}
	}
	return nil
}
