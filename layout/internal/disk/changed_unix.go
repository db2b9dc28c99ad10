//go:build linux || darwin

package disk

import (
	"io/fs"
	"syscall"
	"time"
)

// Changed is when a file came to be what it is: its change time, which no
// writer can set, unlike the modification time.
func Changed(info fs.FileInfo) time.Time {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		changed := changeTime(sys)
		return time.Unix(changed.Unix())
	}
	return info.ModTime()
}

// Identity tells a regular file from all others of its file system, also after it was
// renamed. The number alone would not do: it is given to a new file once the old one is
// gone. It is false where that cannot be told.
func Identity(info fs.FileInfo) (FileID, bool) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return FileID{}, false
	}
	return FileID{Inode: sys.Ino, Modified: info.ModTime().UnixNano()}, true
}

// linkCount is the number of names of a file: 0 once it was removed. It is false where
// that cannot be told.
func linkCount(info fs.FileInfo) (uint64, bool) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(sys.Nlink), true
}
