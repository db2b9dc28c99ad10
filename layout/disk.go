package layout

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

// The modes of what a Store writes, whatever the umask.
const (
	fileMode fs.FileMode = 0o644
	blobMode fs.FileMode = 0o444
	dirMode  fs.FileMode = 0o755
	// secretMode is for what its owner alone may read.
	secretMode fs.FileMode = 0o600
)

// Op is a kind of file system operation.
type Op string

// The operations that Options.Fault is asked about.
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

// Step is one file system operation that a Store is about to do.
type Step struct {
	Op Op
	// Name is the file, relative to the layout; for a rename its new name.
	Name string
}

// TornWrite is an error for Options.Fault to return from an OpWrite: half of the
// bytes are written, Then is called when it is set, and the write fails with Err.
type TornWrite struct {
	Err  error
	Then func()
}

// Error is the message of Err.
func (t *TornWrite) Error() string { return t.Err.Error() }

// Unwrap returns Err.
func (t *TornWrite) Unwrap() error { return t.Err }

// disk is the one place where a Store touches files. Every name is relative to
// the layout and slash-separated. No symbolic link is ever followed, but for those
// of others in the place of a blob, to a file within the layout (openLinked). Nothing
// but regular files and directories is ever opened.
type disk struct {
	root   *os.Root
	noSync bool
	fault  func(Step) error
}

// step asks the fault seam.
func (d *disk) step(op Op, name string) error {
	if d.fault == nil {
		return nil
	}
	if err := d.fault(Step{Op: op, Name: name}); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// ErrNotPlain is in the tree of errors about something that stands where a
// regular file or a directory is expected: a link, a pipe, a device.
var ErrNotPlain = errors.New("neither a regular file nor a directory")

// wantDir is what should stand where notPlain is about a directory.
const wantDir = "a directory"

// notPlain describes what stands at name instead of want.
func notPlain(name, want string, mode fs.FileMode) error {
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
	return &notPlainError{name: name, what: what, want: want}
}

type notPlainError struct{ name, what, want string }

// Error says what stands where.
func (e *notPlainError) Error() string {
	return fmt.Sprintf("%s is %s, not %s", printable.Line(e.name), e.what, e.want)
}

// Unwrap gives ErrNotPlain.
func (e *notPlainError) Unwrap() error { return ErrNotPlain }

// parents checks that every directory on the way to name is a directory.
func (d *disk) parents(name string) error {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if err := d.isDir(name[:i]); err != nil {
			return err
		}
	}
	return nil
}

// isDir returns nil when name is a directory, and no link to one.
func (d *disk) isDir(name string) error {
	info, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return notPlain(name, wantDir, info.Mode())
	}
	return nil
}

// lstat describes the regular file name.
func (d *disk) lstat(name string) (fs.FileInfo, error) {
	if err := d.parents(name); err != nil {
		return nil, err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, notPlain(name, "a regular file", info.Mode())
	}
	return info, nil
}

// statLinked describes the regular file name, or the one within the layout that a
// symbolic link of that name leads to. Every other link is ErrNotPlain.
func (d *disk) statLinked(name string) (fs.FileInfo, error) {
	info, err := d.lstat(name)
	if !errors.Is(err, ErrNotPlain) || d.parents(name) != nil {
		return info, err
	}
	target, statErr := d.root.Stat(name) // os.Root follows no link out of the layout
	if statErr != nil || !target.Mode().IsRegular() {
		return nil, err
	}
	return target, nil
}

// open opens the regular file name with flag, without creating it. It cannot
// block: what is no regular file is refused before it is opened, and what
// takes its place in between is opened without waiting and refused afterwards.
func (d *disk) open(name string, flag int) (*os.File, fs.FileInfo, error) {
	return d.openAs(name, flag, d.lstat)
}

// openLinked is open for reading what statLinked describes.
func (d *disk) openLinked(name string) (*os.File, fs.FileInfo, error) {
	return d.openAs(name, os.O_RDONLY, d.statLinked)
}

// openAs opens the file that look describes.
func (d *disk) openAs(name string, flag int, look func(string) (fs.FileInfo, error)) (*os.File, fs.FileInfo, error) {
	// A writer that replaces the file between the look and the opening is no
	// mistake: whoever looks again finds the new one.
	for range 1000 {
		before, err := look(name)
		if err != nil {
			return nil, nil, err
		}
		if err := d.step(OpOpen, name); err != nil {
			return nil, nil, err
		}
		f, err := d.root.OpenFile(name, flag|syscall.O_NONBLOCK, 0)
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

// read returns the content of the regular file name, at most limit bytes.
func (d *disk) read(name string, limit int64) ([]byte, error) {
	f, info, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes; the limit is %d", name, info.Size(), limit)
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

// mkdir makes the directory name with its parents where they are missing. It
// reports whether the directory was made.
func (d *disk) mkdir(name string) (bool, error) {
	if parent := path.Dir(name); parent != "." {
		if _, err := d.mkdir(parent); err != nil {
			return false, err
		}
	}
	err := d.isDir(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := d.step(OpMkdir, name); err != nil {
		return false, err
	}
	if err := d.root.Mkdir(name, dirMode); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return false, d.isDir(name)
		}
		return false, err
	}
	return true, d.chmod(name, dirMode)
}

// chmod gives name, which is no link, a mode.
func (d *disk) chmod(name string, mode fs.FileMode) error {
	if err := d.step(OpChmod, name); err != nil {
		return err
	}
	return d.root.Chmod(name, mode)
}

// rename moves a file over another name, or to a new one.
func (d *disk) rename(from, to string) error {
	if err := d.parents(to); err != nil {
		return err
	}
	if err := d.step(OpRename, to); err != nil {
		return err
	}
	return d.root.Rename(from, to)
}

// remove deletes a file or an empty directory. A name that does not exist is
// no error.
func (d *disk) remove(name string) error {
	if err := d.parents(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := d.step(OpRemove, name); err != nil {
		return err
	}
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable: what was renamed into it
// stands there after a power cut.
func (d *disk) syncDir(name string) error {
	if err := d.step(OpSync, name); err != nil {
		return err
	}
	if d.noSync {
		return nil
	}
	return d.flushDir(name)
}

// flushDir is syncDir without its seams.
func (d *disk) flushDir(name string) error {
	f, err := d.root.Open(name)
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

// list returns what stands in the directory name, sorted; nothing when there
// is no such directory.
func (d *disk) list(name string) ([]fs.DirEntry, error) {
	err := d.parents(name)
	if err == nil {
		err = d.isDir(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return fs.ReadDir(d.root.FS(), name)
}

// randomLength is the number of hexadecimal digits that randomName appends.
const randomLength = 24

// randomName is a name that no other file has.
func randomName(prefix string) string {
	var b [randomLength / 2]byte
	rand.Read(b[:]) // never fails, says crypto/rand
	return strings.TrimSuffix(prefix, "-") + "-" + hex.EncodeToString(b[:])
}
