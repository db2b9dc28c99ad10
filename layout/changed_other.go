//go:build !linux && !darwin

package layout

import (
	"io/fs"
	"time"
)

// changed is when a file came to be what it is, as well as it can be told.
func changed(info fs.FileInfo) time.Time { return info.ModTime() }
