package main

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// statusCmd compares the objects of the spec with its layout.
type statusCmd struct {
	specFlags
	valueFlags
}

// Help gives examples.
func (c *statusCmd) Help() string {
	return `For example:
  layform status
  layform status --json`
}

// Run reads the staging state and checks every blob and tag in it.
func (c *statusCmd) Run(ctx context.Context, a *app) error {
	state, err := a.state(ctx, c.specFlags, c.valueFlags, true)
	if err != nil {
		return err
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeState, State: state})
	}
	report := view.StatusReport(state)
	if deviations(state) > 0 {
		report.Advise("Not all is as an apply leaves it: layform plan shows what the next one would build or mend.")
	}
	return a.show(report)
}

// state reads the spec's part of the layout. With check, every blob is hashed, and
// objects that are not built yet are listed as well.
func (a *app) state(ctx context.Context, f specFlags, v valueFlags, check bool) (*view.State, error) {
	sp, err := a.loadPlace(f, v)
	if err != nil {
		return nil, err
	}
	store, err := openLayout(f.dir(), sp.LayoutPath)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	index, err := store.Index(ctx)
	if err != nil {
		return nil, err
	}
	st, err := stageOf(ctx, store, sp)
	if err != nil {
		return nil, err
	}
	out := &view.State{
		Layout: view.LayoutPath(f.dir(), sp.LayoutPath), Exists: store.Initialised(), Spec: sp.Name,
		Serial: st.Serial, Index: index.Digest(), Outputs: outputsOf(st),
	}
	ids, err := planner.IDsOf(st, nil)
	if err != nil {
		return nil, err
	}
	if check {
		if err := addUnbuilt(ids, sp); err != nil {
			return nil, err
		}
	}
	if out.Objects, err = objectsOf(ctx, store, st, ids, check); err != nil {
		return nil, err
	}
	out.Tags = tagsOf(st, index)
	out.Archive, err = archiveOf(ctx, store, st, check)
	return out, err
}

// archiveOf describes the archive that the last apply wrote; nil for none.
func archiveOf(ctx context.Context, store *layout.Store, st *stage.Stage, check bool) (*view.Archive, error) {
	if st.Archive == nil {
		return nil, nil
	}
	file, err := st.Archive.File(store)
	if err != nil {
		return nil, err
	}
	out := &view.Archive{Path: fromHere(file), Standing: view.Unchecked, Digest: st.Archive.Digest, Size: st.Archive.Size}
	if !check {
		return out, nil
	}
	is, err := planner.ArchiveDigest(ctx, file)
	switch {
	case err != nil:
		return nil, err
	case is == "":
		out.Standing = view.Missing
	case is == st.Archive.Digest:
		out.Standing = view.Intact
	default:
		out.Standing = view.Torn
	}
	return out, nil
}

// fromHere is a file relative to the working directory, where it is below that.
func fromHere(file string) string {
	dir, err := os.Getwd()
	if err != nil {
		return file
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return file
	}
	if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return file
}

// objectsOf describes the objects with these identities in build order: those of
// the staging state, and others as not built.
func objectsOf(ctx context.Context, store *layout.Store, st *stage.Stage, ids map[string]addr.ID, check bool) ([]view.Object, error) {
	out := []view.Object{}
	for _, key := range planner.InBuildOrder(ids) {
		o := view.Object{Key: key, Kind: ids[key].Address.Kind, Standing: view.NotBuilt}
		if was, staged := st.Objects[key]; staged {
			var err error
			if o, err = stagedObject(ctx, store, key, o.Kind, was, check); err != nil {
				return nil, err
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// stagedObject describes one object of the staging state.
func stagedObject(ctx context.Context, store *layout.Store, key string, kind spec.Kind, o stage.Object, check bool) (view.Object, error) {
	v := view.Object{
		Key: key, Kind: kind, Standing: view.Unchecked,
		MediaType: o.Descriptor.MediaType, Digest: o.Descriptor.Digest, Size: o.Descriptor.Size,
		DiffID: o.DiffID, Needs: o.Needs,
	}
	for _, path := range slices.Sorted(maps.Keys(o.Fields)) {
		v.Fields = append(v.Fields, spec.Field{Path: path, Value: spec.JSON(o.Fields[path])})
	}
	for _, path := range slices.Sorted(maps.Keys(o.Sensitive)) {
		v.Fields = append(v.Fields, spec.Field{Path: path, Sensitive: true})
	}
	slices.SortFunc(v.Fields, func(a, b spec.Field) int { return cmp.Compare(a.Path, b.Path) })
	if !check {
		return v, nil
	}
	v.Standing = view.Intact
	for _, desc := range append([]ocispec.Descriptor{o.Descriptor}, o.Implied...) {
		state, err := store.Check(ctx, desc)
		if err != nil {
			return v, err
		}
		switch {
		case state == layout.Missing:
			v.Standing = view.Missing
		case state != layout.Intact && v.Standing == view.Intact:
			v.Standing = view.Torn
		}
	}
	return v, nil
}

// addUnbuilt adds the objects that the spec describes.
func addUnbuilt(ids map[string]addr.ID, sp *spec.Spec) error {
	graph, err := planner.NewGraph(sp)
	if err != nil {
		return err
	}
	for _, s := range graph.Steps {
		ids[s.Key] = s.ID
	}
	return nil
}

// tagsOf compares the entries of index.json that the spec owns with what is
// there, as a plan does.
func tagsOf(st *stage.Stage, index *layout.Index) []view.Tag {
	keys := map[digest.Digest]string{}
	for _, key := range slices.Sorted(maps.Keys(st.Objects)) {
		keys[st.Objects[key].Descriptor.Digest] = key
	}
	untagged := map[digest.Digest][]ocispec.Descriptor{}
	for _, d := range index.Descriptors() {
		if layout.RefName(d) == "" {
			untagged[d.Digest] = append(untagged[d.Digest], d)
		}
	}
	var out []view.Tag
	add := func(ref string, was ocispec.Descriptor, now []ocispec.Descriptor) {
		t := view.Tag{Ref: ref, Key: keys[was.Digest], Digest: was.Digest, Standing: view.Intact}
		if drift, ok := planner.EntryDrift(st, was, now); ok {
			switch drift.Kind {
			case planner.DriftTagMoved:
				t.Standing, t.Is = view.Moved, drift.Is
			case planner.DriftTagEdited:
				t.Standing = view.Edited
			default:
				t.Standing = view.Missing
			}
		}
		out = append(out, t)
	}
	for _, ref := range slices.Sorted(maps.Keys(st.Tags)) {
		add(ref, st.Tags[ref], index.Resolve(ref))
	}
	for _, was := range st.Untagged {
		add("", was, untagged[was.Digest])
	}
	return out
}

// outputsOf lists the outputs of the last apply; sensitive values are left out.
func outputsOf(st *stage.Stage) []view.Output {
	var out []view.Output
	for _, name := range slices.Sorted(maps.Keys(st.Outputs)) {
		o := st.Outputs[name]
		v := view.Output{Name: name, Description: o.Description, Sensitive: o.Sensitive}
		if !o.Sensitive {
			v.Value = json.RawMessage(o.Value)
		}
		out = append(out, v)
	}
	return out
}
