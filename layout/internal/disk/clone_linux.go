package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// cloneFile makes dst share the blocks of the first n bytes of src, or of all
// for 0, so that it has the same content until one of them is written to.
func cloneFile(dst, src *os.File, n int64) error {
	part := &unix.FileCloneRange{Src_fd: int64(src.Fd()), Src_length: uint64(n)}
	return os.NewSyscallError("ficlonerange", unix.IoctlFileCloneRange(int(dst.Fd()), part))
}
