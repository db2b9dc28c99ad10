package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// temp is a file that is being written and has no name of its own yet. While it
// is open its writer holds a flock on it, so that the leftovers of dead writers
// can be told from the files of live ones, whoever wrote them.
type temp struct {
	d    *disk
	name string
	f    *os.File
	// written is the length so far; up to started, the system was told to begin
	// writing it to disk.
	written, started int64
	// shared is how much the file held before anything was written.
	shared int64
}

// writebackStep is how much is written before the disk is set to work on it.
const writebackStep = 8 << 20

// createTemp opens a new file in the directory dir.
func (d *disk) createTemp(dir, prefix string) (*temp, error) {
	for range 100 {
		name := path.Join(dir, randomName(prefix))
		if err := d.step(OpCreate, name); err != nil {
			return nil, err
		}
		f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		t := &temp{d: d, name: name, f: f}
		if t.claim() {
			return t, nil
		}
		// Somebody who removes leftovers got hold of the file before us.
		if err := t.abort(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no temporary file in %s stays in place; something removes each at once", dir)
}

// claim takes the flock on a file that was just created, and reports whether
// it still has its name.
func (t *temp) claim() bool {
	if err := tryFlock(t.f); errors.Is(err, errContended) {
		return false
	}
	// A file system without flock has no live temporaries to tell apart: Lock
	// refuses it before anything is written.
	mine, err := t.f.Stat()
	if err != nil {
		return false
	}
	named, err := t.d.root.Lstat(t.name)
	return err == nil && os.SameFile(mine, named)
}

// Write appends to the file. What of p the file holds already is not written.
func (t *temp) Write(p []byte) (int, error) {
	held := t.held(p)
	if held > 0 {
		if _, err := t.f.Seek(int64(held), io.SeekCurrent); err != nil {
			return 0, err
		}
		t.written += int64(held)
	}
	if held == len(p) {
		return held, nil
	}
	n, err := t.write(p[held:])
	return held + n, err
}

// compareStep is how much is compared at once with what a file began with.
const compareStep = 64 << 10

// held is how much of p the file holds already in the place where p belongs.
func (t *temp) held(p []byte) (n int) {
	p = p[:max(0, min(int64(len(p)), t.shared-t.written))]
	buf := make([]byte, min(len(p), compareStep))
	for n < len(p) {
		is := buf[:min(len(p)-n, len(buf))]
		// What cannot be read is written.
		if m, _ := t.f.ReadAt(is, t.written+int64(n)); m < len(is) || !bytes.Equal(is, p[n:n+m]) {
			break
		}
		n += len(is)
	}
	return n
}

func (t *temp) write(p []byte) (int, error) {
	if err := t.d.step(OpWrite, t.name); err != nil {
		var torn *TornWrite
		if !errors.As(err, &torn) {
			return 0, err
		}
		n, writeErr := t.f.Write(p[:len(p)/2])
		if torn.Then != nil {
			torn.Then()
		}
		return n, errors.Join(err, writeErr)
	}
	n, err := t.f.Write(p)
	if t.written += int64(n); t.written-t.started >= writebackStep && !t.d.noSync {
		startWriteback(t.f, t.started, t.written-t.started)
		t.started = t.written
	}
	return n, err
}

// clone gives the file, which is empty, the first n bytes of src, or all for 0,
// by sharing their blocks. Where that cannot be done the error is
// errors.ErrUnsupported, and the file is empty still.
func (t *temp) clone(src *os.File, n int64) error {
	if err := t.d.step(OpClone, t.name); err != nil {
		return err
	}
	// Whatever the reason is, copying comes next, and what is truly wrong with
	// the disk shows there: a clone may even lack space where a copy does not.
	reason := cloneFile(t.f, src, n)
	if reason == nil {
		return nil
	}
	if err := t.f.Truncate(0); err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errors.ErrUnsupported, reason)
}

// Read reads on in what was cloned. What follows is written behind it.
func (t *temp) Read(p []byte) (int, error) {
	n, err := t.f.Read(p)
	t.written += int64(n)
	t.started = t.written
	return n, err
}

// publish makes the content durable, gives the file its mode and name, and
// closes it. On an error the temporary file is removed.
func (t *temp) publish(name string, mode fs.FileMode, durable bool) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, t.abort())
		}
	}()
	if err := t.finish(mode, durable); err != nil {
		return err
	}
	return t.rename(name)
}

// rename gives the file its name and closes it.
func (t *temp) rename(name string) error {
	if err := t.d.rename(t.name, name); err != nil {
		return err
	}
	f := t.f
	t.f = nil
	return f.Close()
}

// finish gives the file its mode and makes its content durable.
func (t *temp) finish(mode fs.FileMode, durable bool) error {
	if err := t.complete(mode); err != nil || !durable {
		return err
	}
	return t.sync()
}

// complete gives the file its length and mode.
func (t *temp) complete(mode fs.FileMode) error {
	if t.written < t.shared {
		if err := t.f.Truncate(t.written); err != nil {
			return err
		}
	}
	if err := t.d.step(OpChmod, t.name); err != nil {
		return err
	}
	return t.f.Chmod(mode)
}

// sync makes the content durable.
func (t *temp) sync() error {
	// The content must be on the disk before the name is: a rename may outlive
	// a power cut that the content does not.
	if err := t.d.step(OpSync, t.name); err != nil {
		return err
	}
	if t.d.noSync {
		return nil
	}
	return t.f.Sync()
}

// abort closes and removes the file. It does nothing after publish or abort.
func (t *temp) abort() error {
	if t.f == nil {
		return nil
	}
	f := t.f
	t.f = nil
	// Removed first: once closed, the file is anybody's leftover.
	err := t.d.remove(t.name)
	return errors.Join(err, f.Close())
}

// sweepTemps removes the files of dead writers from the directory dir, and
// leaves those of live ones. It gives the names of those that it removed or,
// when it only looks, would remove.
func (d *disk) sweepTemps(dir string, look bool) ([]string, error) {
	entries, err := d.list(dir)
	if err != nil {
		return nil, err
	}
	var swept []string
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		name := path.Join(dir, e.Name())
		dead, err := d.sweepTemp(name, look)
		if err != nil {
			return swept, err
		}
		if dead {
			swept = append(swept, name)
		}
	}
	return swept, nil
}

func (d *disk) sweepTemp(name string, look bool) (dead bool, err error) {
	flag := os.O_RDWR // some file systems lock only what can be written
	if look {
		flag = os.O_RDONLY
	}
	f, _, err := d.open(name, flag)
	readOnly := errors.Is(err, fs.ErrPermission) && !look
	if readOnly {
		// A blob that lacked nothing but its name.
		f, _, err = d.open(name, os.O_RDONLY)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		// Gone, or another user's, which that user's next run removes.
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	switch err := tryFlock(f); {
	case errors.Is(err, errContended):
		return false, nil
	case look || readOnly && err != nil:
		return err == nil, nil
	case err != nil:
		return false, err
	}
	err = d.remove(name)
	if readOnly && errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	return err == nil, err
}
