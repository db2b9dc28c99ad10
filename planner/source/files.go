package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

// Files opens regular files below a root. It keeps the directory of the last
// file open, so that files of one directory cost one path walk. It is not safe
// for concurrent use; Close it when done.
type Files struct {
	root *os.Root
	dir  string
	sub  *os.Root
	// quick is the state of Read's fast path.
	quick quickFiles
}

// NewFiles opens files below root, which stays the caller's to close.
func NewFiles(root *os.Root) *Files { return &Files{root: root} }

// Open opens the regular file at a slash-separated path for reading, and gives
// its stat. It never follows a link in the last component, never leaves the
// root, and never blocks: anything but a regular file is an error.
func (f *Files) Open(name string) (*os.File, fs.FileInfo, error) {
	dir, base := path.Split(name)
	sub, err := f.directory(path.Clean(dir))
	if err != nil {
		return nil, nil, err
	}
	before, err := sub.Lstat(base)
	if err != nil {
		return nil, nil, walk.Cause(err)
	}
	if !before.Mode().IsRegular() {
		return nil, nil, notRegular(before.Mode())
	}
	file, err := sub.OpenFile(base, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, walk.Cause(err)
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(before, info) {
		err = errors.New("it was replaced while it was opened")
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, walk.Cause(err)
	}
	return file, info, nil
}

func (f *Files) directory(dir string) (*os.Root, error) {
	if dir == "." {
		return f.root, nil
	}
	if f.sub != nil && f.dir == dir {
		return f.sub, nil
	}
	sub, err := walk.OpenDir(f.root, dir)
	if err != nil {
		return nil, walk.Cause(err)
	}
	if f.sub != nil {
		_ = f.sub.Close()
	}
	f.dir, f.sub = dir, sub
	return sub, nil
}

// Read fills buf from a place in the regular file name, which must be size bytes long, and
// gives its stat. A file that is not as long, or moves while it is read, is a
// *ChangedError. known, if not nil, reports whether a stat tells the content that is
// expected: one stat after reading is proof enough then.
func (f *Files) Read(name string, buf []byte, at, size int64, known func(fs.FileInfo) bool) (info fs.FileInfo, err error) {
	file, err := f.openRaw(name)
	if err != nil {
		return nil, err
	}
	info, ok := readKnown(file, buf, at, size, known)
	if !ok {
		info, err = readOpen(file, name, buf, at, size)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return info, err
}

// rawFile is an open file.
type rawFile interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// readKnown fills buf, if the file's stat afterwards is the expected one.
func readKnown(file rawFile, buf []byte, at, size int64, known func(fs.FileInfo) bool) (fs.FileInfo, bool) {
	if known == nil {
		return nil, false
	}
	if n, err := file.ReadAt(buf, at); n < len(buf) || err != nil && err != io.EOF {
		return nil, false
	}
	info, err := file.Stat()
	return info, err == nil && info.Mode().IsRegular() && info.Size() == size && known(info)
}

func readOpen(file rawFile, name string, buf []byte, at, size int64) (fs.FileInfo, error) {
	before, err := file.Stat()
	if err != nil {
		return nil, walk.Cause(err)
	}
	switch {
	case !before.Mode().IsRegular():
		return nil, notRegular(before.Mode())
	case before.Size() != size:
		return nil, &ChangedError{Path: name, What: fmt.Sprintf("size %d, was %d", before.Size(), size)}
	}
	n, err := file.ReadAt(buf, at)
	if err != nil && err != io.EOF {
		return nil, walk.Cause(err)
	}
	if n < len(buf) {
		return nil, &ChangedError{Path: name, What: "it became shorter"}
	}
	after, err := file.Stat()
	if err != nil {
		return nil, walk.Cause(err)
	}
	if what := StatChanged(before, after); what != "" {
		return nil, &ChangedError{Path: name, What: what}
	}
	return before, nil
}

// Close closes the directory that is kept open.
func (f *Files) Close() error {
	err := f.quick.close()
	if f.sub != nil {
		err = errors.Join(err, f.sub.Close())
		f.sub = nil
	}
	return err
}

// StateOf is a number for what stat says of a regular file: size, identity, and
// the times of the last change of content and of status. It is 0 where the system
// does not tell.
func StateOf(info fs.FileInfo) uint64 {
	st, ok := stage.StatOf(info)
	if !ok {
		return 0
	}
	return st.Hash()
}

// StatChanged says in words how a file's stat differs between two moments, "" where
// size, times and identity are the same. The time of the last change of status
// tells of a change that was covered up by setting the modification time back.
func StatChanged(before, after fs.FileInfo) string {
	switch {
	case !sameFile(before, after):
		return "replaced by another file"
	case before.Size() != after.Size():
		return fmt.Sprintf("size %d, was %d", after.Size(), before.Size())
	case !before.ModTime().Equal(after.ModTime()):
		return "another modification time"
	case StateOf(before) != StateOf(after):
		return "another change time"
	}
	return ""
}

// resolve follows the links in a path that the spec names, inside the root,
// and gives a path without any. What is found below it is never followed.
func resolve(root *os.Root, name string) (string, fs.FileInfo, error) {
	rest := strings.Split(path.Clean(name), "/")
	done, links := ".", 0
	info, err := root.Lstat(".")
	if err != nil {
		return "", nil, walk.Cause(err)
	}
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == ".." && done == "." || strings.HasPrefix(part, "/") {
			return "", nil, errOutside
		}
		next := path.Join(done, part)
		if info, err = root.Lstat(next); err != nil {
			return "", nil, explainMissing(root, done, part, walk.Cause(err))
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		target, err := root.Readlink(next)
		if err != nil {
			return "", nil, walk.Cause(err)
		}
		if links++; links > imagespec.MaxLinks {
			return "", nil, errors.New("it leads through too many symlinks")
		}
		if path.IsAbs(target) {
			return "", nil, errOutside
		}
		rest = append(strings.Split(path.Clean(target), "/"), rest...)
	}
	return done, info, nil
}

var errOutside = errors.New("it leads out of the spec's directory")

// notRegular is the error about a file that is not regular.
func notRegular(mode fs.FileMode) error {
	return fmt.Errorf("it is %s, not a regular file", spec.FileType(mode))
}
