package planner

import (
	"context"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/spec"
)

// Result is a plan with all that it was made from, which no plan file keeps.
type Result struct {
	Graph *Graph
	Prior *Prior
	Plan  *Plan
}

// New plans: it makes the graph of a loaded spec, observes, and compares.
func New(ctx context.Context, sp *spec.Spec, store *layout.Store, opts RefreshOptions) (*Result, error) {
	g, err := NewGraph(sp)
	if err != nil {
		return nil, err
	}
	prior, err := Refresh(ctx, g, store, opts)
	if err != nil {
		return nil, err
	}
	plan, err := Diff(g, prior, opts.Plan)
	if err != nil {
		return nil, err
	}
	return &Result{Graph: g, Prior: prior, Plan: plan}, nil
}
