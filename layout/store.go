package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
)

// The modes of what a Store writes, whatever the umask.
const (
	fileMode fs.FileMode = 0o644
	blobMode fs.FileMode = 0o444
	// secretMode is for what its owner alone may read.
	secretMode fs.FileMode = 0o600
)

// The names of what lies in a layout, relative to it.
const (
	layoutFile = ocispec.ImageLayoutFile
	indexFile  = ocispec.ImageIndexFile
	blobsDir   = ocispec.ImageBlobsDir
	lockFile   = PrivateDir + "/lock"
	ignoreFile = PrivateDir + "/.gitignore"
)

// The folders that are ours, relative to the layout: PrivateDir holds all, IngestDir
// temporary files alone.
const (
	PrivateDir = ".layform"
	IngestDir  = PrivateDir + "/ingest"
)

// Options shape a Store. The zero value is what users get.
type Options struct {
	// Limits bound what is read.
	Limits Limits
	// LockTimeout is how long Swap and Tag wait for the lock when the Store does not
	// hold it; 0 means 30 seconds.
	LockTimeout time.Duration
	// Inspect makes Open accept any directory, so that packages validate and repair
	// can say what is wrong with it. Lock then refuses, with a *NotLayoutError, a
	// directory that does not even resemble a layout.
	Inspect bool
	// Nested lets a directory become a layout that holds nothing but other directories:
	// layouts may lie in it. Files that no layout has are refused all the same.
	Nested bool
	// NoSync leaves out every fsync. Benchmarks alone may set it: a power cut
	// then loses what was written.
	NoSync bool
	// Fault serves tests of crashes and full disks: see package layouttest. When set, it
	// is asked before every file system operation that can change the layout and before
	// every file that is opened. An error that it returns becomes the error of the
	// operation, which is then not done.
	Fault func(disk.Step) error
}

// Store is a layout in a directory: a Reader of it, and all that writes. Its methods
// may be called by several goroutines at once. Methods that only read never write
// anything, not even a lock.
type Store struct {
	*Reader
	dir  string
	opts Options

	mu    sync.Mutex // guards the fields below
	files *disk.Dir
	held  bool
	// swept are the leftovers of dead writers that went when the lock was taken.
	swept []string

	// created is set once our folder was made.
	created atomic.Bool

	// swapping lets one goroutine at a time change index.json.
	swapping sync.Mutex
	uploads  uploadHashes
}

// NotLayoutError says that a directory is not a layout that can be used.
type NotLayoutError struct {
	Dir    string
	Reason string
	Err    error
}

// Error names the directory and the reason.
func (e *NotLayoutError) Error() string {
	return fmt.Sprintf("%s is not an OCI image layout: %s", e.Dir, e.Reason)
}

// Unwrap returns the cause, which may be nil.
func (e *NotLayoutError) Unwrap() error { return e.Err }

// Open opens the layout in the directory dir and writes nothing. When dir does
// not exist or is empty, the Store is empty until the first write. Anything
// else that is no layout of version 1.0.0 is a *NotLayoutError. The caller
// closes the Store.
func Open(dir string, opts Options) (*Store, error) {
	if dir == "" {
		return nil, &NotLayoutError{Dir: `""`, Reason: "the path is empty"}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: abs, opts: opts}
	s.Reader = NewInspector(storeTree{s}, abs, opts.Limits)
	d, err := s.disk()
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if opts.Inspect {
		return s, nil
	}
	if err := s.checkIsLayout(d); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// checkIsLayout checks that an existing directory is a layout, or may become one.
func (s *Store) checkIsLayout(d *disk.Dir) error {
	entries, err := d.List(".")
	if err != nil {
		return err
	}
	var foreign string
	ours := len(entries) == 0
	for _, e := range entries {
		switch e.Name() {
		case layoutFile:
			return s.checkVersion()
		case PrivateDir:
			ours = true
		case blobsDir, indexFile:
			// What a run that was killed before it wrote oci-layout leaves.
		default:
			if s.opts.Nested && e.IsDir() {
				ours = true
				continue
			}
			foreign = e.Name()
		}
	}
	switch {
	case foreign != "":
		return s.notLayout(fmt.Sprintf("it has no file %s, but holds %q; choose an empty directory or a layout", layoutFile, foreign), nil)
	case !ours:
		return s.notLayout(fmt.Sprintf("it has no file %s; write it, or choose another directory", layoutFile), nil)
	}
	return nil
}

// Dir is the absolute path of the layout.
func (s *Store) Dir() string { return s.dir }

// Close releases the directory. A lock that is still held stays so until its
// unlock function is called.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		return nil
	}
	root := s.files.Root
	s.files = nil
	return root.Close()
}

