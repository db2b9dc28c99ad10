package walk

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasCapability reports whether the regular file name in dir has capabilities. It
// is asked for a warning alone: where the system does not tell, there are none.
func hasCapability(dir *os.Root, name string) bool {
	file, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	n, err := unix.Fgetxattr(int(file.Fd()), CapabilityXattr, nil)
	return err == nil && n > 0
}

// hasCapability reports whether a file in the directory has capabilities, without opening
// it.
func (d *quick) hasCapability(name string) bool {
	n, err := unix.Lgetxattr("/proc/self/fd/"+strconv.Itoa(d.fd)+"/"+name, CapabilityXattr, nil)
	return err == nil && n > 0
}
