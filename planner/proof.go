package planner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
)

// StateError says that a staging state contradicts what is known of a blob.
type StateError struct {
	// Key is the object, and Layout the directory of the layout, or the spec.
	Key, Layout string
	// Problem says what does not fit.
	Problem string
}

// Error names the object, the contradiction and the ways out.
func (e *StateError) Error() string {
	return fmt.Sprintf("the staging state of %s is not to be believed: of %s, %s. Where it came with a checkout or a copy, remove the folder .layform there: "+
		"everything is built again. `layform verify --rebuild` tells whether the layout is what the sources give", e.Layout, e.Key, e.Problem)
}

// unvouched lists the trees in the staging state whose blobs nothing vouches
// for: the Cache does not know their files, as after a checkout or a copy. It comes
// before the blobs are checked, which makes the Cache know them.
func (p *Prior) unvouched(store *layout.Store) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(p.Stage.Objects)) {
		if o := p.Stage.Objects[key]; o.Entries > 0 && !store.Vouched(o.Descriptor) {
			keys = append(keys, key)
		}
	}
	return keys
}

// checkStaged holds what the staging state says of these trees against the tables of
// contents of their blobs, as far as these are there and sound.
func (p *Prior) checkStaged(ctx context.Context, store *layout.Store, keys []string) error {
	for _, key := range keys {
		o := p.Stage.Objects[key]
		if p.Blobs[o.Descriptor.Digest] != layout.Intact || !strings.HasPrefix(o.Encoding, layer.Encoding+" ") {
			continue
		}
		toc, err := stage.LoadTOC(ctx, store, o.Descriptor.Digest)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, stage.ErrCorrupt) {
			continue
		}
		if err != nil {
			return err
		}
		if toc.Encoding == "" {
			continue
		}
		problem := ""
		made, ok := source.FingerprintTree(layer.ListOf(toc.Entries), o.Encoding)
		switch {
		case toc.Size != o.Descriptor.Size:
			problem = "the table of contents gives another size"
		case toc.DiffID != o.DiffID:
			problem = "the table of contents gives another diffID"
		case ok && made != o.Fingerprint:
			problem = "the table of contents lists other files than those that it says the layer was built from"
		}
		if problem != "" {
			return &StateError{Key: key, Layout: store.Dir(), Problem: problem}
		}
	}
	return nil
}
