package walk

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// portable reads directories through os.Root: on any system, and where metadata
// is kept.
type portable struct{ root *os.Root }

func (d portable) close() { _ = d.root.Close() }

// open leaves the loss of f as it is: look has stat'ed directories as well.
func (d portable) open(_ *walker, f *Found) (directory, error) {
	sub, err := OpenDir(d.root, f.Name)
	if err != nil {
		return nil, err
	}
	return portable{sub}, nil
}

func (d portable) names(w *walker, _ *scratch) ([]dirent, error) {
	w.opts.Directories.countListed()
	f, err := d.root.Open(".")
	if err != nil {
		return nil, Cause(err)
	}
	entries, err := f.ReadDir(-1)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	names := make([]dirent, len(entries))
	for i, e := range entries {
		if names[i] = (dirent{e.Name(), typeOther}); e.IsDir() {
			names[i].kind = typeDirectory
		}
	}
	slices.SortFunc(names, func(a, b dirent) int { return strings.Compare(a.name, b.name) })
	return names, Cause(err)
}

func (d portable) look(w *walker, _ *scratch, f *Found, _ byte, dir string) error {
	w.opts.Directories.countStat()
	info, err := d.root.Lstat(f.Name)
	if err != nil {
		return Cause(err)
	}
	if !f.Included && !info.IsDir() {
		return &TypeError{fs.ModeIrregular}
	}
	return w.stat(f, d.root, f.Name, path.Join(dir, f.Name), info)
}
