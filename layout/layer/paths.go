package layer

import (
	"hash/maphash"
	"strings"
)

// Outside reports whether a name is absolute or goes up.
func Outside(name string) bool {
	return strings.HasPrefix(name, "/") || goesUp(name)
}

// Paths maps many clean paths to values in 8 bytes and the value for each, by hashes
// under a secret random seed: the chance that two paths collide is negligible. It is
// made by NewPaths.
type Paths[V any] struct {
	seed  maphash.Seed
	table *hashTable[V]
}

// NewPaths is without paths.
func NewPaths[V any]() Paths[V] {
	return Paths[V]{seed: maphash.MakeSeed(), table: &hashTable[V]{}}
}

// Add remembers a path, and reports whether it is new.
func (p Paths[V]) Add(name string, v V) bool {
	was := p.table.len
	if i := p.table.reserve(maphash.String(p.seed, name)); p.table.len > was {
		p.table.values[i] = v
		return true
	}
	return false
}

// Value is the value that a path has; the zero value for one that has none.
func (p Paths[V]) Value(name string) V {
	v, _ := p.table.get(maphash.String(p.seed, name))
	return v
}

// Set gives a path a value, in place of the one that it has.
func (p Paths[V]) Set(name string, v V) {
	p.table.values[p.table.reserve(maphash.String(p.seed, name))] = v
}

// Above gives the first directory on the way to a path, the path itself left out,
// that was added with a value for which match is true. It reads the path once,
// however many directories that are.
func (p Paths[V]) Above(name string, match func(V) bool) (dir string, v V, ok bool) {
	if p.table.len == 0 {
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
		if v, ok := p.table.get(h.Sum64()); ok && match(v) {
			return name[:i], v, true
		}
	}
	return "", v, false
}

// hashTable is a map of hashes that are evenly spread, with half the memory of one of
// the language where values are small.
type hashTable[V any] struct {
	// keys are the hashes, 0 for a free slot, and len is their number.
	keys   []uint64
	values []V
	len    int
}

// slot is the place of a hash, or a free one for it.
func (t *hashTable[V]) slot(hash uint64) int {
	mask := uint64(len(t.keys) - 1)
	i := hash & mask
	for t.keys[i] != 0 && t.keys[i] != hash {
		i = (i + 1) & mask
	}
	return int(i)
}

// get gives the value of a hash, and reports whether it has one.
func (t *hashTable[V]) get(hash uint64) (v V, ok bool) {
	if t.len == 0 {
		return v, false
	}
	i := t.slot(max(hash, 1))
	return t.values[i], t.keys[i] != 0
}

// reserve is the place of a hash, which is added where it was not there.
func (t *hashTable[V]) reserve(hash uint64) int {
	if 4*(t.len+1) > 3*len(t.keys) {
		old := *t
		t.keys, t.values = make([]uint64, max(16, 2*len(old.keys))), make([]V, max(16, 2*len(old.keys)))
		for i, key := range old.keys {
			if key != 0 {
				to := t.slot(key)
				t.keys[to], t.values[to] = key, old.values[i]
			}
		}
	}
	i := t.slot(max(hash, 1))
	if t.keys[i] == 0 {
		t.keys[i] = max(hash, 1)
		t.len++
	}
	return i
}
