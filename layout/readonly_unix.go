//go:build unix

package layout

import (
	"errors"
	"syscall"
)

// isReadOnly reports whether err comes from a read-only file system.
func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
