// Package disk reads and writes the files of a layout: durable and atomic files,
// temporary files that tell whether their writer lives, locks, shared blocks, and a
// seam at which tests make any single operation fail.
package disk

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/layform/layform/layout/printable"
)

// dirMode is the mode of directories, whatever the umask.
const dirMode fs.FileMode = 0o755

// Op is a kind of file system operation.
type Op string

// The operations that Dir.Fault is asked about.
const (
	OpOpen   Op = "open"
	OpCreate Op = "create"
	OpWrite  Op = "write"
	OpClone  Op = "clone"
	OpChmod  Op = "chmod"
	OpSync   Op = "sync"
	OpRename Op = "rename"
	OpRemove Op = "remove"
	OpMkdir  Op = "mkdir"
	OpLock   Op = "lock"
)

// Step is one file system operation that is about to be done.
type Step struct {
	Op Op
	// Name is the file, relative to the Dir; for a rename its new name.
	Name string
}

// TornWrite is an error for Dir.Fault to return from an OpWrite: half of the
// bytes are written, Then is called when it is set, and the write fails with Err.
type TornWrite struct {
	Err  error
	Then func()
}

// Error is the message of Err.
func (t *TornWrite) Error() string { return t.Err.Error() }

// Unwrap returns Err.
func (t *TornWrite) Unwrap() error { return t.Err }

// Dir is a directory tree, the one place where a layout's files are touched. Every name
// is relative to it and slash-separated. No symbolic link is ever followed, but for
// those of others in the place of a blob, to a file within the tree (OpenLinked).
// Nothing but regular files and directories is ever opened.
type Dir struct {
	Root *os.Root
	// NoSync leaves out every fsync.
	NoSync bool
	// Fault, when set, is asked before every operation that can change something and
	// before every file that is opened. Its error becomes that of the operation, which
	// is then not done; see TornWrite for writes.
	Fault func(Step) error
}

// Before asks the fault seam about an operation that is about to be done.
func (d *Dir) Before(op Op, name string) error {
	if d.Fault == nil {
		return nil
	}
	if err := d.Fault(Step{Op: op, Name: name}); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// ErrNotPlain is the kind of all errors about a link, a pipe or a device where a
// regular file or a directory is expected.
var ErrNotPlain = errors.New("neither a regular file nor a directory")

// WantDir is the value of want for a directory.
const WantDir = "a directory"

// NotPlain is the error about the file at name, of another type than want.
func NotPlain(name, want string, mode fs.FileMode) error {
	what := "of an unknown kind"
	switch {
	case mode.IsRegular():
		what = "a file"
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return &NotPlainError{name: name, what: what, Want: want}
}

// NotPlainError is an error about a path with a file of another type than expected.
type NotPlainError struct {
	name, what string
	// Want is the expected type: WantDir for a directory.
	Want string
}

// Error names the path, the type of its file and the type that is expected.
func (e *NotPlainError) Error() string {
	return fmt.Sprintf("%s is %s, not %s", printable.Line(e.name), e.what, e.Want)
}

// Unwrap gives ErrNotPlain.
func (e *NotPlainError) Unwrap() error { return ErrNotPlain }

// CheckParents checks that every directory on the way to name is a directory.
func (d *Dir) CheckParents(name string) error {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if err := d.CheckDir(name[:i]); err != nil {
			return err
		}
	}
	return nil
}

// CheckDir returns nil when name is a directory, and no link to one.
func (d *Dir) CheckDir(name string) error {
	info, err := d.Root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return NotPlain(name, WantDir, info.Mode())
	}
	return nil
}

// Lstat describes the regular file name.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	if err := d.CheckParents(name); err != nil {
		return nil, err
	}
	info, err := d.Root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, NotPlain(name, "a regular file", info.Mode())
	}
	return info, nil
}

// StatLinked describes the regular file name, or the one within the layout that a
// symbolic link of that name leads to. Every other link is ErrNotPlain.
func (d *Dir) StatLinked(name string) (fs.FileInfo, error) {
	info, err := d.Lstat(name)
	if !errors.Is(err, ErrNotPlain) || d.CheckParents(name) != nil {
		return info, err
	}
	target, statErr := d.Root.Stat(name) // os.Root follows no link out of the layout
	if statErr != nil || !target.Mode().IsRegular() {
		return nil, err
	}
	return target, nil
}

// Open opens the regular file name with flag, without creating it. It cannot
// block: what is no regular file is refused before it is opened, and what
// takes its place in between is opened without waiting and refused afterwards.
func (d *Dir) Open(name string, flag int) (*os.File, fs.FileInfo, error) {
	return d.openAs(name, flag, d.Lstat)
}

