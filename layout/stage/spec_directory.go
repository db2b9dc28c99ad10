package stage

import (
	"fmt"
	"path/filepath"

	"github.com/layform/layform/layout"
)

// mainFile is the spec file of a directory that need not be named.
const mainFile = "layform.hcl"

// Place is where a spec lies, relative to the layout and slash-separated: its
// directory dir or, where one file of it was named that is not layform.hcl, that
// file. It stays when both are moved or copied together. Links are resolved, so
// that one directory has one Place. Both directories exist.
func Place(store *layout.Store, dir, file string) (string, error) {
	base, err := filepath.EvalSymlinks(store.Dir())
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	if file != mainFile {
		dir = filepath.Join(dir, file)
	}
	rel, err := filepath.Rel(base, dir)
	return filepath.ToSlash(rel), err
}

// PlaceError says that a staging state belongs to a spec that lies elsewhere.
type PlaceError struct {
	// Spec is the name that both specs have.
	Spec string
	// Layout is the layout, Was the place of the spec that the state belongs to,
	// and Is that of the spec at hand.
	Layout, Was, Is string
}

// Error names both places and the ways out.
func (e *PlaceError) Error() string {
	return fmt.Sprintf("what the spec named %q has in the layout %s was put there from %s, and this spec is %s: "+
		"give one of the two a name of its own with layform { name = \"…\" } or, when it is one spec that moved, plan and apply once with --take-over",
		e.Spec, e.Layout, e.Was, e.Is)
}

// CheckPlace makes sure that the staging state belongs to the spec in the
// directory dir, or in one file of it; see Place. The error is a *PlaceError when
// it belongs to another one.
func (s *Stage) CheckPlace(store *layout.Store, dir, file string) error {
	if s.Dir == "" {
		return nil
	}
	is, err := Place(store, dir, file)
	if err != nil || is == s.Dir {
		return err
	}
	at := func(place string) string { return filepath.Join(store.Dir(), filepath.FromSlash(place)) }
	return &PlaceError{Spec: s.Spec, Layout: store.Dir(), Was: at(s.Dir), Is: at(is)}
}

// ArchivePlace is where the archive file lies, relative to the layout and
// slash-separated: it stays when both are moved or copied together. Links in the way to
// the layout are resolved, and those in the way to the archive as far as it exists.
func ArchivePlace(store *layout.Store, file string) (string, error) {
	base, err := filepath.EvalSymlinks(store.Dir())
	if err != nil {
		return "", err
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", err
	}
	dir, rest := filepath.Dir(file), filepath.Base(file)
	for {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			rel, err := filepath.Rel(base, filepath.Join(real, rest))
			return filepath.ToSlash(rel), err
		}
		if dir == filepath.Dir(dir) {
			return "", err
		}
		dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest)
	}
}

// File is the way to the archive.
func (a *Archive) File(store *layout.Store) (string, error) {
	base, err := filepath.EvalSymlinks(store.Dir())
	return filepath.Join(base, filepath.FromSlash(a.Path)), err
}
