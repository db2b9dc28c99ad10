package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

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
	// Created is set when the blob was not in the layout before: it is owned.
	Created bool `json:"created,omitempty"`
}

// Journal is the list of what a running apply has built, so that the next one
// need not build it again when this one dies, and knows which blobs are its own.
// Records are written at once but not synced: they survive the process, and a
// power cut may take them, which costs time alone.
type Journal struct {
	w io.WriteCloser
}

// OpenJournal opens the journal of the spec name for appending. The caller holds
// the lock of the layout, appends from one goroutine at a time, and closes it.
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

// Append adds one record, in one write.
func (j *Journal) Append(r Record) error {
	line, err := jsondoc.Encode(r)
	if err != nil {
		return err
	}
	_, err = j.w.Write(line)
	return err
}

// Close closes the file and keeps it: see ClearJournal.
func (j *Journal) Close() error { return j.w.Close() }

// Built returns the records in the journal of the spec name, in the order in
// which they were written; none when there is no journal. Lines that are torn
// or make no sense are left out: their objects are built again.
func Built(store *layout.Store, name string) ([]Record, error) {
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
		records = append(records, r)
	}
	return records, nil
}

// ClearJournal deletes the journal of the spec name; it is no error when there
// is none. The caller holds the lock of the layout.
func ClearJournal(store *layout.Store, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return store.RemoveState(stateFile(name, ".journal"))
}
