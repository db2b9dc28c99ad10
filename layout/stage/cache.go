package stage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
)

// Cache remembers the digests of files by what the file system says of them: a
// file whose size, times, inode and device are what they were has the content
// that it had. It is safe for use by several goroutines.
//
// Times are coarse: a file can change twice within one tick and look the same.
// So, as git does for its index, a file that changed after the Cache was opened,
// or so shortly before that the same tick may have seen another change, is not
// remembered; it is read again next time.
type Cache struct {
	store  *layout.Store
	opened time.Time

	mu    sync.Mutex
	files map[string]*remembered
	dirty bool
}

// remembered is what the Cache knows of one file.
type remembered struct {
	stat   stat
	digest [32]byte
	// idle counts the saves since the entry was last of use.
	idle uint8
}

// stat is what the file system says of a file and its content; times are in
// nanoseconds since the epoch.
type stat struct {
	size, mtime, ctime int64
	inode, device      uint64
}

const (
	cacheFile  = "stat.cache"
	cacheMagic = "layform stat 1\n"
	cacheLimit = 1 << 30
	// maxIdle is how many saves an entry survives without being asked for.
	maxIdle = 20
	// A file system that keeps fractions of seconds keeps ticks of at most 10 ms;
	// others may keep two seconds.
	fineTick   = int64(50 * time.Millisecond)
	coarseTick = int64(2 * time.Second)
)

// OpenCache reads the stat cache of a layout. One that does not exist, or is
// damaged or of another version, is empty: it costs time alone.
func OpenCache(store *layout.Store) *Cache {
	c := &Cache{store: store, opened: time.Now(), files: map[string]*remembered{}}
	data, err := store.ReadState(cacheFile, cacheLimit)
	if err != nil {
		return c
	}
	if files, err := decodeCache(data); err == nil {
		c.files = files
	}
	return c
}

// Lookup returns the digest of the file at path when info is what it was when
// the digest was stored. path is any name that means the same file each time.
func (c *Cache) Lookup(path string, info fs.FileInfo) (digest.Digest, bool) {
	st, ok := statOf(info)
	if !ok {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.files[path]
	if !ok || r.stat != st {
		return "", false
	}
	r.idle = 0
	return sha256Digest(string(r.digest[:])), true
}

// Store remembers the digest of the file at path. info must have been taken
// before the content was read, and the content must have been read since the
// Cache was opened. A file that could have changed unseen is not remembered.
func (c *Cache) Store(path string, info fs.FileInfo, dgst digest.Digest) {
	st, ok := statOf(info)
	if !ok {
		return
	}
	tick := fineTick
	if st.mtime%int64(time.Second) == 0 && st.ctime%int64(time.Second) == 0 {
		tick = coarseTick
	}
	if max(st.mtime, st.ctime) >= c.opened.UnixNano()-tick {
		c.forget(path)
		return
	}
	c.put(path, st, dgst)
}

// Trust remembers the digest of a file that only the caller writes, however
// young it is.
func (c *Cache) Trust(path string, info fs.FileInfo, dgst digest.Digest) {
	if st, ok := statOf(info); ok {
		c.put(path, st, dgst)
	}
}

func (c *Cache) put(path string, st stat, dgst digest.Digest) {
	raw, ok := rawSHA256(dgst)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.files[path]; ok && r.stat == st && r.digest == raw {
		r.idle = 0
		return
	}
	c.files[path] = &remembered{stat: st, digest: raw}
	c.dirty = true
}

func (c *Cache) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.files[path]; ok {
		delete(c.files, path)
		c.dirty = true
	}
}

// Save writes the cache when it changed. In a layout that does not exist yet it
// writes nothing. An error, as in a layout that is read-only, may be ignored.
func (c *Cache) Save(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dirty || !c.store.Initialised() {
		return nil
	}
	maps.DeleteFunc(c.files, func(_ string, r *remembered) bool { return r.idle >= maxIdle })
	w := &writer{buf: make([]byte, 0, 128*len(c.files)+64)}
	w.uint(uint64(len(c.files)))
	for _, path := range slices.Sorted(maps.Keys(c.files)) {
		c.files[path].write(w, path)
	}
	if err := c.store.SaveCache(cacheFile, sealCache(w.buf)); err != nil {
		return err
	}
	c.dirty = false
	return nil
}

func (r *remembered) write(w *writer, path string) {
	w.string(path)
	w.int(r.stat.size)
	w.int(r.stat.mtime)
	w.int(r.stat.ctime)
	w.uint(r.stat.inode)
	w.uint(r.stat.device)
	w.buf = append(append(w.buf, r.digest[:]...), r.idle+1)
}

// sealCache puts the magic and a checksum before the records.
func sealCache(records []byte) []byte {
	w := &writer{buf: []byte(cacheMagic)}
	w.uint(uint64(checksum(records)))
	return append(w.buf, records...)
}

func checksum(records []byte) uint32 {
	return crc32.Checksum(records, crc32.MakeTable(crc32.Castagnoli))
}

// leastRecord is the length of the shortest record.
const leastRecord = 1 + 5 + 32 + 1

func decodeCache(data []byte) (map[string]*remembered, error) {
	records, ok := bytes.CutPrefix(data, []byte(cacheMagic))
	if !ok {
		return nil, errors.New("not a stat cache of this version")
	}
	sum, n := binary.Uvarint(records)
	if n <= 0 || sum != uint64(checksum(records[n:])) {
		return nil, ErrCorrupt
	}
	r := &reader{text: string(records[n:])}
	count := r.count(leastRecord)
	files := make(map[string]*remembered, count)
	entries := make([]remembered, count)
	for i := range entries {
		e := &entries[i]
		path := r.string()
		e.stat = stat{size: r.int(), mtime: r.int(), ctime: r.int(), inode: r.uint(), device: r.uint()}
		copy(e.digest[:], r.take(32))
		if idle := r.take(1); idle != "" {
			e.idle = idle[0]
		}
		if r.err != nil {
			return nil, r.err
		}
		files[path] = e
	}
	if r.pos != len(r.text) {
		return nil, ErrCorrupt
	}
	return files, nil
}
