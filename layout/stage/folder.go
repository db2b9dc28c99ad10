package stage

import (
	"encoding/binary"
	"io"
	"maps"
	"math"
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

// mergeAtLeast is how many files are learnt of before they are made records.
const mergeAtLeast = 32

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
	if len(f.fresh) >= max(mergeAtLeast, f.count/2) {
		f.merge(math.MaxUint8)
	}
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

// folderRecords is a folder as the file has it: records, with the names after them, and
// what the folder holds. What is learnt meanwhile changes neither length.
type folderRecords struct {
	folder         *Folder
	count          int
	records, names []byte
}

// pack makes records of what was learnt, and drops those that are not worth keeping
// any more.
func (f *Folder) pack() folderRecords {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.fresh) > 0 || f.stale() {
		f.merge(maxIdle)
	}
	if len(f.names) <= idleOfNames || f.names[idleOfNames] >= maxIdle {
		f.names = nil
	}
	return folderRecords{f, f.count, f.records, f.names}
}

// merge makes records of what was learnt, which take less memory, and of the records
// that were idle for fewer saves than most.
func (f *Folder) merge(most byte) {
	length := len(f.records)
	for name := range f.fresh {
		length += recordSize + len(name)
	}
	learnt := slices.Sorted(maps.Keys(f.fresh))
	records, names, count := make([]byte, 0, length), []byte{}, 0
	fresh := func(until func(name string) bool) {
		for ; len(learnt) > 0 && until(learnt[0]); learnt = learnt[1:] {
			if r := f.fresh[learnt[0]]; r != nil {
				names = append(names, learnt[0]...)
				records = r.append(records, len(names))
				count++
			}
		}
	}
	for i := range f.count {
		name, rec := f.name(i), f.record(i)
		fresh(func(next string) bool { return next <= string(name) })
		if _, known := f.fresh[string(name)]; known || rec[idleAt] >= most {
			continue
		}
		names = append(names, name...)
		records = binary.LittleEndian.AppendUint32(append(records, rec[:nameAt]...), uint32(len(names)))
		count++
	}
	fresh(func(string) bool { return true })
	f.records, f.count, f.next, f.fresh = append(records, names...), count, 0, nil
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

// write writes the folder for another save. buf is used for it, and returned for the
// next one.
func (r folderRecords) write(w io.Writer, buf []byte) ([]byte, error) {
	r.folder.mu.Lock()
	buf = append(append(buf[:0], r.records...), r.names...)
	r.folder.mu.Unlock()
	for i := range r.count {
		buf[i*recordSize+idleAt]++
	}
	if len(r.names) > 0 {
		buf[len(r.records)+idleOfNames]++
	}
	_, err := w.Write(buf)
	return buf, err
}

func (r *remembered) append(dst []byte, nameEnd int) []byte {
	dst = append(append(putStat(dst, r.stat), r.sum[:]...), 0)
	return binary.LittleEndian.AppendUint32(dst, uint32(nameEnd))
}

func putStat(dst []byte, st Stat) []byte {
	for _, v := range [...]uint64{uint64(st.Size), uint64(st.Mtime), uint64(st.Ctime), st.Inode, st.Device} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

const cacheMagic = "layform stat 2\n"

// packed is the list of folders as the file has it: of each its name, how many records
// there are, and the lengths of their names and of what the folder holds.
type packed struct {
	list    []byte
	folders []folderRecords
}

// pack lists the folders in the order of their names. Those that would take the file
// beyond its bounds are left out.
func pack(folders map[string]*Folder) *packed {
	p := &packed{}
	named, size := 0, 0
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		f, listed := folders[dir].pack(), len(p.list)
		length := len(f.records) + len(f.names)
		if length == 0 {
			continue
		}
		p.list = append(binary.AppendUvarint(p.list, uint64(len(dir))), dir...)
		for _, n := range [...]int{f.count, len(f.records) - f.count*recordSize, len(f.names)} {
			p.list = binary.AppendUvarint(p.list, uint64(n))
		}
		const head = len(cacheMagic) + 4 + binary.MaxVarintLen64
		if len(p.folders) == folderLimit || named+len(dir) > nameLimit || head+len(p.list)+size+length > cacheLimit {
			p.list = p.list[:listed]
			continue
		}
		p.folders = append(p.folders, f)
		named += len(dir)
		size += length
	}
	return p
}

// write writes the content of the file: the number of folders, their list, and of
// each the records and what it holds.
func (p *packed) write(w io.Writer) error {
	if _, err := w.Write(append(binary.AppendUvarint(nil, uint64(len(p.folders))), p.list...)); err != nil {
		return err
	}
	var buf []byte
	var err error
	for _, f := range p.folders {
		if buf, err = f.write(w, buf); err != nil {
			return err
		}
	}
	return nil
}

// decode reads the content of the file, which it keeps.
func (c *Cache) decode(content []byte) (map[string]*Folder, error) {
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
