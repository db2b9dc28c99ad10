package spec

import (
	"os"
	"path/filepath"
	"slices"
)

// SourcesChanged compares the spec files of a directory with the given sources, and
// names the first that differs: edited, gone, or new. file is the one file
// that was loaded, empty when all files of the directory were. A directory that
// has none of the files, as when a saved plan was carried to another machine,
// holds nothing that could have changed.
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

// InputChanged reads again what functions have read since Load began, and gives
// the first input that is no longer the same.
func (s *Spec) InputChanged() (Input, bool) {
	again := newReader(s.Dir)
	for _, in := range s.Inputs() {
		var err error
		switch in.Function {
		case "fileset":
			_, err = again.fileset(in.Path, in.Pattern)
		case "fileexists":
			_, err = again.exists(in.Path)
		default:
			_, err = again.read(in.Function, in.Path)
		}
		if err != nil || again.inputs[inputKey{in.Function, in.Path, in.Pattern}] != in.Digest {
			return in, true
		}
	}
	return Input{}, false
}
