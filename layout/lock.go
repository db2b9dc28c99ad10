package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
)

// Holder describes the process that holds the lock of a layout.
type Holder struct {
	// Operation is the holder's command: apply, destroy, gc, …
	Operation string `json:"operation"`
	// Who is the user name of the holder.
	Who string `json:"who,omitempty"`
	// Host and PID are filled in by Lock when they are not set.
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
	// Since is when the lock was taken; Lock sets it.
	Since time.Time `json:"since,omitzero"`
}

// String describes the holder in words.
func (h Holder) String() string {
	if h == (Holder{}) {
		return "another process"
	}
	var b strings.Builder
	b.WriteString(strconv.Quote(h.Operation))
	if h.Who != "" {
		fmt.Fprintf(&b, " of %s", strconv.Quote(h.Who))
	}
	fmt.Fprintf(&b, " (process %d on %s, since %s)", h.PID, strconv.Quote(h.Host), h.Since.UTC().Format(time.RFC3339))
	return b.String()
}

// LockedError says that the lock of a layout could not be had in time.
type LockedError struct {
	Dir string
	// Holder is the holder of the lock; zero when that is not known.
	Holder Holder
	// Waited is how long it was waited for.
	Waited time.Duration
}

// Error names the layout and the holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is locked by %s; wait for it to end, or wait longer with --lock-timeout", e.Dir, e.Holder)
}

// errHeld says that one Store was asked for its lock twice.
var errHeld = errors.New("this Store holds the lock already")

// Lock takes the exclusive lock of the layout, making the directory and our
// folder in it when they are missing. It waits as long as timeout says: not at
// all for 0, without end when it is negative; then the error is a *LockedError.
// The lock ends with unlock, which may be called more than once, or with the
// process. What dead writers left in the ingest folder is removed.
func (s *Store) Lock(ctx context.Context, holder Holder, timeout time.Duration) (unlock func() error, err error) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held {
		return nil, errHeld
	}
	release, err := s.acquire(ctx, holder, timeout)
	if err != nil {
		return nil, err
	}
	s.setHeld(true)
	return sync.OnceValue(func() error {
		s.setHeld(false)
		return release()
	}), nil
}

func (s *Store) setHeld(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
}

// acquire takes the flock and cleans up after dead writers.
func (s *Store) acquire(ctx context.Context, holder Holder, timeout time.Duration) (func() error, error) {
	if err := s.lockable(); err != nil {
		return nil, err
	}
	d, err := s.create()
	if err != nil {
		return nil, err
	}
	f, err := s.openLock(d)
	if err != nil {
		return nil, s.unwritable(err)
	}
	if err := s.wait(ctx, d, f, timeout); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	release := func() error { return releaseLock(f) }
	if err := writeHolder(f, holder); err != nil {
		return nil, errors.Join(s.unwritable(err), release())
	}
	swept, err := d.SweepTemps(IngestDir, false)
	if err != nil {
		return nil, errors.Join(s.unwritable(err), release())
	}
	s.mu.Lock()
	s.swept = swept
	s.mu.Unlock()
	return release, nil
}

// lockable keeps the lock file out of directories that are no layouts: with
// Options.Inspect, that was not checked yet.
func (s *Store) lockable() error {
	if !s.opts.Inspect {
		return nil
	}
	d, err := s.disk()
	if err != nil {
		return err
	}
	entries, err := d.List(".")
	if err != nil || len(entries) == 0 {
		return err
	}
	return s.resembles(d)
}

// openLock opens the lock file, and makes it when it is missing. It is never
// removed: whoever unlinks a lock file lets two holders have two files.
func (s *Store) openLock(d *disk.Dir) (*os.File, error) {
	for range 3 {
		f, _, err := d.Open(lockFile, os.O_RDWR)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = d.Create(lockFile, os.O_RDWR, fileMode)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%s/%s comes and goes; something removes it", s.dir, lockFile)
}

// wait polls for the flock on f.
func (s *Store) wait(ctx context.Context, d *disk.Dir, f *os.File, timeout time.Duration) error {
	start := time.Now()
	pause := time.Millisecond
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := d.Before(disk.OpLock, lockFile)
		if err == nil {
			err = disk.TryFlock(f)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, disk.ErrContended) {
			return fmt.Errorf("the file system of %s has no working locks (flock), so that writers could overwrite each other; move the layout to one that has: %w", s.dir, err)
		}
		waited := time.Since(start)
		if timeout >= 0 && waited >= timeout {
			return &LockedError{Dir: s.dir, Holder: readHolder(d), Waited: waited}
		}
		if timeout >= 0 {
			pause = min(pause, timeout-waited)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, 8*time.Millisecond)
	}
}

// sleep waits for a while, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// writeHolder says in the lock file who holds it. The text is a courtesy to
// those who wait: nothing depends on it, so it needs no care against tearing.
func writeHolder(f *os.File, h Holder) error {
	if h.Host == "" {
		h.Host, _ = os.Hostname() // a courtesy as well
	}
	if h.PID == 0 {
		h.PID = os.Getpid()
	}
	h.Since = time.Now().UTC().Truncate(time.Second)
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(data, '\n'), 0)
	return err
}

// readHolder reads the holder from the lock file; zero when it cannot be read.
func readHolder(d *disk.Dir) Holder {
	data, err := d.Read(lockFile, 64<<10)
	if err != nil {
		return Holder{}
	}
	var h Holder
	if jsondoc.Decode(data, jsondoc.Limits{}, &h) != nil {
		return Holder{}
	}
	return h
}

// releaseLock forgets the holder and lets go of the flock, once.
func releaseLock(f *os.File) error {
	err := f.Truncate(0)
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return errors.Join(err, f.Close())
}

// locked runs do under the lock, which it takes when the Store does not hold it.
func (s *Store) locked(ctx context.Context, operation string, do func() error) (err error) {
	s.swapping.Lock()
	defer s.swapping.Unlock()
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held {
		return do()
	}
	timeout := s.opts.LockTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	release, err := s.acquire(ctx, Holder{Operation: operation}, timeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return do()
}
