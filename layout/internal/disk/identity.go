package disk

import "io/fs"

// FileID is the identity of a file, as Identity gives it.
type FileID struct {
	Inode uint64 `json:"inode"`
	// Modified is when the content was last written, in nanoseconds since 1970.
	Modified int64 `json:"modified"`
}

// Stat describes the temporary file.
func (t *Temp) Stat() (fs.FileInfo, error) { return t.f.Stat() }
