//go:build !linux

package source

import "os"

// directory is how the walk reads dir, which becomes its to close.
func (w *walk) directory(dir *os.Root) (directory, error) { return portable{dir}, nil }
