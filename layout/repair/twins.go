package repair

import (
	"context"
	"fmt"

	"github.com/layform/layform/layout"
)

// twins merges the entries of index.json that are identical. It leaves them where a
// staging state could not be read, which may be pending and waits for this index.json.
func (r *fileRepair) twins(ctx context.Context, unread bool) error {
	raw, err := r.raw.ReadIndex()
	if err != nil || raw == nil {
		return r.unreadable(indexFile, err)
	}
	x, err := r.raw.ParseIndex(raw)
	if err != nil {
		return nil // a dry run, which told of it
	}
	gone, err := x.MergeTwins()
	if err != nil || len(gone) == 0 {
		return err
	}
	name := fmt.Sprintf("%q", layout.RefName(gone[0]))
	if layout.RefName(gone[0]) == "" {
		name = string(gone[0].Digest)
	}
	problem := fmt.Sprintf("%d of its entries say what an earlier one says; the first such is for %s", len(gone), name)
	if unread {
		r.left(indexFile, problem, "mend the staging states first")
		return nil
	}
	swap, err := r.store.PrepareSwap(x)
	if err != nil {
		return err
	}
	return r.mend(indexFile, problem, Written, "the first of identical entries is kept", func() error { return swap.Commit(ctx) })
}
