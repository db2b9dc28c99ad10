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
		return time.Unix(sys.Ctim.Unix())
	}
	return info.ModTime()
}
