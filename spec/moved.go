package spec

import (
	"os"
	"path/filepath"
	"slices"
)

// Moved tells whether the spec files of a directory are still the given sources,
// and names the first that is not: edited, gone, or new. file is the one file
// that was loaded, empty when all files of the directory were. A directory that
// has none of the files, as when a saved plan was carried to another machine,
// holds nothing that could have moved.
func Moved(dir, file string, sources []Source) (string, bool) {
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
		names = slices.DeleteFunc(all, func(name string) bool { return !isSpecFile(name) })
	} else if _, err := os.Lstat(filepath.Join(dir, file)); err != nil {
		all, problem := listFiles(dir)
		return file, problem == nil && slices.ContainsFunc(all, isSpecFile)
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
		if text, err := readInside(dir, s.Name, MaxSourceSize); err != nil || text != s.Text {
			return s.Name, true
		}
	}
	return "", false
}
