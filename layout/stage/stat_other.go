//go:build !linux && !darwin

package stage

import "io/fs"

// statOf is what the file system says of a file. Where inode and change time
// are not told, nothing is remembered.
func statOf(fs.FileInfo) (stat, bool) { return stat{}, false }
