package layer

import (
	"hash/maphash"
	"strings"
)

// Outside reports whether a name is absolute or goes up.
func Outside(name string) bool {
	return strings.HasPrefix(name, "/") || goesUp(name)
}

// Paths remembers one value for each of many clean paths, and keeps 8 bytes and
// the value for each, by hashing them with a seed that nobody can know: two
// paths are mistaken for one with a chance that does not matter. It is made by
// NewPaths.
type Paths[V any] struct {
	seed   maphash.Seed
	values map[uint64]V
}

// NewPaths is without paths.
func NewPaths[V any]() Paths[V] {
	return Paths[V]{seed: maphash.MakeSeed(), values: map[uint64]V{}}
}

// Add remembers a path, and reports whether it is new.
func (p Paths[V]) Add(name string, v V) bool {
	h := maphash.String(p.seed, name)
	if _, ok := p.values[h]; ok {
		return false
	}
	p.values[h] = v
	return true
}

// Value is the value that a path has; the zero value for one that has none.
func (p Paths[V]) Value(name string) V { return p.values[maphash.String(p.seed, name)] }

// Set gives a path a value, in place of the one that it has.
func (p Paths[V]) Set(name string, v V) { p.values[maphash.String(p.seed, name)] = v }

// Has reports whether a path was added.
func (p Paths[V]) Has(name string) bool {
	_, ok := p.values[maphash.String(p.seed, name)]
	return ok
}

// Above gives the first directory on the way to a path, the path itself left out,
// that was added with a value for which match is true. It reads the path once,
// however many directories that are.
func (p Paths[V]) Above(name string, match func(V) bool) (dir string, v V, ok bool) {
	if len(p.values) == 0 {
		return "", v, false
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
	done := 0
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		h.WriteString(name[done:i])
		done = i
		if v, ok := p.values[h.Sum64()]; ok && match(v) {
			return name[:i], v, true
		}
	}
	return "", v, false
}
