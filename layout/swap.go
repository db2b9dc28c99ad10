package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/internal/disk"
)

// foreignLock is the lock file of BuildKit's layout writer.
const foreignLock = indexFile + ".lock"

// Swap replaces index.json by what edit makes of it, in one atomic and durable
// step. It works under the lock, which it takes when this Store does not hold
// it, and makes the directory a layout when it is none yet. When somebody who
// ignores the lock changes index.json meanwhile, edit is called again with what
// they wrote: it must not keep what an earlier call gave it. An error of edit
// ends the Swap and nothing is written; neither is when edit changes nothing.
// before and after are digests as Index.Digest gives them.
func (s *Store) Swap(ctx context.Context, edit func(*Index) error) (before, after digest.Digest, err error) {
	err = s.underLocks(ctx, func(d *disk.Dir) error {
		for range swapAttempts {
			x, err := s.Index(ctx)
			if err != nil {
				return err
			}
			if err := edit(x); err != nil {
				return err
			}
			p, err := s.PrepareSwap(x)
			if err != nil {
				return err
			}
			if err := p.commit(d); err == nil {
				before, after = p.Before, p.After
				return nil
			} else if !errors.Is(err, ErrIndexChanged) {
				return err
			}
		}
		return s.restless()
	})
	return before, after, err
}

// swapAttempts is how often a swap begins again for a writer who ignores the lock.
const swapAttempts = 10

// restless is the error of a swap that others do not let end.
func (s *Store) restless() error {
	return fmt.Errorf("index.json of %s changes all the time; stop the other writer, which does not take the lock: %w", s.dir, ErrIndexChanged)
}

// underLocks works on the layout under the locks, and makes it one.
func (s *Store) underLocks(ctx context.Context, do func(*disk.Dir) error) error {
	return s.locked(ctx, "swap", func() error {
		if err := s.Init(ctx); err != nil {
			return err
		}
		d, err := s.disk()
		if err != nil {
			return err
		}
		unlock, err := s.lockForeign(ctx, d)
		if err != nil {
			return err
		}
		return errors.Join(do(d), unlock())
	})
}

// ErrIndexChanged is the error about an index.json that changed since a PreparedSwap
// was made from it: a writer ignored the lock.
var ErrIndexChanged = errors.New("index.json was changed by another writer")

// PreparedSwap is a replacement of index.json that is not on disk yet.
type PreparedSwap struct {
	// Before and After are digests of index.json as Index.Digest gives them.
	Before, After digest.Digest

	s         *Store
	old, next []byte
}

// PrepareSwap prepares the replacement of index.json by x, which Index gave and the
// caller has edited. It writes nothing. The error is that of an index that could not
// be read again.
func (s *Store) PrepareSwap(x *Index) (*PreparedSwap, error) {
	p := &PreparedSwap{Before: x.Digest(), s: s, old: x.raw, next: x.Encode()}
	p.After = indexDigest(p.next)
	if bytes.Equal(p.next, p.old) {
		return p, nil
	}
	return p, s.checkIndex(p.next)
}

// Commit replaces index.json in one atomic and durable step, under the locks as Swap
// does. The error is ErrIndexChanged, and nothing is written, when it is no longer
// what the swap was prepared from: read it, edit it and prepare again.
func (p *PreparedSwap) Commit(ctx context.Context) error {
	return p.s.underLocks(ctx, p.commit)
}

// commit is Commit under the locks. An index that stays is not written.
func (p *PreparedSwap) commit(d *disk.Dir) error {
	if bytes.Equal(p.next, p.old) {
		return nil
	}
	done, err := p.s.replaceIndex(d, p.old, p.next)
	if err == nil && !done {
		return ErrIndexChanged
	}
	return err
}

// checkIndex makes sure that what is written can be read again.
func (s *Store) checkIndex(next []byte) error {
	if _, err := s.parseIndex(next); err != nil {
		return err
	}
	return nil
}

// replaceIndex writes next over index.json unless its content is no longer old.
func (s *Store) replaceIndex(d *disk.Dir, old, next []byte) (bool, error) {
	t, err := d.CreateTemp(IngestDir, indexFile)
	if err != nil {
		return false, err
	}
	defer t.Abort() // after publish there is nothing to abort
	if _, err := t.Write(next); err != nil {
		return false, err
	}
	if err := t.Finish(fileMode, true); err != nil {
		return false, err
	}
	// All that takes time is done: the gap between this look and the rename is
	// as small as it can be without the other writer's help.
	now, err := s.readIndex()
	if err != nil {
		return false, err
	}
	if !bytes.Equal(now, old) {
		return false, nil
	}
	if err := s.inPlace(d, false); err != nil {
		return false, err
	}
	if err := t.Rename(indexFile); err != nil {
		return false, err
	}
	if err := d.SyncDir("."); err != nil {
		return false, err
	}
	return true, s.inPlace(d, true)
}

// ReplacedError is an error about the path of a layout that no longer leads to the
// directory that was opened: it was moved away, or replaced.
type ReplacedError struct {
	// Dir is the path of the layout.
	Dir string
	// Swapped is set when index.json had been replaced, in the directory that was
	// opened, before this was noticed.
	Swapped bool
}

// Error names the path and says where the changes are.
func (e *ReplacedError) Error() string {
	if e.Swapped {
		return fmt.Sprintf("%s was moved away or replaced while it was written to; the changes are in the directory that was there before. Run the command again for the one that is there now", e.Dir)
	}
	return fmt.Sprintf("%s was moved away or replaced while it was written to; its index.json was not changed. Run the command again for the directory that is there now", e.Dir)
}

// inPlace makes sure that the path of the layout leads to the open directory.
func (s *Store) inPlace(d *disk.Dir, swapped bool) error {
	mine, err := d.Root.Stat(".")
	if err != nil {
		return err
	}
	named, err := os.Stat(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(mine, named) {
		return &ReplacedError{Dir: s.dir, Swapped: swapped}
	}
	return nil
}

// lockForeign takes BuildKit's lock when its file exists. It never makes one,
// for BuildKit removes the file when it is done.
func (s *Store) lockForeign(ctx context.Context, d *disk.Dir) (func() error, error) {
	timeout := s.opts.LockTimeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	start := time.Now()
	for {
		f, mine, err := d.Open(foreignLock, os.O_RDWR)
		if errors.Is(err, fs.ErrNotExist) {
			return func() error { return nil }, nil
		}
		if err != nil {
			return nil, err
		}
		err = disk.TryFlock(f)
		if err == nil {
			named, statErr := d.Root.Lstat(foreignLock)
			if statErr == nil && os.SameFile(mine, named) {
				return f.Close, nil
			}
			err = disk.ErrContended // the holder removed it: look again
		}
		if closeErr := f.Close(); closeErr != nil || !errors.Is(err, disk.ErrContended) {
			return nil, errors.Join(err, closeErr)
		}
		if waited := time.Since(start); waited >= timeout {
			return nil, &LockedError{Dir: s.dir, Holder: Holder{Operation: foreignLock}, Waited: waited}
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}
