//go:build unix

package disk

import (
	"errors"
	"syscall"
)

// IsReadOnly reports whether err comes from a read-only file system.
func IsReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
