//go:build !linux

package source

import (
	"errors"
	"io/fs"
	"os"
)

// inode identifies a file of which there may be several names.
type inode struct {
	device, number uint64
	links          uint64
}

var errNotLinux = errors.New("metadata can be preserved on Linux only; set metadata = \"normalize\"")

func preserve(*found, *os.Root, string, fs.FileInfo) error { return errNotLinux }

func device(*found, fs.FileInfo) error { return errNotLinux }
