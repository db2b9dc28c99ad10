//go:build !unix || solaris || aix

package disk

import (
	"errors"
	"os"
)

// ErrContended says that somebody else holds a flock.
var ErrContended = errors.New("locked by another process")

// TryFlock fails: without flock no writer can be kept from another, and so
// layouts are only read on such systems.
func TryFlock(*os.File) error { return errors.ErrUnsupported }
