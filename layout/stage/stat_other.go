//go:build !linux && !darwin

package stage

import "io/fs"

// StatOf is what the file system says of a file. Where inode and change time
// are not told, nothing is remembered.
func StatOf(fs.FileInfo) (Stat, bool) { return Stat{}, false }
