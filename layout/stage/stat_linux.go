package stage

import (
	"io/fs"
	"syscall"
)

// statOf is what the file system says of a file; false when it cannot be told.
func statOf(info fs.FileInfo) (stat, bool) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return stat{}, false
	}
	return stat{
		size:   info.Size(),
		mtime:  info.ModTime().UnixNano(),
		ctime:  sys.Ctim.Nano(),
		inode:  sys.Ino,
		device: uint64(sys.Dev),
	}, true
}
