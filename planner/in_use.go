package planner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// maxUnclearWarnings is how many lost or damaged documents a plan warns of one by one.
const maxUnclearWarnings = 10

// readInUse marks all that entries of others reach. A document of theirs that is lost
// or damaged is a warning, and makes the plan unclear.
func (p *Prior) readInUse(ctx context.Context, store *layout.Store) error {
	var foreign []ocispec.Descriptor
	var places []int
	owned := ownedEntriesOf(p.Stage)
	for i, d := range p.Entries {
		if !owned.has(d) {
			foreign, places = append(foreign, d), append(places, i)
		}
	}
	unclear := 0
	for at, err := range store.ReachableFrom(ctx, foreign) {
		if err != nil && !isOnlyOdd(err) && (at.IsRoot || !errors.Is(err, fs.ErrNotExist)) {
			if !layout.IsDamaged(err) {
				return err
			}
			if unclear++; unclear <= maxUnclearWarnings {
				p.warnUnclear(store, places[at.Root], err)
			}
		}
		p.InUse[at.Digest] = true
	}
	if unclear > maxUnclearWarnings {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%d more documents that index.json leads to are lost or damaged: layform layout validate %s lists them", unclear-maxUnclearWarnings, store.Dir()))
	}
	return nil
}

// isOnlyOdd reports whether an error of a walk is about a document that is odd, all of
// whose possible meanings the walk has followed.
func isOnlyOdd(err error) bool { return errors.Is(err, layout.ErrOdd) }

// warnUnclear warns of a document that is lost or damaged, by the entry of index.json
// that leads to it.
func (p *Prior) warnUnclear(store *layout.Store, entry int, err error) {
	p.Unclear = true
	place := fmt.Sprintf("manifests[%d] of index.json", entry)
	if ref := layout.RefName(p.Entries[entry]); ref != "" {
		place += fmt.Sprintf(" (%q)", ref)
	}
	p.Warnings = append(p.Warnings, fmt.Sprintf(
		"%s: %v; which blobs it needs cannot be told, so that no blob is deleted until it is put back or its entry removed: see layform layout validate %s",
		place, err, store.Dir()))
}
