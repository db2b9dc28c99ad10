//go:build !unix || solaris || aix

package disk

import (
	"errors"
	"os"
)

// ErrContended is the error about a flock that another process holds.
var ErrContended = errors.New("locked by another process")

// TryFlock fails: without flock no writer can be kept from another, and so
// layouts are only read on such systems.
func TryFlock(*os.File) error { return errors.ErrUnsupported }
