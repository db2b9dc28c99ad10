//go:build !unix || solaris || aix

package layout

import (
	"errors"
	"os"
)

// errContended says that somebody else holds a flock.
var errContended = errors.New("locked by another process")

// tryFlock fails: without flock no writer can be kept from another, and so
// layouts are only read on such systems.
func tryFlock(*os.File) error { return errors.ErrUnsupported }
