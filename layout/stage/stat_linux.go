package stage

import (
	"io/fs"
	"syscall"
)

// StatOf converts the system's stat; false when info has none.
func StatOf(info fs.FileInfo) (Stat, bool) {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return Stat{}, false
	}
	return Stat{
		Size:   info.Size(),
		Mtime:  info.ModTime().UnixNano(),
		Ctime:  sys.Ctim.Nano(),
		Inode:  sys.Ino,
		Device: uint64(sys.Dev),
	}, true
}
