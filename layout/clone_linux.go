package layout

import (
	"os"

	"golang.org/x/sys/unix"
)

// cloneFile makes dst share the blocks of src, so that it has the same content
// until one of them is written to.
func cloneFile(dst, src *os.File) error {
	return os.NewSyscallError("ficlone", unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())))
}
