package layout

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/layform/layform/layout/internal/disk"
)

// Sighting is index.json as it was at one moment, for a reader who wants to know whether
// it is another one now.
type Sighting struct {
	// Index is what was read. It must not be edited.
	Index *Index
	// info is the stat of the file from before it was read; nil where there was none.
	info fs.FileInfo
	// at is when it was read.
	at time.Time
}

// Exists reports whether there was an index.json.
func (s *Sighting) Exists() bool { return s.info != nil }

// Sight reads index.json unless it is as it was at the last sighting, which may be nil:
// then last itself is returned. Whether it changed, however briefly ago and whoever wrote
// it, is decided by its stat, and by its bytes as long as that is not certain.
func (s *Store) Sight(ctx context.Context, last *Sighting) (*Sighting, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at := time.Now()
	info, err := s.tree.Stat(indexFile)
	if err := ignoreMissing(err); err != nil {
		return nil, err
	}
	if last != nil && sameStat(last.info, info, last.at) {
		return last, nil
	}
	raw, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	if last != nil && bytes.Equal(orEmpty(raw), last.Index.raw) {
		// A new one, for others may be using the last.
		return &Sighting{Index: last.Index, info: info, at: at}, nil
	}
	x, err := s.parseIndex(raw)
	if err != nil {
		return nil, err
	}
	return &Sighting{Index: x, info: info, at: at}, nil
}

// orEmpty is what parseIndex reads for the bytes of index.json.
func orEmpty(raw []byte) []byte {
	if raw == nil {
		return emptyIndex
	}
	return raw
}

// settled is the age from which on every later write changes the times of a file: more
// than the coarsest tick of a file system's clock.
const settled = 3 * time.Second

// sameStat reports whether a file is certain to have the content that it had at a time:
// within one tick of the file system's clock a write in place leaves the times as they
// were. nil stands for no file.
func sameStat(before, now fs.FileInfo, at time.Time) bool {
	if before == nil || now == nil {
		return before == nil && now == nil
	}
	return os.SameFile(now, before) && now.Size() == before.Size() &&
		now.ModTime().Equal(before.ModTime()) && disk.Changed(now).Equal(disk.Changed(before)) &&
		at.Sub(disk.Changed(now)) > settled
}

// Replaced reports whether the path of the layout leads to another directory than the
// one that is open, or to none. It is false as long as there was no directory.
func (s *Store) Replaced() (bool, error) {
	s.mu.Lock()
	d := s.files
	s.mu.Unlock()
	if d == nil {
		return false, nil
	}
	err := s.inPlace(d, false)
	var replaced *ReplacedError
	if errors.As(err, &replaced) {
		return true, nil
	}
	return false, err
}
