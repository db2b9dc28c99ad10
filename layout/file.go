package layout

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// WriteFile writes the file name in root so that it holds, at any instant and
// after a power cut, either what it held before or all of data: a temporary
// file beside it is written, synced, given the mode perm whatever the umask,
// and renamed over it; then the directory is synced. A symbolic link at name is
// replaced, not followed. What killed writers of the same file left is removed.
func WriteFile(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	d := &disk{root: root}
	name = path.Clean(name)
	t, err := d.fill(name, data)
	if err != nil {
		return err
	}
	if err := t.publish(name, perm, true); err != nil {
		return err
	}
	return d.syncDir(path.Dir(name))
}

// WriteNewFile is WriteFile for a name that must not exist yet: the error is
// fs.ErrExist when it does, and what is there stays.
func WriteNewFile(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	d := &disk{root: root}
	name = path.Clean(name)
	t, err := d.fill(name, data)
	if err != nil {
		return err
	}
	if err := t.finish(perm, true); err != nil {
		return errors.Join(err, t.abort())
	}
	// A link, unlike a rename, replaces nothing.
	err = root.Link(t.name, name)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// Not every file system has links.
		if _, missing := root.Lstat(name); errors.Is(missing, fs.ErrNotExist) {
			if err = t.rename(name); err == nil {
				return d.syncDir(path.Dir(name))
			}
		}
	}
	if err := errors.Join(err, t.abort()); err != nil {
		return err
	}
	return d.syncDir(path.Dir(name))
}

// fill writes data into a temporary file beside the file name.
func (d *disk) fill(name string, data []byte) (*temp, error) {
	if err := RemoveTemporaries(d.root, name); err != nil {
		return nil, err
	}
	t, err := d.createTemp(path.Dir(name), "."+path.Base(name))
	if err != nil {
		return nil, err
	}
	if _, err := t.Write(data); err != nil {
		return nil, errors.Join(err, t.abort())
	}
	return t, nil
}

// RemoveTemporaries removes what killed writers of the file name in root left
// beside it; the files of living ones stay.
func RemoveTemporaries(root *os.Root, name string) error {
	d := &disk{root: root}
	dir, prefix := path.Dir(path.Clean(name)), "."+path.Base(name)+"-"
	entries, err := d.list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		random, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || len(random) != randomLength || strings.Trim(random, "0123456789abcdef") != "" || !e.Type().IsRegular() {
			continue
		}
		if _, err := d.sweepTemp(path.Join(dir, e.Name()), false); err != nil {
			return err
		}
	}
	return nil
}

// RemoveTemporaries removes what killed writers left in the ingest folder, as
// taking the lock does; the files of living ones stay.
func (s *Store) RemoveTemporaries() error {
	d, err := s.disk()
	if err != nil {
		return ignoreMissing(err)
	}
	_, err = d.sweepTemps(ingestDir, false)
	return s.unwritable(err)
}

// ignore keeps our folder out of git repositories: what is in there is believed,
// and has no business in a checkout. A file that exists is kept.
func (d *disk) ignore() error {
	_, err := d.root.Lstat(ignoreFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t, err := d.createTemp(ingestDir, ".gitignore")
	if err != nil {
		return err
	}
	if _, err := t.Write([]byte("*\n")); err != nil {
		return errors.Join(err, t.abort())
	}
	return t.publish(ignoreFile, fileMode, false)
}
