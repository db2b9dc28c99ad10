package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/jsondoc"
)

// Record is one object that a running apply has built.
type Record struct {
	// Key is the key of the object's change in the plan.
	Key         string             `json:"key"`
	Fingerprint digest.Digest      `json:"fingerprint"`
	Descriptor  ocispec.Descriptor `json:"descriptor"`
	DiffID      digest.Digest      `json:"diff_id,omitempty"`
	// Content and Entries are those of an Object.
	Content int64 `json:"content,omitempty"`
	Entries int   `json:"entries,omitempty"`
	// Created is set when the blob was not in the layout before: it is owned.
	// Of an announced blob, Built finds it out.
	Created bool `json:"created,omitempty"`
	// From is set by Announce, and by nothing else: the blob is created when its
	// file is one of these.
	From []layout.FileID `json:"from,omitempty"`
}

// Journal is the list of what a running apply has built, so that the next one
// need not build it again when this one dies, and knows which blobs are its own.
// Records are written at once and survive the process. Announcements survive a
// power cut as well; one that takes what became of them only costs time. It is
// safe for use by several goroutines.
type Journal struct {
	mu sync.Mutex
	w  *layout.StateFile
}

// OpenJournal opens the journal of the spec name for appending. The caller holds
// the lock of the layout and closes it.
func OpenJournal(store *layout.Store, name string) (*Journal, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	w, err := store.AppendState(stateFile(name, ".journal"))
	if err != nil {
		return nil, err
	}
	// A line that was torn when its writer died must not swallow the next one.
	if _, err := w.Write([]byte("\n")); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &Journal{w: w}, nil
}

// Announce appends the record of a blob whose content is complete in a temporary
// file, and that is committed next: see layout.Announce. When the writer dies before it
// can append what became of it, Built tells by the blob's file: only the file that was
// announced was put there by the writer. The same content from somebody else, before or
// after, is another file. Where the system does not tell files apart nothing is
// appended, for nothing could be proved. The announcement counts once durable
// has returned; nil is nothing to wait for.
func (j *Journal) Announce(r Record, file *layout.FileID) (durable func() error, err error) {
	if file == nil {
		return nil, nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Created, r.From = false, []layout.FileID{*file}
	if err := j.append(r); err != nil {
		return nil, err
	}
	return j.w.Sync()
}

// Append adds one record, in one write.
func (j *Journal) Append(r Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.append(r)
}

func (j *Journal) append(r Record) error {
	line, err := jsondoc.Encode(r)
	if err != nil {
		return err
	}
	_, err = j.w.Write(line)
	return err
}

// Close closes the file and keeps it: see ClearJournal.
func (j *Journal) Close() error { return j.w.Close() }

// Journalled returns the records in the journal of the spec name, in the order in
// which they were written; none when there is no journal. Lines that are torn
// or make no sense are left out: their objects are built again. A blob that was
// only announced is Created when it stands there as the announced file.
func Journalled(store *layout.Store, name string) ([]Record, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	data, err := store.ReadState(stateFile(name, ".journal"), limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the journal of the spec %s: %w", name, err)
	}
	var records []Record
	for line := range bytes.Lines(data) {
		// A line without its end was torn.
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue
		}
		var r Record
		if jsondoc.Decode(line, jsondoc.Limits{}, &r) != nil {
			continue
		}
		if r.Key == "" || r.Descriptor.Digest.Validate() != nil || r.Descriptor.Size < 0 {
			continue
		}
		if len(r.From) > 0 {
			r.Created = published(store, r)
		}
		records = append(records, r)
	}
	return records, nil
}

// published reports whether the blob of an announcement is the file that was
// announced. What cannot be looked at proves nothing: its blob is left alone.
func published(store *layout.Store, r Record) bool {
	id, ok := store.Identity(r.Descriptor)
	return ok && slices.Contains(r.From, id)
}

// ClearJournal deletes the journal of the spec name; it is no error when there
// is none. The caller holds the lock of the layout.
func ClearJournal(store *layout.Store, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return store.RemoveState(stateFile(name, ".journal"))
}