// Initialised reports whether the directory is a layout yet.
func (s *Store) Initialised() bool {
	d, err := s.disk()
	if err != nil {
		return false
	}
	_, err = d.Lstat(layoutFile)
	return err == nil
}

// disk gives access to the files of the layout. The error is fs.ErrNotExist as
// long as the directory does not exist.
func (s *Store) disk() (*disk.Dir, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files != nil {
		return s.files, nil
	}
	info, err := os.Stat(s.dir)
	if errors.Is(err, syscall.ENOTDIR) {
		// A parent that is a file does not exist as a directory either, but no
		// write could mend that.
		return nil, s.notLayout(fmt.Sprintf("%s is no directory; remove it, or choose another path", fileAbove(s.dir)), err)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, s.notLayout("it is not a directory", nil)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, err
	}
	s.files = &disk.Dir{Root: root, NoSync: s.opts.NoSync, Fault: s.opts.Fault}
	return s.files, nil
}

// create gives access to the files of the layout and makes its directory, and
// our folder in it, where they are missing.
func (s *Store) create() (*disk.Dir, error) {
	d, err := s.disk()
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.makeDir(); err != nil {
			return nil, err
		}
		d, err = s.disk()
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Mkdir(IngestDir); err != nil {
		return nil, s.explainNotPlain(s.unwritable(err))
	}
	if err := ignore(d); err != nil {
		return nil, s.unwritable(err)
	}
	s.created.Store(true)
	return d, nil
}

// makeDir makes the layout's directory and its missing parents, and makes
// their names durable.
func (s *Store) makeDir() error {
	missing := []string{s.dir}
	base := filepath.Dir(s.dir)
	for {
		_, err := os.Stat(base)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, base)
		base = filepath.Dir(base)
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return err
	}
	defer root.Close()
	d := &disk.Dir{Root: root, NoSync: s.opts.NoSync, Fault: s.opts.Fault}
	for i := len(missing) - 1; i >= 0; i-- {
		rel := strings.TrimPrefix(strings.TrimPrefix(missing[i], base), string(filepath.Separator))
		rel = filepath.ToSlash(rel)
		if _, err := d.Mkdir(rel); err != nil {
			return s.unwritable(err)
		}
		if err := d.SyncDir(filepath.ToSlash(filepath.Dir(rel))); err != nil {
			return err
		}
	}
	return nil
}

// unwritable explains why nothing can be written to the layout.
func (s *Store) unwritable(err error) error {
	if errors.Is(err, fs.ErrPermission) || disk.IsReadOnly(err) {
		return fmt.Errorf("%s cannot be written to: %w", s.dir, err)
	}
	return err
}

// Init makes the directory a layout: blobs/sha256, an index.json without
// entries where there is none, and last oci-layout. What exists is kept, so
// that calling Init again changes nothing. The caller holds the lock.
func (s *Store) Init(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := s.create()
	if err != nil {
		return err
	}
	made, err := d.Mkdir(blobsDir + "/sha256")
	if err != nil {
		return err
	}
	if made {
		if err := errors.Join(d.SyncDir(blobsDir), d.SyncDir(".")); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{indexFile, emptyIndex}, {layoutFile, layoutDocument}} {
		_, err := d.Lstat(f.name)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := s.replace(d, f.name, f.data); err != nil {
			return err
		}
	}
	return nil
}

// Marker is the content of oci-layout, as layform writes it.
func Marker() []byte { return bytes.Clone(layoutDocument) }

// layoutDocument is the content of oci-layout.
var layoutDocument = []byte(`{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}` + "\n")

// replace writes a file of the layout's root atomically and durably.
func (s *Store) replace(d *disk.Dir, name string, data []byte) error {
	t, err := d.WriteTemp(IngestDir, name, data)
	if err != nil {
		return err
	}
	if err := t.Publish(name, fileMode, true); err != nil {
		return err
	}
	return d.SyncDir(".")
}

// ignore keeps our folder out of git repositories: what is in there is believed,
// and has no business in a checkout. A file that exists is kept.
func ignore(d *disk.Dir) error {
	_, err := d.Root.Lstat(ignoreFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t, err := d.WriteTemp(IngestDir, ".gitignore", []byte("*\n"))
	if err != nil {
		return err
	}
	return t.Publish(ignoreFile, fileMode, false)
}

// RemoveTemporaries removes what killed writers left in the ingest folder, as
// taking the lock does; the files of living ones stay.
func (s *Store) RemoveTemporaries() error {
	d, err := s.disk()
	if err != nil {
		return ignoreMissing(err)
	}
	_, err = d.SweepTemps(IngestDir, false)
	return s.unwritable(err)
}

// fileAbove is the nearest parent of a path that exists.
func fileAbove(name string) string {
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
}
