package spec

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/layform/layform/spec/eval"
)

// SourcesChanged compares the spec files of a directory with the given sources, and
// names the first that differs: edited, gone, or new. file is the one file
// that was loaded, empty when all files of the directory were. A directory that
// has none of the files, as when a saved plan was carried to another machine,
// holds nothing that could have changed. A plan does what the sources in it say: that
// the files say something else by now is worth a warning, and no more.
func SourcesChanged(dir, file string, sources []Source) (string, bool) {
	known := map[string]bool{}
	for _, s := range sources {
		known[s.Name] = true
	}
	names := []string{file}
	if file == "" {
		all, problem := listFiles(dir)
		if problem != nil {
			return "", false
		}
		names = slices.DeleteFunc(all, func(name string) bool { return !IsFile(name) })
	} else if _, err := os.Lstat(filepath.Join(dir, file)); err != nil {
		all, problem := listFiles(dir)
		return file, problem == nil && slices.ContainsFunc(all, IsFile)
	}
	if len(names) == 0 {
		return "", false
	}
	for _, name := range names {
		if !known[name] {
			return name, true
		}
	}
	for _, s := range sources {
		if text, err := eval.ReadInside(dir, s.Name, eval.MaxSourceSize); err != nil || text != s.Text {
			return s.Name, true
		}
	}
	return "", false
}

// InputChanged reads again what functions have read since Load began, and gives
// the first input that is no longer the same.
func (s *Spec) InputChanged() (Input, bool) {
	if s.root == nil {
		return Input{}, false
	}
	return s.root.library.InputChanged()
}
