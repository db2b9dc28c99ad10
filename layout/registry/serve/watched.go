package serve

import (
	"os"
	"sync"
	"time"
)

// lookEvery is how often a watched file is looked at.
const lookEvery = time.Second

// watched is the parsed content of files that is read again when one of them changes,
// as when a certificate is renewed. While what is new cannot be read, what was read
// before holds.
type watched[T any] struct {
	paths []string
	read  func() (T, error)
	// failed, where it is set, gets the error of a read again.
	failed func(error)

	mu      sync.Mutex
	content T
	seen    []fileState
	looked  time.Time
}

// fileState is what tells that a file was changed.
type fileState struct {
	size     int64
	modified time.Time
}

// load reads the files for the first time.
func (w *watched[T]) load() (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.looked = w.states(), time.Now()
	w.content, err = w.read()
	return err
}

// value is the content, read again where a file has changed.
func (w *watched[T]) value() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.looked) < lookEvery {
		return w.content
	}
	w.looked = time.Now()
	now := w.states()
	if equalStates(now, w.seen) {
		return w.content
	}
	content, err := w.read()
	if err == nil {
		w.content, w.seen = content, now
	} else if w.failed != nil {
		w.failed(err)
	}
	return w.content
}

func (w *watched[T]) states() []fileState {
	states := make([]fileState, len(w.paths))
	for i, path := range w.paths {
		if info, err := os.Stat(path); err == nil {
			states[i] = fileState{info.Size(), info.ModTime()}
		}
	}
	return states
}

func equalStates(a, b []fileState) bool {
	for i := range a {
		if a[i].size != b[i].size || !a[i].modified.Equal(b[i].modified) {
			return false
		}
	}
	return true
}
