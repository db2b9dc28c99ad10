package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback asks the system to begin writing a part of a file to disk, so
// that a later fsync has less to wait for. It is a hint: it may do nothing.
func startWriteback(f *os.File, offset, length int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}
