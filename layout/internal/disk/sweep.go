package disk

import (
	"errors"
	"io/fs"
	"os"
	"path"
)

// SweepTemps removes the files of dead writers from the directory dir, and
// leaves those of live ones. It gives the names of those that it removed or,
// when it only looks, would remove.
func (d *Dir) SweepTemps(dir string, look bool) ([]string, error) {
	entries, err := d.List(dir)
	if err != nil {
		return nil, err
	}
	var swept []string
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		name := path.Join(dir, e.Name())
		dead, err := d.SweepTemp(name, look)
		if err != nil {
			return swept, err
		}
		if dead {
			swept = append(swept, name)
		}
	}
	return swept, nil
}

// SweepTemp is SweepTemps for one file; dead is set when it was removed or would be.
func (d *Dir) SweepTemp(name string, look bool) (dead bool, err error) {
	flag := os.O_RDWR // some file systems lock only what can be written
	if look {
		flag = os.O_RDONLY
	}
	f, _, err := d.Open(name, flag)
	readOnly := errors.Is(err, fs.ErrPermission) && !look
	if readOnly {
		// A blob that lacked nothing but its name.
		f, _, err = d.Open(name, os.O_RDONLY)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		// Gone, or another user's, which that user's next run removes.
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	switch err := TryFlock(f); {
	case errors.Is(err, ErrContended):
		return false, nil
	case look || readOnly && err != nil:
		return err == nil, nil
	case err != nil:
		return false, err
	}
	err = d.Remove(name)
	if readOnly && errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	return err == nil, err
}