// OpenLinked is Open for reading what StatLinked describes.
func (d *Dir) OpenLinked(name string) (*os.File, fs.FileInfo, error) {
	return d.openAs(name, os.O_RDONLY, d.StatLinked)
}

// openAs opens the file that look describes.
func (d *Dir) openAs(name string, flag int, look func(string) (fs.FileInfo, error)) (*os.File, fs.FileInfo, error) {
	// A writer that replaces the file between the look and the opening is no
	// mistake: whoever looks again finds the new one.
	for range 1000 {
		before, err := look(name)
		if err != nil {
			return nil, nil, err
		}
		if err := d.Before(OpOpen, name); err != nil {
			return nil, nil, err
		}
		f, err := d.Root.OpenFile(name, flag|syscall.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		info, err := f.Stat()
		if err == nil && os.SameFile(before, info) {
			return f, info, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("%s is replaced all the time; stop whatever writes it", name)
}

// Read returns the content of the regular file name, at most limit bytes.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	f, _, err := d.Open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, name, limit)
}

// ErrLimit is in the tree of errors about files that are longer than the limit.
var ErrLimit = errors.New("the limit")

// ReadAll returns the content of the open file f, at most limit bytes. Errors call it
// by name.
func ReadAll(f fs.File, name string, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes; %w is %d", name, info.Size(), ErrLimit, limit)
	}
	data := make([]byte, 0, info.Size()+1)
	for len(data) < cap(data) {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if int64(len(data)) != info.Size() {
		return nil, fmt.Errorf("%s changed its size while it was read; try again", name)
	}
	return data, nil
}

// Create opens the new file name with flag, and gives it the mode perm whatever the
// umask. The error is fs.ErrExist when there is one.
func (d *Dir) Create(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if err := d.Before(OpCreate, name); err != nil {
		return nil, err
	}
	f, err := d.Root.OpenFile(name, flag|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(perm); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Mkdir makes the directory name with its parents where they are missing. It
// reports whether the directory was made.
func (d *Dir) Mkdir(name string) (bool, error) {
	if parent := path.Dir(name); parent != "." {
		if _, err := d.Mkdir(parent); err != nil {
			return false, err
		}
	}
	err := d.CheckDir(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := d.Before(OpMkdir, name); err != nil {
		return false, err
	}
	if err := d.Root.Mkdir(name, dirMode); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return false, d.CheckDir(name)
		}
		return false, err
	}
	return true, d.Chmod(name, dirMode)
}

// Chmod gives name, which is no link, a mode.
func (d *Dir) Chmod(name string, mode fs.FileMode) error {
	if err := d.Before(OpChmod, name); err != nil {
		return err
	}
	return d.Root.Chmod(name, mode)
}

// Rename moves a file over another name, or to a new one.
func (d *Dir) Rename(from, to string) error {
	if err := d.CheckParents(to); err != nil {
		return err
	}
	if err := d.Before(OpRename, to); err != nil {
		return err
	}
	return d.Root.Rename(from, to)
}

// Remove deletes a file or an empty directory. A name that does not exist is
// no error.
func (d *Dir) Remove(name string) error {
	if err := d.CheckParents(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := d.Before(OpRemove, name); err != nil {
		return err
	}
	if err := d.Root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncDir makes the names in a directory durable: a file that was renamed into it is
// there after a power cut.
func (d *Dir) SyncDir(name string) error {
	if err := d.Before(OpSync, name); err != nil {
		return err
	}
	if d.NoSync {
		return nil
	}
	return d.flushDir(name)
}

// flushDir is SyncDir without its seams.
func (d *Dir) flushDir(name string) error {
	f, err := d.Root.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	// Some file systems have no notion of it and say EINVAL.
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// List returns the entries of the directory name, sorted; nothing when there is no such
// directory.
func (d *Dir) List(name string) ([]fs.DirEntry, error) {
	err := d.CheckParents(name)
	if err == nil {
		err = d.CheckDir(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return fs.ReadDir(d.Root.FS(), name)
}

// randomLength is the number of hexadecimal digits that RandomName appends.
const randomLength = 24

// RandomName is a name that no other file has.
func RandomName(prefix string) string {
	var b [randomLength / 2]byte
	rand.Read(b[:]) // never fails, says crypto/rand
	return strings.TrimSuffix(prefix, "-") + "-" + hex.EncodeToString(b[:])
}

// IsRandom reports whether text has the form of the suffix that RandomName appends to a
// name, after the dash.
func IsRandom(text string) bool {
	return len(text) == randomLength && strings.Trim(text, "0123456789abcdef") == ""
}
