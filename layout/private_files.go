package layout

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/layform/layform/layout/internal/disk"
)

// State files are the files of other packages in our folder. Their names are
// relative to it, slash-separated and made of plain elements: stage/web.json.

// statePath is the place of a state file in the layout.
func statePath(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." || PrivateDir+"/"+name == lockFile {
		return "", &fs.PathError{Op: "state", Path: name, Err: fs.ErrInvalid}
	}
	return PrivateDir + "/" + name, nil
}

// explainNotPlain adds the layout and the remedy to an error about a file of another type in
// the place of our folder, or of one in it. Other errors stay as they are.
func (s *Store) explainNotPlain(err error) error {
	var bad *disk.NotPlainError
	if errors.As(err, &bad) && bad.Want == disk.WantDir {
		return fmt.Errorf("%s: %w; put the directory itself there, or remove it to begin with a new one", s.dir, err)
	}
	return err
}

// ReadState returns the content of a state file of at most limit bytes. The
// error is fs.ErrNotExist when there is no such file.
func (s *Store) ReadState(name string, limit int64) ([]byte, error) {
	file, err := statePath(name)
	if err != nil {
		return nil, err
	}
	d, err := s.disk()
	if err != nil {
		return nil, err
	}
	data, err := d.Read(file, limit)
	return data, s.explainNotPlain(err)
}

// openState opens a state file of at most limit bytes for reading. The error is
// fs.ErrNotExist when there is no such file. The caller closes it.
func (s *Store) openState(name string, limit int64) (io.ReadSeekCloser, error) {
	file, err := statePath(name)
	if err != nil {
		return nil, err
	}
	d, err := s.disk()
	if err != nil {
		return nil, err
	}
	f, info, err := d.Open(file, os.O_RDONLY)
	if err != nil {
		return nil, s.explainNotPlain(err)
	}
	if info.Size() > limit {
		return nil, errors.Join(fmt.Errorf("%s has %d bytes; %w is %d", name, info.Size(), ErrLimit, limit), f.Close())
	}
	return f, nil
}

// SaveState writes a state file so that it holds, at any instant and after a
// power cut, what it held before or all of data.
func (s *Store) SaveState(name string, data []byte) error {
	return s.writeState(name, fileMode, true, disk.Content(data))
}

// WriteState is SaveState for what content writes, which is never in memory as a whole. A
// secret file may be read by its owner alone. An error of content is returned, and what stood
// there before stays.
func (s *Store) WriteState(name string, secret bool, content func(io.Writer) error) error {
	mode := fileMode
	if secret {
		mode = secretMode
	}
	return s.writeState(name, mode, true, func(t *disk.Temp) error {
		w := bufio.NewWriterSize(t, stateBuffer)
		if err := content(w); err != nil {
			return err
		}
		return w.Flush()
	})
}

// stateBuffer is how much of a state file is written at once.
const stateBuffer = 64 << 10

func (s *Store) writeState(name string, mode fs.FileMode, durable bool, content func(*disk.Temp) error) error {
	file, err := statePath(name)
	if err != nil {
		return err
	}
	d, err := s.create()
	if err != nil {
		return err
	}
	dir := path.Dir(file)
	made, err := d.Mkdir(dir)
	if err != nil {
		return s.explainNotPlain(s.unwritable(err))
	}
	t, err := d.FillTemp(IngestDir, path.Base(file), content)
	if err != nil {
		return s.unwritable(err)
	}
	if err := t.Publish(file, mode, durable); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	if made {
		if err := d.SyncDir(path.Dir(dir)); err != nil {
			return err
		}
	}
	return d.SyncDir(dir)
}

// RemoveState deletes a state file; one that does not exist is no error.
func (s *Store) RemoveState(name string) error {
	file, err := statePath(name)
	if err != nil {
		return err
	}
	d, err := s.disk()
	if err != nil {
		return ignoreMissing(err)
	}
	return s.explainNotPlain(d.Remove(file))
}

// ListState returns the names of the files in a folder of state files, sorted;
// none when there is no such folder. What is no regular file is left out.
func (s *Store) ListState(dir string) ([]string, error) {
	file, err := statePath(dir)
	if err != nil {
		return nil, err
	}
	d, err := s.disk()
	if err != nil {
		return nil, ignoreMissing(err)
	}
	entries, err := d.List(file)
	if err != nil {
		return nil, s.explainNotPlain(err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// StateFile is a state file that is open for appending.
type StateFile struct{ log *disk.Log }

// AppendState opens a state file for appending, making it when it is missing.
// Each Write is one write to the file, and survives the process; a power cut only
// once it was synced. The caller closes it.
func (s *Store) AppendState(name string) (*StateFile, error) {
	file, err := statePath(name)
	if err != nil {
		return nil, err
	}
	d, err := s.create()
	if err != nil {
		return nil, err
	}
	log, err := d.Append(file, fileMode)
	if err != nil {
		return nil, s.explainNotPlain(s.unwritable(err))
	}
	return &StateFile{log: log}, nil
}

// Write appends p, in one write.
func (f *StateFile) Write(p []byte) (int, error) { return f.log.Write(p) }

// Sync begins to make durable what was written before, and returns the function
// that waits for it: a file that is synced in between costs next to nothing more.
// It is called by one goroutine at a time, wait by any, once.
func (f *StateFile) Sync() (wait func() error, err error) { return f.log.Sync() }

// Close closes the file and keeps it.
func (f *StateFile) Close() error {
	return f.log.Close()
}
