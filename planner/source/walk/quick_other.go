//go:build !linux

package walk

import "os"

// directory is how the walk reads dir, which becomes its to close.
func (w *walker) directory(dir *os.Root) (directory, error) { return portable{dir}, nil }

// buffers are those of a scratch: os.Root needs none.
type buffers struct{}
