package stage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"
	"sync"

	"github.com/layform/layform/layout/layer"
)

// Folder is the part of a Cache for the files of one directory. It is safe for use by
// several goroutines, and fastest when files are asked for in the order of their names.
//
// The records of a saved cache are used as they were read, so that opening a
// cache costs next to nothing for each file: count records of a fixed length,
// sorted by name, and then the names.
type Folder struct {
	cache   *Cache
	mu      sync.Mutex
	records []byte
	count   int
	// next is the record after the one that was found last.
	next int
	// fresh are the entries that are newer than the records, by name; nil for a file
	// that was forgotten.
	fresh map[string]*remembered
	// names is the cached directory listing: a Stat of the directory, the number of
	// saves since it was last used, and the names; empty where it is not known.
	names []byte
}

// remembered is the Cache's entry of one file.
type remembered struct {
	stat Stat
	sum  layer.Sum
}

// The places of the fields in a record.
const (
	statAt     = 0
	digestAt   = statAt + 5*8
	idleAt     = digestAt + 32 // saves since the record was last of use
	nameAt     = idleAt + 1    // where the name ends among the names
	recordSize = nameAt + 4
	// The same for what a folder holds.
	idleOfNames = digestAt
	// leastFolder is how many bytes a folder has in the file at least: an empty
	// name, three numbers, and what it holds.
	leastFolder = 4 + idleOfNames + 1
)

// Lookup returns the SHA-256 of the file name if st is equal to the one that it was
// stored with, nil otherwise. It is not to be written to.
func (f *Folder) Lookup(name string, st Stat) *layer.Sum {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.fresh[name]; ok {
		if r == nil || r.stat != st {
			return nil
		}
		return &r.sum
	}
	i, ok := f.find(name)
	if !ok {
		return nil
	}
	rec := f.record(i)
	if getStat(rec) != st {
		return nil
	}
	rec[idleAt] = 0
	return (*layer.Sum)(rec[digestAt:idleAt])
}

// Names is the listing that SetNames stored, if st, the Stat of the directory, is the
// same as then: nothing came or went since.
func (f *Folder) Names(st Stat) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.names) <= idleOfNames || getStat(f.names) != st {
		return "", false
	}
	f.names[idleOfNames] = 0
	return string(f.names[idleOfNames+1:]), true
}

// SetNames stores the listing of the directory, in any form. st must have been taken
// before it was listed, which must have been after the Cache was opened. What could
// have changed unseen is not remembered.
func (f *Folder) SetNames(st Stat, names string) {
	if f.cache.racy(st) {
		return
	}
	rec := append(putStat(make([]byte, 0, idleOfNames+1+len(names)), st), 0)
	f.mu.Lock()
	f.names = append(rec, names...)
	f.mu.Unlock()
	f.cache.changed()
}

// put remembers or forgets a file, and reports whether that changes anything.
func (f *Folder) put(name string, r *remembered) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, fresh := f.fresh[name]
	i, saved := f.find(name)
	switch {
	case fresh && r == nil && was == nil, fresh && r != nil && was != nil && *r == *was:
		return false
	case !fresh && r == nil && !saved:
		return false
	case !fresh && r != nil && saved && f.load(i) == *r:
		f.record(i)[idleAt] = 0
		return false
	}
	if f.fresh == nil {
		f.fresh = map[string]*remembered{}
	}
	f.fresh[name] = r
	return true
}

