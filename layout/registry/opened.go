package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
)

// maxOpen is the number of layouts that are kept open while nobody uses them.
const maxOpen = 256

// shared is what a Registry and those that were made from it have in common.
type shared struct {
	dir  string
	opts Options

	verified verified
	// flights are the fetches that are under way.
	flights singleflight.Group

	mu     sync.Mutex
	closed bool
	// existed is set once the directory of a shared layout was there and is no more, or
	// another one.
	existed bool
	// open are the open layouts, by their paths below dir; the only one of a shared
	// layout is ".".
	open map[string]*opened
}

// opened is an open layout, with what is known of its content.
type opened struct {
	store *layout.Store
	names naming
	known *known

	reg *shared
	// users counts those who have acquired it; the registry itself is one.
	users int
}

// check makes sure that the directory can be a registry.
func (s *shared) check() error {
	if !s.opts.PerRepository {
		o, err := s.acquire(s.opts.DefaultRepo)
		if err == nil {
			o.release()
		}
		return err
	}
	info, err := os.Stat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory; name the folder that holds the layouts", s.dir)
	}
	if err != nil {
		return err
	}
	// Its own files would be in the way of repositories with their names.
	_, err = os.Lstat(filepath.Join(s.dir, ocispec.ImageLayoutFile))
	if err == nil {
		return fmt.Errorf("%s is a layout itself; name a folder that holds one layout for each repository", s.dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *shared) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for at, o := range s.open {
		delete(s.open, at)
		errs = append(errs, o.leave())
	}
	return errors.Join(errs...)
}

// acquire opens the layout of a repository. The caller releases it.
func (s *shared) acquire(repo string) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the registry is closed")
	}
	at := "."
	if s.opts.PerRepository {
		at = repo
	}
	if o := s.open[at]; o != nil {
		replaced, err := o.store.Replaced()
		if err != nil {
			return nil, err
		}
		if !replaced {
			o.users++
			return o, nil
		}
		delete(s.open, at)
		s.existed = true
		if err := o.leave(); err != nil {
			return nil, err
		}
	}
	o, err := s.openAt(at, repo)
	if err != nil {
		return nil, err
	}
	s.evict()
	s.open[at] = o
	o.users++
	return o, nil
}

// openAt opens the layout at a path below the directory.
func (s *shared) openAt(at, repo string) (*opened, error) {
	names, opts := naming{bare: s.opts.DefaultRepo}, s.opts.Layout
	if s.opts.PerRepository {
		names, opts.Nested = naming{bare: repo, alone: true}, true
		if err := s.contained(at); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(s.dir); s.existed && err != nil {
		// Not the same as a layout that was never there: readers must not take what
		// it held for absent.
		return nil, fmt.Errorf("the layout %s was removed while it was open; put it back, or make a new one", s.dir)
	}
	store, err := layout.Open(filepath.Join(s.dir, filepath.FromSlash(at)), opts)
	var none *layout.NotLayoutError
	if s.opts.PerRepository && errors.As(err, &none) {
		return nil, &Error{Code: CodeNameUnknown, Repository: repo, Message: err.Error(), Err: err}
	}
	if err != nil {
		return nil, err
	}
	store.Remember(verifiedIn{&s.verified, at})
	return &opened{store: store, names: names, known: &known{docs: map[docKey]*document{}}, reg: s, users: 1}, nil
}

// contained makes sure that no link on the way to a folder leads out of the directory.
func (s *shared) contained(at string) error {
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	for i, c := range at + "/" {
		if c != '/' {
			continue
		}
		info, err := root.Lstat(at[:i])
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return &Error{Code: CodeNameInvalid, Repository: at, Message: fmt.Sprintf("%s in %s is no directory; choose another name", at[:i], s.dir)}
		}
	}
	return nil
}

// evict closes layouts that nobody uses, where there are too many. The lock is held.
func (s *shared) evict() {
	for at, o := range s.open {
		if len(s.open) < maxOpen {
			return
		}
		if o.users == 1 {
			delete(s.open, at)
			_ = o.leave() // it was only read from
		}
	}
}

// release ends the use of a layout.
func (o *opened) release() {
	o.reg.mu.Lock()
	defer o.reg.mu.Unlock()
	_ = o.leave() // closing a directory loses nothing
}

// leave is release under the lock.
func (o *opened) leave() error {
	o.users--
	if o.users > 0 {
		return nil
	}
	return o.store.Close()
}

// checkFolder refuses the names of repositories that would lie among the files of
// another one's layout.
func checkFolder(name string) error {
	for i, part := range strings.Split(name, "/") {
		switch part {
		case ocispec.ImageBlobsDir, ocispec.ImageIndexFile, ocispec.ImageLayoutFile:
			if i > 0 {
				return fmt.Errorf("has the part %s, which is the name of a layout's own file; choose another name", part)
			}
		}
	}
	return nil
}

// layouts lists the layouts of the registry by their paths below its directory, sorted
// by the names of their repositories; for a shared layout the default repository alone.
func (s *shared) layouts(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if !s.opts.PerRepository {
			yield(s.opts.DefaultRepo, nil)
			return
		}
		names, err := s.folders(ctx)
		if err != nil {
			yield("", err)
			return
		}
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

// folders lists the folders below the directory that are layouts and have the name of a
// repository.
func (s *shared) folders(ctx context.Context) ([]string, error) {
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var names []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err := errors.Join(ctx.Err(), err); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it went meanwhile
			}
			return err
		}
		switch {
		case name == "." || !d.IsDir():
			return nil
		case ref.CheckRepository(name) != nil || checkFolder(name) != nil:
			return fs.SkipDir
		}
		if info, err := root.Lstat(name + "/" + ocispec.ImageLayoutFile); err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}
