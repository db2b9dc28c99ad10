package layout

import (
	"hash/maphash"
	"strings"
)

// pathSet is a set of paths that keeps 8 bytes for each, by hashing them with a
// seed that nobody can know: two paths are mistaken for one with a chance that
// does not matter.
type pathSet struct {
	seed maphash.Seed
	set  map[uint64]struct{}
}

// add adds a path, and reports whether it is new.
func (s pathSet) add(path string) bool {
	h := maphash.String(s.seed, path)
	if _, ok := s.set[h]; ok {
		return false
	}
	s.set[h] = struct{}{}
	return true
}

func (s pathSet) has(path string) bool {
	_, ok := s.set[maphash.String(s.seed, path)]
	return ok
}

// pathSets are the paths of a layer that matter for the entries that follow.
type pathSets struct {
	// seen are all paths, links the symbolic links, hidden what whiteouts of the
	// layer hide, parents the directories that have an entry.
	seen, links, hidden, parents pathSet
}

func newPathSets() pathSets {
	seed := maphash.MakeSeed()
	set := func() pathSet { return pathSet{seed: seed, set: map[uint64]struct{}{}} }
	return pathSets{seen: set(), links: set(), hidden: set(), parents: set()}
}

// throughLink gives the symbolic link of the layer that path leads through.
func (s pathSets) throughLink(path string) (string, bool) {
	if len(s.links.set) == 0 {
		return "", false
	}
	for i := 0; ; {
		n := strings.IndexByte(path[i:], '/')
		if n < 0 {
			return "", false
		}
		i += n
		if s.links.has(path[:i]) {
			return path[:i], true
		}
		i++
	}
}
