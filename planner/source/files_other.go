//go:build !linux

package source

import (
	"io/fs"
	"os"
	"path"

	"github.com/layform/layform/planner/source/walk"
)

// quickFiles is empty where there is no quicker way than os.Root.
type quickFiles struct{}

func (quickFiles) close() error { return nil }

// openRaw opens a file for Read.
func (f *Files) openRaw(name string) (rawFile, error) {
	file, _, err := f.Open(name)
	return file, err
}

// Stat gives the stat of what the path name leads to, which may be anything. It
// keeps the promises of Open and opens nothing but the directory.
func (f *Files) Stat(name string) (fs.FileInfo, error) {
	dir, base := path.Split(name)
	sub, err := f.directory(path.Clean(dir))
	if err != nil {
		return nil, err
	}
	info, err := sub.Lstat(base)
	return info, walk.Cause(err)
}

func sameFile(a, b fs.FileInfo) bool { return os.SameFile(a, b) }

// hasHoles reports false: holes are read like all else here.
func hasHoles(fs.FileInfo) bool { return false }

func inHole(int, int64, int64) bool { return false }
