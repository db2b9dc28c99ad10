package walk

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
)

// directory is one open directory of a walk.
type directory interface {
	// names gives the names in it, sorted. They are good until s is used again.
	names(w *walker, s *scratch) ([]dirent, error)
	// look sets what stat says of f.Name, which names said is of a type. full is
	// its path below the root. The loss of a directory may be left to open.
	look(w *walker, s *scratch, f *Found, kind byte, full string) error
	// open opens the directory f in it, never following a link, and sets its loss
	// where look left it.
	open(w *walker, f *Found) (directory, error)
	close()
}

// scratch is the working memory of listing a directory.
type scratch struct {
	buffers
	// cached is the cache of the files in the directory; nil for none.
	cached *stage.Folder
	// selected are the names that are stat'ed.
	selected []dirent
}

// list lists the selected names of a directory, sorted. rel is its path below the top.
func (w *walker) list(d directory, rel string) ([]Found, error) {
	s, ok := w.scratch.Get().(*scratch)
	if !ok {
		s = &scratch{}
	}
	defer w.scratch.Put(s)
	dir := path.Join(w.from, rel)
	s.cached = nil
	if w.opts.Digests != nil {
		s.cached = w.opts.Digests.Folder(folderPath(dir))
	}
	names, err := w.opts.Directories.names(dir, func() ([]dirent, error) { return d.names(w, s) })
	if err != nil {
		return nil, err
	}
	folder := w.opts.Folder(rel)
	if wanted, only := folder.Names(); only {
		s.selected = selectNames(s.selected[:0], names, wanted)
		names = s.selected
	}
	here := make([]Found, 0, len(names))
	for _, n := range names {
		included, descend := folder.Take(n.name)
		if !included && !(descend && (n.kind == typeDirectory || n.kind == typeUnknown)) {
			continue // what cannot hold anything that is wanted is not even stat'ed
		}
		// It is looked at in its place: a Found of its own would be garbage at once.
		here = append(here, Found{Name: n.name, Included: included})
		if !w.visit(d, s, &here[len(here)-1], n.kind, rel, dir) {
			here = here[:len(here)-1]
		}
	}
	return here, nil
}

// visit stats a name in the directory at rel, whose path below the root is full, and
// reports whether it is taken.
func (w *walker) visit(d directory, s *scratch, f *Found, kind byte, rel, full string) bool {
	if err := d.look(w, s, f, kind, full); err != nil {
		if _, unfit := errors.AsType[*TypeError](err); f.Included || !unfit {
			w.opts.Problem(join(rel, f.Name), err)
		}
		return false
	}
	if !f.Included && f.kind != kindDirectory || !w.opts.Check(rel, f.Name) {
		return false
	}
	if f.kind == kindDirectory {
		f.Below = &Listing{}
	}
	return true
}

// folderPath is a path below the root as Digester.Folder takes it.
func folderPath(dir string) string {
	if dir == "." {
		return ""
	}
	return dir
}

// stat sets what info, the stat of name in dir, says of a file, which is at full.
func (w *walker) stat(f *Found, dir *os.Root, name, full string, info fs.FileInfo) error {
	if err := w.classify(f, dir, name, full, info); err != nil {
		return err
	}
	if !w.opts.Keep {
		if f.kind != kindSymlink {
			w.setLoss(f, LossIn(dir, name, info, f.Mode))
		}
		return nil
	}
	if f.Kept == nil {
		f.Kept = &Kept{}
	}
	return keepMetadata(f, dir, name, info)
}

// classify sets the type and the normalised mode, and what belongs to the type.
func (w *walker) classify(f *Found, dir *os.Root, name, full string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsRegular():
		f.kind, f.Mode, f.Size = kindRegular, FileMode(mode&0o100 != 0), info.Size()
		w.setDigest(f, full, info)
		return nil
	case mode.IsDir():
		f.kind, f.Mode = kindDirectory, 0o755
		return nil
	case mode&fs.ModeSymlink != 0:
		target, err := dir.Readlink(name)
		f.kind, f.Mode, f.Link = kindSymlink, 0o777, &target
		return Cause(err)
	case mode&fs.ModeSocket == 0 && w.opts.Keep:
		f.Kept = &Kept{}
		return setDevice(f, info)
	}
	return &TypeError{mode}
}

// setDigest sets the digest of a file from the cache, or its state where the cache has
// none.
func (w *walker) setDigest(f *Found, full string, info fs.FileInfo) {
	if w.opts.Digests != nil {
		if d, ok := w.opts.Digests.Lookup(full, info); ok {
			if sum, ok := layer.SumOf(d); ok {
				f.Sum = &sum
				return
			}
		}
	}
	if st, ok := stage.StatOf(info); ok {
		f.State = st.Hash()
	}
	w.unread.Store(true)
}

// setLoss sets the Loss of a file.
func (w *walker) setLoss(f *Found, l Loss) {
	if f.Loss = l; l != 0 && !w.lossy.Load() {
		w.lossy.Store(true)
	}
}

// FileMode is the normalised mode of a file.
func FileMode(executable bool) uint32 {
	if executable {
		return 0o755
	}
	return 0o644
}
