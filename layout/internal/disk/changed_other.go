//go:build !linux && !darwin

package disk

import (
	"io/fs"
	"time"
)

// Changed is the time of a file's last change: that of its content, the only one that
// the system has.
func Changed(info fs.FileInfo) time.Time { return info.ModTime() }

// Identity is false: the system numbers no files.
func Identity(fs.FileInfo) (FileID, bool) { return FileID{}, false }

// linkCount does not tell.
func linkCount(fs.FileInfo) (uint64, bool) { return 0, false }
