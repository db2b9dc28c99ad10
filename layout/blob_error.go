package layout

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout/internal/disk"
)

// ErrNotPlain is the kind of all errors about a link, a pipe or a device where a
// regular file or a directory is expected.
var ErrNotPlain = disk.ErrNotPlain

// ErrLimit is in the tree of errors about files that are longer than the limit.
var ErrLimit = disk.ErrLimit

// BlobError is an error about one blob. It is fs.ErrNotExist and oras-go's ErrNotFound
// when the blob is missing.
type BlobError struct {
	Digest digest.Digest
	// Problem is the message.
	Problem string
	// Err is the cause; it may be nil.
	Err error
	// Unread is set when reading failed, so that nothing is known of the blob: it may
	// be whole.
	Unread bool
}

// Error names the blob and the problem.
func (e *BlobError) Error() string { return fmt.Sprintf("blob %s %s", e.Digest, e.Problem) }

// Unwrap returns the cause.
func (e *BlobError) Unwrap() error { return e.Err }

// Is makes a missing blob known to oras-go.
func (e *BlobError) Is(target error) bool {
	return target == errdef.ErrNotFound && errors.Is(e.Err, fs.ErrNotExist)
}

// IsDamaged reports whether an error says that a blob is missing, damaged or not what
// was expected, and not that it could not be read or that the work had to end.
func IsDamaged(err error) bool {
	var blob *BlobError
	return errors.As(err, &blob) && !blob.Unread
}

func blobError(dgst digest.Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &BlobError{Digest: dgst, Problem: "is missing", Err: err}
	}
	return &BlobError{Digest: dgst, Problem: "cannot be read: " + err.Error(), Err: err, Unread: !errors.Is(err, ErrNotPlain)}
}
