package walk

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Directories remembers the names in directories below one root, so that trees that
// have directories in common list each of them once. It is for the length of one
// plan: what comes or goes meanwhile is not seen. The zero value is ready, and a nil
// one remembers nothing.
type Directories struct {
	lists, stats atomic.Int64

	mu     sync.Mutex
	cached map[string][]dirent
	room   int
}

// maxNames bounds the names that are remembered, to some 40 MB. Directories beyond
// are listed for each tree.
const maxNames = 1 << 20

// Counts is how many directories were listed and how many files stat'ed.
func (d *Directories) Counts() (lists, stats int64) { return d.lists.Load(), d.stats.Load() }

// names gives the names in the directory at path, sorted: those that are remembered,
// or what list gives, which may be overwritten later.
func (d *Directories) names(path string, list func() ([]dirent, error)) ([]dirent, error) {
	if d == nil {
		return list()
	}
	d.mu.Lock()
	all, ok := d.cached[path]
	d.mu.Unlock()
	if ok {
		return all, nil
	}
	all, err := list()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && d.room+len(all) <= maxNames {
		if d.cached == nil {
			d.cached = map[string][]dirent{}
		}
		d.cached[path] = slices.Clone(all)
		d.room += len(all) + 1
	}
	return all, err
}

// countListed counts a directory that was listed.
func (d *Directories) countListed() {
	if d != nil {
		d.lists.Add(1)
	}
}

// countStat counts a file that was stat'ed.
func (d *Directories) countStat() {
	if d != nil {
		d.stats.Add(1)
	}
}

// dirent is a name in a directory, and its type where the file system has it.
type dirent struct {
	name string
	kind byte
}

// The types of a dirent that matter, as Linux numbers them.
const (
	typeUnknown   = 0
	typeDirectory = 4
	typeOther     = 8
)

// selectNames appends the wanted ones of the sorted names, in their order.
func selectNames(dst, names []dirent, wanted []string) []dirent {
	wanted = slices.Compact(slices.Sorted(slices.Values(wanted)))
	for _, name := range wanted {
		at, ok := slices.BinarySearchFunc(names, name, func(n dirent, name string) int { return strings.Compare(n.name, name) })
		if ok {
			dst = append(dst, names[at])
		}
	}
	return dst
}
