package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// portable reads directories through os.Root: on any system, and for copies
// that preserve metadata.
type portable struct{ root *os.Root }

func (d portable) close() { _ = d.root.Close() }

func (d portable) open(name string) (directory, error) {
	sub, err := openDir(d.root, name)
	if err != nil {
		return nil, err
	}
	return portable{sub}, nil
}

func (d portable) list(w *walk, rel string) ([]found, error) {
	names, err := readEntries(d.root)
	if err != nil {
		return nil, err
	}
	dir := path.Join(w.from, rel)
	here := make([]found, 0, len(names))
	folder := w.selection.Folder(rel)
	for _, entry := range names {
		name := entry.Name()
		included, descend := folder.Take(name)
		if !included && !(descend && entry.IsDir()) {
			continue // what cannot hold anything that is wanted is not even stat'ed
		}
		info, err := d.root.Lstat(name)
		if err != nil {
			w.problem(join(rel, name), bare(err))
			continue
		}
		if !included && !(descend && info.IsDir()) || !w.o.checkName(w, rel, name) {
			continue
		}
		f := found{name: name, included: included}
		if err := w.look(&f, d.root, name, path.Join(dir, name), info); err != nil {
			w.problem(join(rel, name), err)
			continue
		}
		if f.kind == kindDirectory {
			f.below = &listing{}
		}
		here = append(here, f)
	}
	return here, nil
}

// readEntries lists a directory, sorted by name, with the types of what it holds.
func readEntries(dir *os.Root) ([]fs.DirEntry, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, bare(err)
	}
	entries, err := f.ReadDir(-1)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, bare(err)
}

func readNames(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, bare(err)
	}
	names, err := f.Readdirnames(-1)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return names, bare(err)
}

// checkName reports names that no layer may hold.
func (o *observer) checkName(w *walk, rel, name string) bool {
	long := len(w.n.To) + len(rel) + len(name) + 2
	if plainName(name) && long <= imagespec.MaxPath {
		return true
	}
	return o.checkPath(w.node, join(w.n.To, join(rel, name)))
}

// plainName reports whether a name is of printable ASCII, short, and no whiteout.
func plainName(name string) bool {
	if len(name) > imagespec.MaxName || imagespec.IsWhiteout(name) {
		return false
	}
	for i := range len(name) {
		if name[i] >= 0x80 {
			return false
		}
	}
	return true
}

// look sets what stat tells of name in dir, which is the file at full.
func (w *walk) look(f *found, dir *os.Root, name, full string, info fs.FileInfo) error {
	if err := w.classify(f, dir, name, full, info); err != nil {
		return err
	}
	if w.n.Metadata != spec.Preserve {
		if f.kind != kindSymlink {
			w.lose(f, lossIn(dir, name, info, f.mode))
		}
		return nil
	}
	if f.kept == nil {
		f.kept = &kept{}
	}
	return preserve(f, dir, name, info)
}

// classify sets the type and the normalised mode, and what belongs to the type.
func (w *walk) classify(f *found, dir *os.Root, name, full string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsRegular():
		f.kind, f.mode, f.size = kindRegular, fileMode(mode&0o100 != 0), info.Size()
		if sum, ok := layer.SumOf(w.o.remembered(full, info)); ok {
			f.sum = &sum
		} else {
			f.state = StateOf(info)
			w.unread.Store(true)
		}
		return nil
	case mode.IsDir():
		f.kind, f.mode = kindDirectory, 0o755
		return nil
	case mode&fs.ModeSymlink != 0:
		target, err := dir.Readlink(name)
		f.kind, f.mode, f.link = kindSymlink, 0o777, &target
		return bare(err)
	case mode&fs.ModeSocket == 0 && w.n.Metadata == spec.Preserve:
		f.kept = &kept{}
		return device(f, info)
	}
	return unfit(mode)
}

// fileMode is the normalised mode of a file.
func fileMode(executable bool) uint32 {
	if executable {
		return 0o755
	}
	return 0o644
}

// unfit says why a copy that normalises metadata cannot hold a special file.
func unfit(mode fs.FileMode) error {
	if mode&fs.ModeSocket != 0 {
		return errors.New("it is a socket, which no layer can hold; exclude it")
	}
	return fmt.Errorf("it is %s; exclude it, or set metadata = \"preserve\" to keep it", spec.FileType(mode))
}
