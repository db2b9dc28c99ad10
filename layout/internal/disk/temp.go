package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// Temp is a file that is being written and has no name of its own yet. While it
// is open its writer holds a flock on it, so that the leftovers of dead writers
// can be told from the files of live ones, whoever wrote them.
type Temp struct {
	d    *Dir
	name string
	f    *os.File
	// written is the length so far; up to started, the system has been asked to write
	// it to disk.
	written, started int64
	// shared is how much the file held before anything was written.
	shared int64
}

// writebackStep is how much is written before the disk is set to work on it.
const writebackStep = 8 << 20

// CreateTemp opens a new file in the directory dir.
func (d *Dir) CreateTemp(dir, prefix string) (*Temp, error) {
	for range 100 {
		name := path.Join(dir, RandomName(prefix))
		if err := d.Before(OpCreate, name); err != nil {
			return nil, err
		}
		f, err := d.Root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		t := &Temp{d: d, name: name, f: f}
		if t.claim() {
			return t, nil
		}
		// Somebody who removes leftovers got hold of the file before us.
		if err := t.Abort(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no temporary file in %s stays in place; something removes each at once", dir)
}

// ResumeTemp opens a temporary file that Keep left, to append to it. The error is
// ErrContended while another writer has it, and fs.ErrNotExist when there is none.
func (d *Dir) ResumeTemp(name string) (*Temp, error) {
	f, info, err := d.Open(name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	t := &Temp{d: d, name: name, f: f, written: info.Size(), started: info.Size()}
	if err := TryFlock(f); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, errors.Join(err, f.Close())
	}
	// It may have ended, or grown, before it was locked.
	named, err := d.Lstat(name)
	if err == nil && !os.SameFile(info, named) {
		err = fs.ErrNotExist
	}
	if err == nil {
		t.written, err = f.Seek(0, io.SeekEnd)
		t.started = t.written
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t, nil
}

// Keep closes the file and leaves it where it is, for ResumeTemp. It does nothing after
// Publish, Rename or Abort.
func (t *Temp) Keep() error {
	if t.f == nil {
		return nil
	}
	f := t.f
	t.f = nil
	return f.Close()
}

// Live reports whether the file is open still.
func (t *Temp) Live() bool { return t.f != nil }

// Size is the length of the file so far.
func (t *Temp) Size() int64 { return t.written }

// FillTemp is CreateTemp with what content writes. On an error the file is removed.
func (d *Dir) FillTemp(dir, prefix string, content func(*Temp) error) (*Temp, error) {
	t, err := d.CreateTemp(dir, prefix)
	if err != nil {
		return nil, err
	}
	if err := content(t); err != nil {
		return nil, errors.Join(err, t.Abort())
	}
	return t, nil
}

// WriteTemp is FillTemp with data.
func (d *Dir) WriteTemp(dir, prefix string, data []byte) (*Temp, error) {
	return d.FillTemp(dir, prefix, Content(data))
}

// Content writes data to a file, at once.
func Content(data []byte) func(*Temp) error {
	return func(t *Temp) error {
		_, err := t.Write(data)
		return err
	}
}

// Name is the name of the temporary file.
func (t *Temp) Name() string { return t.name }

// Shared is how much of the file was there before anything was written.
func (t *Temp) Shared() int64 { return t.shared }

// Share prepares for content that may begin like the first n bytes of src: the file
// begins with them as after Clone, and Write compares what it is given with them and
// writes what differs.
func (t *Temp) Share(src *os.File, n int64) error {
	err := t.Clone(src, n)
	if err == nil {
		t.shared = n
	}
	return err
}

// Section reads the first n bytes of the file, whatever is written beside that.
func (t *Temp) Section(n int64) *io.SectionReader { return io.NewSectionReader(t.f, 0, n) }

// claim takes the flock on a file that was just created, and reports whether
// it still has its name.
func (t *Temp) claim() bool {
	if err := TryFlock(t.f); errors.Is(err, ErrContended) {
		return false
	}
	// A file system without flock has no live temporaries to tell apart: Lock
	// refuses it before anything is written.
	mine, err := t.f.Stat()
	if err != nil {
		return false
	}
	if links, known := linkCount(mine); known {
		return links > 0
	}
	named, err := t.d.Root.Lstat(t.name)
	return err == nil && os.SameFile(mine, named)
}

// Write appends to the file. What of p the file holds already is not written.
func (t *Temp) Write(p []byte) (int, error) {
	held := t.unchangedPrefix(p)
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

// unchangedPrefix is how much of p the file holds already in the place where p belongs.
func (t *Temp) unchangedPrefix(p []byte) (n int) {
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

func (t *Temp) write(p []byte) (int, error) {
	n, err := t.attempt(p, t.f.Write)
	if err != nil {
		return n, err
	}
	if t.written += int64(n); t.written-t.started >= writebackStep {
		t.StartWriteback()
	}
	return n, nil
}

// attempt writes p, unless the Fault of the directory prevents it.
func (t *Temp) attempt(p []byte, write func([]byte) (int, error)) (int, error) {
	err := t.d.Before(OpWrite, t.name)
	if err == nil {
		return write(p)
	}
	var torn *TornWrite
	if !errors.As(err, &torn) {
		return 0, err
	}
	n, writeErr := write(p[:len(p)/2])
	if torn.Then != nil {
		torn.Then()
	}
	return n, errors.Join(err, writeErr)
}

// Overwrite puts p in the place of bytes that were written, at offset at.
func (t *Temp) Overwrite(p []byte, at int64) error {
	_, err := t.attempt(p, func(p []byte) (int, error) { return t.f.WriteAt(p, at) })
	return err
}

// WriteAt writes anywhere in the file, by several goroutines at a time. It goes with no
// Write.
func (t *Temp) WriteAt(p []byte, off int64) (int, error) {
	return t.attempt(p, func(p []byte) (int, error) { return t.f.WriteAt(p, off) })
}

// ReadAt reads bytes that were written before.
func (t *Temp) ReadAt(p []byte, off int64) (int, error) { return t.f.ReadAt(p, off) }

// Clone gives the file, which is empty, the first n bytes of src, or all for 0,
// by sharing their blocks. Where that cannot be done the error is
// errors.ErrUnsupported, and the file is empty still.
func (t *Temp) Clone(src *os.File, n int64) error {
	if err := t.d.Before(OpClone, t.name); err != nil {
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
func (t *Temp) Read(p []byte) (int, error) {
	n, err := t.f.Read(p)
	t.written += int64(n)
	t.started = t.written
	return n, err
}

// Publish makes the content durable, gives the file its mode and name, and
// closes it. On an error the temporary file is removed.
func (t *Temp) Publish(name string, mode fs.FileMode, durable bool) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Abort())
		}
	}()
	if err := t.Finish(mode, durable); err != nil {
		return err
	}
	return t.Rename(name)
}

// Rename gives the file its name and closes it.
func (t *Temp) Rename(name string) error {
	if err := t.d.Rename(t.name, name); err != nil {
		return err
	}
	f := t.f
	t.f = nil
	return f.Close()
}

// Finish gives the file its mode and makes its content durable.
func (t *Temp) Finish(mode fs.FileMode, durable bool) error {
	if err := t.Complete(mode); err != nil || !durable {
		return err
	}
	return t.Sync()
}

// Complete gives the file its length and mode.
func (t *Temp) Complete(mode fs.FileMode) error {
	if t.written < t.shared {
		if err := t.f.Truncate(t.written); err != nil {
			return err
		}
	}
	if err := t.d.Before(OpChmod, t.name); err != nil {
		return err
	}
	return t.f.Chmod(mode)
}

// StartWriteback asks the system to begin writing the content to disk, so that Sync,
// called later, has less to wait for. It is a hint.
func (t *Temp) StartWriteback() {
	if t.started < t.written && !t.d.NoSync {
		startWriteback(t.f, t.started, t.written-t.started)
		t.started = t.written
	}
}

// Sync makes the content durable.
func (t *Temp) Sync() error {
	// The content must be on the disk before the name is: a rename may outlive
	// a power cut that the content does not.
	if err := t.d.Before(OpSync, t.name); err != nil {
		return err
	}
	if t.d.NoSync {
		return nil
	}
	return t.f.Sync()
}

// Abort closes and removes the file. It does nothing after Publish, Rename or Abort.
func (t *Temp) Abort() error {
	if t.f == nil {
		return nil
	}
	f := t.f
	t.f = nil
	// Removed first: once closed, the file is anybody's leftover.
	err := t.d.Remove(t.name)
	return errors.Join(err, f.Close())
}
