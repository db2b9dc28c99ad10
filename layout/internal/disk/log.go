package disk

import (
	"errors"
	"io/fs"
	"os"
	"path"
)

// Log is a file that is open for appending. What was written survives the process; a
// power cut only once it was synced.
type Log struct {
	t *Temp
	// names are the directories that must be synced for the file to be found
	// after a power cut; none once they were.
	names []string
}

// Append opens the file name for appending, making it with the mode perm, and the
// directory that it is in, where they are missing. The caller closes it.
func (d *Dir) Append(name string, perm fs.FileMode) (*Log, error) {
	dir := path.Dir(name)
	made, err := d.Mkdir(dir)
	if err != nil {
		return nil, err
	}
	out := &Log{}
	f, _, err := d.Open(name, os.O_WRONLY|os.O_APPEND)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = d.Create(name, os.O_WRONLY|os.O_APPEND, perm)
		out.names = append(out.names, dir)
		if made {
			out.names = append(out.names, path.Dir(dir), ".")
		}
	}
	if err != nil {
		return nil, err
	}
	out.t = &Temp{d: d, name: name, f: f}
	return out, nil
}

// Write appends p, in one write.
func (l *Log) Write(p []byte) (int, error) { return l.t.Write(p) }

// Sync begins to make durable what was written before, and returns the function
// that waits for it: a file that is synced in between costs next to nothing more.
// It is called by one goroutine at a time, wait by any, once.
func (l *Log) Sync() (wait func() error, err error) {
	d := l.t.d
	if err := d.Before(OpSync, l.t.name); err != nil {
		return nil, err
	}
	for _, name := range l.names {
		if err := d.Before(OpSync, name); err != nil {
			return nil, err
		}
	}
	if d.NoSync {
		return func() error { return nil }, nil
	}
	done := make(chan error, 1)
	go func(file *os.File, names []string) {
		err := file.Sync()
		for _, name := range names {
			err = errors.Join(err, d.flushDir(name))
		}
		done <- err
	}(l.t.f, l.names)
	l.names = nil
	return func() error { return <-done }, nil
}

// Close closes the file and keeps it. Closing it again does nothing.
func (l *Log) Close() error {
	if l.t.f == nil {
		return nil
	}
	f := l.t.f
	l.t.f = nil
	return f.Close()
}
