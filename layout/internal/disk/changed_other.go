//go:build !linux && !darwin

package disk

import (
	"io/fs"
	"time"
)

// Changed is when a file came to be what it is, as well as it can be told.
func Changed(info fs.FileInfo) time.Time { return info.ModTime() }
