//go:build unix && !solaris && !aix

package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ErrContended is the error about a flock that another process holds.
var ErrContended = errors.New("locked by another process")

// TryFlock takes an exclusive flock on f without waiting. It ends when f is
// closed, or with the process.
func TryFlock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrContended
		}
		return err
	}
}
