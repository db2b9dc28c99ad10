//go:build linux || darwin

package stage

import (
	"io/fs"
	"syscall"

	"github.com/layform/layform/layout/internal/disk"
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
		Ctime:  disk.Changed(info).UnixNano(),
		Inode:  sys.Ino,
		Device: uint64(sys.Dev),
	}, true
}
