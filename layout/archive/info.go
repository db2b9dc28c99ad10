package archive

import (
	"io/fs"
	"time"
)

// info is the fs.FileInfo of an entry. It has no time.
type info struct {
	name string
	node
}

// Name is the last element of the path.
func (i info) Name() string { return i.name }

// Size is the length in bytes.
func (i info) Size() int64 { return i.size }

// Mode is the type and the permissions.
func (i info) Mode() fs.FileMode { return i.mode }

// ModTime is zero: nothing is decided by the times in an archive.
func (i info) ModTime() time.Time { return time.Time{} }

// IsDir reports whether it is a directory.
func (i info) IsDir() bool { return i.mode.IsDir() }

// Sys is nil.
func (i info) Sys() any { return nil }
