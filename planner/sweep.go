package planner

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// SweptBlob is a blob that a plan deletes.
type SweptBlob struct {
	Digest digest.Digest `json:"digest"`
	// Size is that of its file, in bytes.
	Size int64 `json:"size"`
}

// planSweep plans the deletion of the blobs that the spec owns and that nothing needs any
// more: no object that it has afterwards, no entry of index.json that stays, and
// nobody else. What an earlier apply left to be swept is swept even where nothing
// else changes. While the prior is unclear all of it stays, owned as it is.
func (d *differ) planSweep() {
	kept, staged, empty := d.neededBlobs(), map[digest.Digest]bool{}, d.plan.Empty()
	for _, o := range d.prior.Stage.Objects {
		for _, desc := range stagedBlobs(o) {
			staged[desc.Digest] = true
		}
	}
	for _, dgst := range slices.Sorted(maps.Keys(d.prior.Owned)) {
		if kept[dgst] || d.prior.InUse[dgst] {
			continue
		}
		if d.prior.Unclear {
			d.plan.Kept++
			continue
		}
		d.plan.Sweep = append(d.plan.Sweep, SweptBlob{Digest: dgst, Size: d.prior.Owned[dgst]})
		d.plan.Recover = d.plan.Recover || empty && !staged[dgst]
	}
}

// neededBlobs are the blobs of the objects that the spec has after the plan, as far as
// they are known, and those that its entries of index.json reach which stay.
func (d *differ) neededBlobs() map[digest.Digest]bool {
	kept, planned := map[digest.Digest]bool{}, map[string]bool{}
	for _, c := range d.plan.Changes {
		if planned[c.Key()] = true; c.After != nil {
			kept[c.After.Digest] = true
		}
	}
	for _, s := range d.graph.Steps {
		if planned[s.Key] && !d.opts.Destroy {
			for _, desc := range s.Implied {
				kept[desc.Digest] = true
			}
		}
	}
	for key, o := range d.prior.Stage.Objects {
		if !planned[key] {
			for _, desc := range stagedBlobs(o) {
				kept[desc.Digest] = true
			}
		}
	}
	goes := map[layout.EntryName]bool{}
	for _, t := range d.plan.Tags {
		if t.Action == Delete || t.Action != Forget && t.Before != t.After {
			goes[layout.NameOf(t.Ref, t.Before)] = true
		}
	}
	for name, there := range d.entries {
		for _, e := range there {
			if goes[name] {
				continue
			}
			for _, dgst := range d.prior.Reached[e.Digest] {
				kept[dgst] = true
			}
		}
	}
	return kept
}

// stagedBlobs are the blobs of a staged object: its own and the implied ones.
// An object that is not staged has none.
func stagedBlobs(o stage.Object) []ocispec.Descriptor {
	if o.Descriptor.Digest == "" {
		return nil
	}
	return append([]ocispec.Descriptor{o.Descriptor}, o.Implied...)
}

// readOwned finds the blobs in the layout that the spec put there, and what its
// entries of index.json reach where its objects do not tell. Blobs that were found
// intact are not looked at again.
func (p *Prior) readOwned(ctx context.Context, store *layout.Store, opts Options) error {
	owned, sizes := slices.Clone(p.Stage.Blobs), map[digest.Digest]int64{}
	for _, o := range p.Stage.Objects {
		for _, desc := range stagedBlobs(o) {
			sizes[desc.Digest] = desc.Size
		}
	}
	for _, r := range p.Journalled {
		if r.Created {
			owned = append(owned, r.Descriptor.Digest)
		}
	}
	told := len(opts.Targets) == 0
	for _, dgst := range owned {
		size, staged := sizes[dgst]
		told = told && staged
		exists := p.Blobs[dgst] == layout.Intact
		if !staged || !exists {
			var err error
			if size, exists, err = store.Size(ctx, dgst); err != nil {
				return err
			}
		}
		if exists {
			p.Owned[dgst] = size
		}
	}
	if told {
		return nil
	}
	return p.readReached(ctx, store)
}

// readReached finds what the spec's entries of index.json reach: more than its
// objects where targets leave some of these as they are, now or in an earlier apply.
func (p *Prior) readReached(ctx context.Context, store *layout.Store) error {
	owned := ownedEntriesOf(p.Stage)
	for i, e := range p.Entries {
		if !owned.has(e) || p.Reached[e.Digest] != nil {
			continue
		}
		for desc, err := range store.Reachable(ctx, []ocispec.Descriptor{e}) {
			// As in readInUse; but what is missing of ours is built again.
			if err != nil && !isOnlyOdd(err) && !errors.Is(err, fs.ErrNotExist) {
				if !layout.IsDamaged(err) {
					return err
				}
				p.warnUnclear(store, i, err)
			}
			p.Reached[e.Digest] = append(p.Reached[e.Digest], desc.Digest)
		}
	}
	return nil
}
