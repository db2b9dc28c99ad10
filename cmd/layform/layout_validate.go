package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// layoutValidateCmd checks any layout against the image spec.
type layoutValidateCmd struct {
	Path        string `arg:"" name:"path" help:"The directory of the layout, or a tar that holds one, plain or compressed with gzip or zstd."`
	Quick       bool   `name:"quick" help:"Check structure and sizes, and hash documents alone; read no other blob."`
	SkipLayers  bool   `name:"skip-layers" help:"Hash layers without decompressing them."`
	Sparse      bool   `name:"sparse" help:"Allow blobs to be missing."`
	Complete    bool   `name:"complete" help:"Let no blob be missing, those that bases left in registries among them."`
	Parallelism int    `name:"parallelism" default:"0" placeholder:"N" help:"Read this many blobs at once; 0 is the number of processors."`
}

// Help gives examples.
func (c *layoutValidateCmd) Help() string {
	return `For example:
  layform layout validate dist/app
  layform layout validate app.tar`
}

// Run reports all findings. It fails when the layout breaks a rule that the
// image spec states with MUST.
func (c *layoutValidateCmd) Run(ctx context.Context, a *app) error {
	if err := (&parallelFlags{Parallelism: c.Parallelism}).check(); err != nil {
		return err
	}
	findings, err := c.findings(ctx)
	if err != nil {
		return err
	}
	valid := true
	for _, f := range findings {
		valid = valid && f.Severity != validate.Must
	}
	doc := view.Document{Type: view.TypeFindings, Findings: findings}
	switch {
	case a.json && valid:
		return a.print(doc)
	case !a.json:
		if err := a.show(view.FindingsReport(c.Path, findings)); err != nil {
			return err
		}
	}
	if valid {
		return nil
	}
	return &failure{message: fmt.Sprintf("%s is not a valid layout", c.Path), partial: &doc}
}

// findings validates a directory or an archive.
func (c *layoutValidateCmd) findings(ctx context.Context) ([]validate.Finding, error) {
	path, err := wholeLayout(c.Path)
	if err != nil {
		return nil, err
	}
	in, err := openLayoutAt(ctx, path, true)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	opts := validate.Options{Quick: c.Quick, SkipLayers: c.SkipLayers, Sparse: c.Sparse, Parallelism: c.Parallelism}
	if in.store != nil && !c.Complete {
		opts.Homes = homesOf(ctx, in.store)
	}
	if in.tar != nil {
		return collect(validate.Archive(ctx, in.tar, layout.Limits{}, opts))
	}
	return collect(validate.Layout(ctx, in.Reader, opts))
}

// collect gathers findings; they are never nil.
func collect(seq iter.Seq2[validate.Finding, error]) ([]validate.Finding, error) {
	findings := []validate.Finding{}
	for f, err := range seq {
		if err != nil {
			return nil, err
		}
		findings = append(findings, f)
	}
	return findings, nil
}
