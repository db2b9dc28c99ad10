//go:build unix && !solaris && !aix

package layout

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errContended says that somebody else holds a flock.
var errContended = errors.New("locked by another process")

// tryFlock takes an exclusive flock on f without waiting. It ends when f is
// closed, or with the process.
func tryFlock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return errContended
		}
		return err
	}
}
