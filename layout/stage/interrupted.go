package stage

import (
	"context"
	"errors"
	"io/fs"

	"github.com/layform/layform/layout"
)

// Interrupted reports whether an apply of the spec name began and did not end:
// its journal is still there, or its staging state is still Pending. The next
// apply has something to finish then, even where nothing else changes.
func Interrupted(ctx context.Context, store *layout.Store, name string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := CheckName(name); err != nil {
		return false, err
	}
	_, err := store.ReadState(stateFile(name, ".journal"), limit)
	if !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	st, _, err := read(store, name)
	if err != nil {
		return false, err
	}
	return st.State == Pending, nil
}
