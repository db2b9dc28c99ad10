// Package durable writes single files, anywhere, so that a killed process, a power
// cut or a full disk leaves them as they were before or as they should be. Plans and
// specs are written with it; the files of a layout belong to package layout.
package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/layform/layform/layout/internal/disk"
)

// WriteFile writes the file name in root so that it holds, at any instant and
// after a power cut, either what it held before or all of data: a temporary
// file beside it is written, synced, given the mode perm whatever the umask,
// and renamed over it; then the directory is synced. A symbolic link at name is
// replaced, not followed. What killed writers of the same file left is removed.
func WriteFile(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	d := &disk.Dir{Root: root}
	name = path.Clean(name)
	t, err := writeTemp(d, name, data)
	if err != nil {
		return err
	}
	if err := t.Publish(name, perm, true); err != nil {
		return err
	}
	return d.SyncDir(path.Dir(name))
}

// WriteNewFile is WriteFile for a name that must not exist yet: the error is
// fs.ErrExist when it does, and what is there stays.
func WriteNewFile(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	d := &disk.Dir{Root: root}
	name = path.Clean(name)
	t, err := writeTemp(d, name, data)
	if err != nil {
		return err
	}
	if err := t.Finish(perm, true); err != nil {
		return errors.Join(err, t.Abort())
	}
	// A link, unlike a rename, replaces nothing.
	err = root.Link(t.Name(), name)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// Not every file system has links.
		if _, missing := root.Lstat(name); errors.Is(missing, fs.ErrNotExist) {
			if err = t.Rename(name); err == nil {
				return d.SyncDir(path.Dir(name))
			}
		}
	}
	if err := errors.Join(err, t.Abort()); err != nil {
		return err
	}
	return d.SyncDir(path.Dir(name))
}

// ErrChanged is the error of ReplaceFile for a file that is not what it was, or that
// another ReplaceFile is replacing.
var ErrChanged = errors.New("somebody changed it meanwhile")

// ReplaceFile is WriteFile for a file that must still hold what it held before: the
// error is ErrChanged, and the file stays, when it does not hold it just before the
// rename. Of several calls with the same before, one succeeds, where the directory can be
// locked.
func ReplaceFile(root *os.Root, name string, before, data []byte, perm fs.FileMode) error {
	d := &disk.Dir{Root: root}
	name = path.Clean(name)
	t, err := writeTemp(d, name, data)
	if err != nil {
		return err
	}
	err = t.Finish(perm, true)
	if err == nil {
		err = renameOver(d, t, name, before)
	}
	if err != nil {
		return errors.Join(err, t.Abort())
	}
	return d.SyncDir(path.Dir(name))
}

// renameOver gives a temporary file the name of one that holds before. Between the look
// and the rename the directory is locked.
func renameOver(d *disk.Dir, t *disk.Temp, name string, before []byte) error {
	dir, err := d.Root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	// Not every system and file system locks directories; the look is then all there is.
	if err := disk.TryFlock(dir); errors.Is(err, disk.ErrContended) {
		return ErrChanged
	}
	if err := stillHolds(d, name, before); err != nil {
		return err
	}
	return t.Rename(name)
}

// stillHolds reports a file that holds anything but data as ErrChanged.
func stillHolds(d *disk.Dir, name string, data []byte) error {
	now, err := d.Read(name, int64(len(data))+1)
	var path *fs.PathError
	switch {
	case err == nil && bytes.Equal(now, data):
		return nil
	case errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return ErrChanged
}

// writeTemp writes data into a temporary file beside the file name.
func writeTemp(d *disk.Dir, name string, data []byte) (*disk.Temp, error) {
	if err := RemoveTemporaries(d.Root, name); err != nil {
		return nil, err
	}
	return d.WriteTemp(path.Dir(name), "."+path.Base(name), data)
}

// RemoveTemporaries removes what killed writers of the file name in root left
// beside it; the files of living ones stay.
func RemoveTemporaries(root *os.Root, name string) error {
	d := &disk.Dir{Root: root}
	dir, prefix := path.Dir(path.Clean(name)), "."+path.Base(name)+"-"
	entries, err := d.List(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		random, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || !disk.IsRandom(random) || !e.Type().IsRegular() {
			continue
		}
		if _, err := d.SweepTemp(path.Join(dir, e.Name()), false); err != nil {
			return err
		}
	}
	return nil
}