// find gives the record of a name.
func (f *Folder) find(name string) (int, bool) {
	if f.next < f.count && string(f.name(f.next)) == name {
		f.next++
		return f.next - 1, true
	}
	low, high := 0, f.count
	for low < high {
		middle := (low + high) / 2
		if string(f.name(middle)) < name {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == f.count || string(f.name(low)) != name {
		return 0, false
	}
	f.next = low + 1
	return low, true
}

func (f *Folder) record(i int) []byte { return f.records[i*recordSize : (i+1)*recordSize] }

// name is the name of a record; nothing where the record says nonsense.
func (f *Folder) name(i int) []byte {
	names := f.records[f.count*recordSize:]
	start, end := uint32(0), binary.LittleEndian.Uint32(f.record(i)[nameAt:])
	if i > 0 {
		start = binary.LittleEndian.Uint32(f.record(i - 1)[nameAt:])
	}
	if start > end || uint64(end) > uint64(len(names)) {
		return nil
	}
	return names[start:end]
}

func (f *Folder) load(i int) remembered {
	rec := f.record(i)
	return remembered{getStat(rec), layer.Sum(rec[digestAt:idleAt])}
}

func getStat(rec []byte) Stat {
	n := binary.LittleEndian
	return Stat{
		Size:   int64(n.Uint64(rec[0:])),
		Mtime:  int64(n.Uint64(rec[8:])),
		Ctime:  int64(n.Uint64(rec[16:])),
		Inode:  n.Uint64(rec[24:]),
		Device: n.Uint64(rec[32:]),
	}
}

// append appends the records that are worth keeping, and the names after them.
func (f *Folder) append(dst []byte) (out []byte, count, names int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.fresh) == 0 && !f.stale() {
		return f.appendSame(dst)
	}
	saved := map[string]int{}
	for i := range f.count {
		name := string(f.name(i))
		if _, ok := f.fresh[name]; !ok && f.record(i)[idleAt] < maxIdle {
			saved[name] = i
		}
	}
	var all []string
	for name, r := range f.fresh {
		if r != nil {
			all = append(all, name)
		}
	}
	all = slices.AppendSeq(all, maps.Keys(saved))
	slices.Sort(all)
	for _, name := range all {
		r, idle := f.fresh[name], byte(0)
		if r == nil {
			old := f.load(saved[name])
			r, idle = &old, f.record(saved[name])[idleAt]
		}
		names += len(name)
		dst = r.append(dst, idle+1, names)
	}
	for _, name := range all {
		dst = append(dst, name...)
	}
	return dst, len(all), names
}

// stale reports whether records have been idle for too long.
func (f *Folder) stale() bool {
	for i := range f.count {
		if f.record(i)[idleAt] >= maxIdle {
			return true
		}
	}
	return false
}

// appendSame appends the records as they are, but for another save.
func (f *Folder) appendSame(dst []byte) (out []byte, count, names int) {
	start := len(dst)
	dst = append(dst, f.records...)
	for i := range f.count {
		dst[start+i*recordSize+idleAt]++
	}
	return dst, f.count, len(f.records) - f.count*recordSize
}

func (r *remembered) append(dst []byte, idle byte, nameEnd int) []byte {
	dst = append(append(putStat(dst, r.stat), r.sum[:]...), idle)
	return binary.LittleEndian.AppendUint32(dst, uint32(nameEnd))
}

func putStat(dst []byte, st Stat) []byte {
	for _, v := range [...]uint64{uint64(st.Size), uint64(st.Mtime), uint64(st.Ctime), st.Inode, st.Device} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

// appendNames appends what the folder holds, for another save.
func (f *Folder) appendNames(dst []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.names) <= idleOfNames || f.names[idleOfNames] >= maxIdle {
		return dst
	}
	at := len(dst) + idleOfNames
	dst = append(dst, f.names...)
	dst[at]++
	return dst
}

const cacheMagic = "layform stat 2\n"

// encodeCache gives the bytes of the file, in parts: the magic, a checksum of
// what follows, the list of folders in the order of their names, and the records
// of each folder. Folders that would take it beyond its bounds are left out.
func encodeCache(folders map[string]*Folder) [][]byte {
	size := 0
	for _, f := range folders {
		size += f.room()
	}
	list, bodies := []byte{}, make([]byte, 0, min(size, cacheLimit))
	total, named := 0, 0
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		listed, start := len(list), len(bodies)
		var count, names int
		bodies, count, names = folders[dir].append(bodies)
		end := len(bodies)
		if bodies = folders[dir].appendNames(bodies); len(bodies) == start {
			continue
		}
		list = append(binary.AppendUvarint(list, uint64(len(dir))), dir...)
		list = binary.AppendUvarint(list, uint64(count))
		list = binary.AppendUvarint(list, uint64(names))
		list = binary.AppendUvarint(list, uint64(len(bodies)-end))
		const head = len(cacheMagic) + 4 + binary.MaxVarintLen64
		if total == folderLimit || named+len(dir) > nameLimit || head+len(list)+len(bodies) > cacheLimit {
			list, bodies = list[:listed], bodies[:start]
			continue
		}
		total++
		named += len(dir)
	}
	content := [][]byte{binary.AppendUvarint(nil, uint64(total)), list, bodies}
	head := binary.LittleEndian.AppendUint32([]byte(cacheMagic), checksum(content...))
	return slices.Insert(content, 0, head)
}

// room is about what append and appendNames append.
func (f *Folder) room() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := len(f.records) + len(f.names)
	for name := range f.fresh {
		size += recordSize + len(name)
	}
	return size
}

func checksum(parts ...[]byte) (sum uint32) {
	for _, data := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), data)
	}
	return sum
}

// decode reads the bytes of the file, which it keeps.
func (c *Cache) decode(data []byte) (map[string]*Folder, error) {
	content, ok := bytes.CutPrefix(data, []byte(cacheMagic))
	if !ok || len(content) < 4 || binary.LittleEndian.Uint32(content) != checksum(content[4:]) {
		return nil, errors.New("it is damaged, or no stat cache of this version")
	}
	content = content[4:]
	// The list is short beside the records, which are never copied.
	r := &byteReader{rest: content}
	total := r.uint()
	if total > min(folderLimit, uint64(len(content)/leastFolder)) {
		return nil, ErrCorrupt
	}
	all, list := make([]Folder, total), make([]string, total)
	sizes := make([][2]uint64, total)
	named := 0
	for i := range all {
		dir := r.take(r.uint())
		count, names, held := r.uint(), r.uint(), r.uint()
		if named += len(dir); named > nameLimit || i > 0 && string(dir) <= list[i-1] {
			return nil, ErrCorrupt
		}
		if count > uint64(len(content)/recordSize) || names > uint64(len(content)) || count == 0 && held <= idleOfNames {
			return nil, ErrCorrupt
		}
		list[i], sizes[i] = string(dir), [2]uint64{count*recordSize + names, held}
		all[i].cache, all[i].count = c, int(count)
	}
	folders := make(map[string]*Folder, total)
	for i := range all {
		all[i].records, all[i].names = r.take(sizes[i][0]), r.take(sizes[i][1])
		folders[list[i]] = &all[i]
	}
	if r.short || len(r.rest) > 0 {
		return nil, ErrCorrupt
	}
	return folders, nil
}

// byteReader takes a record apart without copying.
type byteReader struct {
	rest  []byte
	short bool
}

func (r *byteReader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

func (r *byteReader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.short, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
